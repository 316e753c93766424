package ecs

import (
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/store"
)

// Service is a number of like tasks that are kept running. What is wanted (Desired,
// Deployments[0].Revision, Settings) is written by handlers; what is (Replicas,
// rollout states, Events) by the machine.
type Service struct {
	store.Scope
	Cluster, Name string
	Status        string // ACTIVE, DRAINING, INACTIVE
	Desired       int
	Settings      Settings
	Deployments   []Deployment // the primary first
	Past          []Deployment // newest first: what DescribeServiceDeployments still tells
	Replicas      []Replica    // oldest first
	Events        []ServiceEvent
	Steady        bool
	Sequence      int // numbers tasks and events, so that their ids are derived
	Throttle      Throttle
	CreatedAt     time.Time
	CreatedBy     string
	InactiveAt    time.Time
	Incarnation   string // distinguishes services that had the same name
}

// Settings are the parts of a service that start no deployment when they change.
type Settings struct {
	Minimum, Maximum  int
	Breaker, Rollback bool
	GracePeriod       int
	HasGracePeriod    bool
	Rebalancing       string
	Strategy          string // REPLICA; DAEMON is refused
	PropagateTags     string
	ManagedTags       bool
	Exec              bool
	RoleARN           string
	Tags              []Tag
	Alarms            *Alarms
}

// Alarms is stored and echoed; alarms are not polled.
type Alarms struct {
	Names            []string
	Enable, Rollback bool
}

// Tag is a key and a value.
type Tag struct{ Key, Value string }

// Throttle delays starts after tasks that failed to start.
type Throttle struct {
	Failures int
	Until    time.Time
}

// Replica is what a service knows of one of its tasks.
type Replica struct {
	ID         string
	Deployment string // deployment id
	Version    int    // of the report it comes from
	CreatedAt  time.Time
	Status     Status
	StartedAt  time.Time // RUNNING since
	Checked    bool      // an essential container has a health check
	Health     string    // HEALTHY, UNHEALTHY, UNKNOWN
	Targets    []Target
	StopCode   string
	Protected  time.Time // scale-in protection ends

	Leaving    bool // to be stopped: by us, by a user or by itself
	WasHealthy bool
	IsBad      bool // told to be unhealthy; a replacement is due
	IsCounted  bool // as a failure
}

// Target is one registration of a task in a target group. State is the target
// group's word for it ("initial", "healthy", "unhealthy", "draining"), "" before.
type Target struct {
	Group     string
	Container string
	Port      int32
	State     string
	Reason    string
}

func (s *Service) arn() string {
	return arn.New("ecs", s.Region, s.Account, "service/"+s.Cluster+"/"+s.Name)
}

func (s *Service) clusterARN() string { return clusterARN(s.Scope, s.Cluster) }

func clusterARN(scope store.Scope, name string) string {
	return arn.New("ecs", scope.Region, scope.Account, "cluster/"+name)
}

func (s *Service) taskARN(id string) string {
	return arn.New("ecs", s.Region, s.Account, "task/"+s.Cluster+"/"+id)
}

// primary is nil only for a service whose last deployment is gone.
func (s *Service) primary() *Deployment {
	if len(s.Deployments) == 0 {
		return nil
	}
	return &s.Deployments[0]
}

func (s *Service) deployment(id string) *Deployment {
	for i := range s.Deployments {
		if s.Deployments[i].ID == id {
			return &s.Deployments[i]
		}
	}
	return nil
}

func (s *Service) replica(id string) *Replica {
	for i := range s.Replicas {
		if s.Replicas[i].ID == id {
			return &s.Replicas[i]
		}
	}
	return nil
}

// counts are a deployment's pending and running tasks as Describe tells them.
func (s *Service) counts(deployment string) (pending, running int) {
	for _, r := range s.Replicas {
		switch {
		case deployment != "" && r.Deployment != deployment:
		case r.Status == Running && !r.Leaving:
			running++
		case r.Status.before(Running) && !r.Leaving:
			pending++
		}
	}
	return pending, running
}
