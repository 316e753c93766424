package ecs

import (
	"context"
	"log/slog"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Deps are the abilities that Control borrows.
type Deps struct {
	DB      store.DB
	Engine  engine.Engine
	AWS     op.Dispatcher
	Guard   op.Guard
	Pods    Pods
	Images  compute.Images
	Logs    Logs          // where container output is kept
	Tickets Tickets       // credentials of task roles
	Targets Targets       // pushes from the load balancer; nil: polling only
	Settle  time.Duration // how long a task without any check runs until it is healthy; 0 = 5 s
	Clock   clock.Clock
	Log     *slog.Logger
}

// Pods is the part of a compute.Backend that tasks need, and following output.
type Pods interface {
	Ensure(ctx context.Context, p compute.Pod) (compute.Status, error)
	Stop(ctx context.Context, pod string, grace time.Duration) error
	Remove(ctx context.Context, pod string) error
	List(ctx context.Context) ([]compute.Status, error)
	Watch(ctx context.Context, f func(compute.Status)) error
	compute.Logs
}

// Logs is the part of the log store that container output goes to.
type Logs interface {
	Append(ctx context.Context, s logstore.Stream, first uint64, lines []logstore.Line) (next uint64, err error)
	// Next is the number that the next line of producer "" has.
	Next(ctx context.Context, s logstore.Stream, producer string) (uint64, error)
}

// Tickets seals a role for the credentials endpoint of a container.
type Tickets interface {
	// Ticket is what follows /v2/credentials/ for a session of role.
	Ticket(role, session, service string) (string, error)
}

// Targets tells which target groups have something new to say; what it is,
// elbv2:DescribeTargetHealth tells. Watch returns when ctx ends or the source is lost.
type Targets interface {
	Watch(ctx context.Context, changed func(targetGroupARN string)) error
}

// Control is the control plane of ECS.
type Control struct {
	Deps
	clusters    store.Collection[Cluster]
	families    store.Collection[Family]
	definitions store.Collection[Definition]
	services    store.Collection[Service]
	tasks       store.Collection[Task]
	settings    store.Collection[Setting]
	jobs        *jobs
}

// New makes a Control on d. Its machines are Kinds, its loops Run.
func New(d Deps) *Control {
	if d.Settle == 0 {
		d.Settle = 5 * time.Second
	}
	c := collections()
	c.Deps = d
	c.jobs = newJobs(c)
	return c
}

// Names of the machines.
const (
	serviceKind = "ecs.service"
	taskKind    = "ecs.task"
)

// Kinds are the machines of ECS.
func (c *Control) Kinds() []engine.Kind {
	return []engine.Kind{
		engine.Machine(serviceKind, c.services, stepService(c.Settle), map[string]engine.Do[Service]{
			"start": c.startTask, "stop": c.stopTaskOf,
		}),
		engine.Machine(taskKind, c.tasks, stepTask, map[string]engine.Do[Task]{
			"attach": c.attach, "launch": c.drive, "register": c.register, "deregister": c.deregister,
			"kill": c.drive, "release": c.drive, "report": c.report, "forget": c.erase,
		}),
	}
}

func serviceID(s store.Scope, cluster, name string) engine.ID {
	return engine.ID{Scope: s, Kind: serviceKind, Key: cluster + "/" + name}
}

func taskID(s store.Scope, id string) engine.ID { return engine.ID{Scope: s, Kind: taskKind, Key: id} }
