package elbv2

import (
	"context"
	"log/slog"
	"net/netip"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Records is the part of dataplane.Records that a load balancer is written with.
type Records interface {
	PutName(ctx context.Context, tx store.Tx, n dataplane.Name) (uint64, error)
	DeleteName(ctx context.Context, tx store.Tx, vpc, name string) (uint64, error)
	PutBalancer(ctx context.Context, tx store.Tx, b dataplane.Balancer) (uint64, error)
	DeleteBalancer(ctx context.Context, tx store.Tx, id string) (uint64, error)
	PutListener(ctx context.Context, tx store.Tx, l dataplane.Listener) (uint64, error)
	DeleteListener(ctx context.Context, tx store.Tx, id string) (uint64, error)
	PutPool(ctx context.Context, tx store.Tx, p dataplane.Pool) (uint64, error)
	DeletePool(ctx context.Context, tx store.Tx, id string) (uint64, error)
}

// Health is the last report of a target.
type Health interface {
	Report(pool string, target netip.AddrPort) (dataplane.Report, bool)
}

// Deps are the abilities a Service borrows.
type Deps struct {
	DB      store.DB
	Engine  engine.Engine
	AWS     op.Dispatcher
	Records Records
	Health  Health
	// Network returns when the network of all commits so far is in force: the
	// namespaces of new interfaces are there.
	Network func(ctx context.Context) error
	// Plane returns when the data plane has a record's number in force.
	Plane func(ctx context.Context, number uint64) error
	Clock clock.Clock
	Log   *slog.Logger
}

// Service is Elastic Load Balancing v2.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// The collections. Keys are ARNs.
var (
	balancers = store.Define(store.Schema[Balancer]{
		Table: "elbv2_balancers", Number: 1,
		Index: map[string]func(Balancer) string{"name": func(b Balancer) string { return b.Name }},
	})
	listeners = store.Define(store.Schema[Listener]{
		Table: "elbv2_listeners", Number: 1,
		Index: map[string]func(Listener) string{"balancer": func(l Listener) string { return l.Balancer }},
	})
	rules = store.Define(store.Schema[Rule]{
		Table: "elbv2_rules", Number: 1,
		Index: map[string]func(Rule) string{"listener": func(r Rule) string { return r.Listener }},
	})
	groups = store.Define(store.Schema[Group]{
		Table: "elbv2_groups", Number: 1,
		Index: map[string]func(Group) string{
			"name":     func(g Group) string { return g.Name },
			"balancer": func(g Group) string { return g.Balancer },
		},
	})
)

// Tables are for the migration at start.
func (s *Service) Tables() []store.Table {
	return []store.Table{balancers, listeners, rules, groups}
}

// Kinds are the machines.
func (s *Service) Kinds() []engine.Kind {
	return []engine.Kind{
		engine.Machine(balancerKind, balancers, stepBalancer, map[string]engine.Do[Balancer]{
			"attach": s.attach, "detach": s.detach, "secure": s.secure, "publish": s.publish, "forget": s.forget,
		}),
		engine.Machine(groupKind, groups, stepGroup, map[string]engine.Do[Group]{"publish": s.publishGroup}),
	}
}
