package ecs

import (
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/store"
)

// Task is one running set of containers. What it is made of (the first group of
// members) never changes; the rest is written by its machine.
type Task struct {
	store.Scope
	Cluster, ID string
	Definition  string // ARN with revision
	Group       string
	StartedBy   string
	LaunchType  string
	Provider    string // capacity provider, "" with a launch type
	Platform    string
	CPU, Memory string
	Network     Network
	Overrides   Overrides
	Execution   string // role ARNs, "" for none
	Role        string
	Tags        []Tag
	Exec        bool
	Service     string // name, "" for a task of its own
	Deployment  string
	Ordinal     int // spreads tasks over subnets
	CreatedAt   time.Time
	Containers  []Container
	Targets     []Target

	Version         int
	Status          Status
	IsStopped       bool // desiredStatus STOPPED
	StopCode        string
	StopReason      string
	Interface       Interface
	IsRegistering   bool `json:",omitzero"` // its targets are on their way into their groups
	PullStartedAt   time.Time
	PullStoppedAt   time.Time
	StartedAt       time.Time
	StoppingAt      time.Time
	StoppedAt       time.Time
	ExecutionEndsAt time.Time
	ProtectedUntil  time.Time
	Told            string // fingerprint of the last report and fact
}

// Container is one container of a task. The first members come from its definition.
type Container struct {
	Name, Image string
	UUID        string
	Essential   bool
	Checked     bool
	StopTimeout time.Duration
	CPU         string
	Memory      string
	Soft        string

	RuntimeID string
	Digest    string
	Status    Status
	StartedAt time.Time
	ExitedAt  time.Time
	ExitCode  *int
	Reason    string
	Health    string // HEALTHY, UNHEALTHY, UNKNOWN
}

// Interface is the task's network interface.
type Interface struct {
	Attachment string // id of the attachment
	ID, Subnet string
	VPC, Zone  string
	Address    string
	MAC, DNS   string
}

// Overrides are what RunTask changes of a task definition.
type Overrides struct {
	CPU, Memory string
	Execution   string
	Role        string
	Containers  []ContainerOverride
}

// ContainerOverride is the part for one container.
type ContainerOverride struct {
	Name        string
	Command     []string
	Environment []Variable
	CPU, Memory *int32
	Reservation *int32
}

// Variable is one variable of the environment.
type Variable struct{ Name, Value string }

func taskARN(scope store.Scope, cluster, id string) string {
	return arn.New("ecs", scope.Region, scope.Account, "task/"+cluster+"/"+id)
}

func (t *Task) arn() string { return taskARN(t.Scope, t.Cluster, t.ID) }

func (t *Task) containerARN(c *Container) string {
	return arn.New("ecs", t.Region, t.Account, "container/"+t.Cluster+"/"+t.ID+"/"+c.UUID)
}

// pod is the name of the pod that runs the task.
func (t *Task) pod() string { return podPrefix + t.ID }

const podPrefix = "task-"

func (t *Task) container(name string) *Container {
	for i := range t.Containers {
		if t.Containers[i].Name == name {
			return &t.Containers[i]
		}
	}
	return nil
}

// health is UNHEALTHY if any essential container is, else UNKNOWN if any is, else HEALTHY.
func (t *Task) health() string {
	health := "HEALTHY"
	for _, c := range t.Containers {
		switch {
		case !c.Essential:
		case c.Health == "UNHEALTHY":
			return "UNHEALTHY"
		case c.Health != "HEALTHY":
			health = "UNKNOWN"
		}
	}
	return health
}

// replica is what the service is told.
func (t *Task) replica() Replica {
	r := Replica{
		ID: t.ID, Deployment: t.Deployment, Version: t.Version, CreatedAt: t.CreatedAt, Status: t.Status, StartedAt: t.StartedAt,
		Targets: t.Targets, StopCode: t.StopCode, Protected: t.ProtectedUntil, Leaving: t.IsStopped,
	}
	r.Health = "HEALTHY"
	for _, c := range t.Containers {
		if !c.Essential || !c.Checked {
			continue
		}
		r.Checked = true
		if c.Health == "UNHEALTHY" || r.Health == "HEALTHY" {
			r.Health = c.Health
		}
	}
	return r
}
