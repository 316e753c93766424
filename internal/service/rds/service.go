package rds

import (
	"context"
	"crypto/tls"
	"log/slog"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Pods is the part of compute.Backend that a database needs, and compute.Shell.
type Pods interface {
	Ensure(ctx context.Context, p compute.Pod) (compute.Status, error)
	Stop(ctx context.Context, pod string, grace time.Duration) error
	Remove(ctx context.Context, pod string) error
	List(ctx context.Context) ([]compute.Status, error)
	Watch(ctx context.Context, f func(compute.Status)) error
	Exec(ctx context.Context, pod, container string, command []string) (code int, output []byte, err error)
}

// Names is the part of dataplane.Records that makes endpoints known.
type Names interface {
	PutName(ctx context.Context, tx store.Tx, n dataplane.Name) (uint64, error)
	DeleteName(ctx context.Context, tx store.Tx, vpc, name string) (uint64, error)
}

// Deps are the abilities a Service borrows.
type Deps struct {
	DB     store.DB
	Engine engine.Engine
	AWS    op.Dispatcher
	Names  Names
	// Plane returns when the data plane has a record's number in force.
	Plane func(ctx context.Context, number uint64) error
	Pods  Pods
	Data  string // the data folder: databases lie in its "rds"
	// Certificate makes the server certificate of a host name; nil: no TLS.
	Certificate func(name string) (*tls.Certificate, error)
	Clock       clock.Clock
	Log         *slog.Logger
}

// Service is Amazon RDS.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// The collections. Keys are identifiers, in lower case.
var (
	instances = store.Define(store.Schema[Instance]{
		Table: "rds_instances", Number: 1,
		Index: map[string]func(Instance) string{"group": func(i Instance) string { return i.SubnetGroup }},
	})
	groups = store.Define(store.Schema[SubnetGroup]{Table: "rds_subnet_groups", Number: 1})
)

// Tables are for the migration at start.
func (s *Service) Tables() []store.Table { return []store.Table{instances, groups} }

// Kinds are the machines.
func (s *Service) Kinds() []engine.Kind {
	do := map[string]engine.Do[Instance]{
		"secret": s.secret, "attach": s.attach, "publish": s.publish, "start": s.start,
		"halt": s.halt, "apply": s.apply, "remove": s.remove, "forget": s.forget,
	}
	for name, f := range do {
		// An effect of an instance that had the same identifier does nothing.
		do[name] = func(ctx context.Context, id engine.ID, i Instance, e engine.Effect, token string) (*engine.Event, error) {
			if !strings.HasPrefix(e.Name, i.ResourceID+"/") {
				return nil, nil
			}
			return f(ctx, id, i, e, token)
		}
	}
	return []engine.Kind{engine.Machine(kindName, instances, step, do)}
}
