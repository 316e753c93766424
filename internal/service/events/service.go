package events

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventpattern"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Deps are the abilities a Service borrows.
type Deps struct {
	DB     eventstream.Database
	Stream eventstream.Stream
	Engine engine.Engine
	AWS    op.Dispatcher
	Guard  op.Guard
	Clock  clock.Clock
	Log    *slog.Logger
}

// Service is EventBridge.
type Service struct {
	Deps
	rules      store.Collection[Rule]
	deliveries store.Collection[Delivery]

	mu       sync.Mutex
	patterns map[string]*eventpattern.Pattern // compiled, by text
}

// New makes the service.
func New(d Deps) *Service {
	return &Service{
		Deps:       d,
		rules:      store.Define(store.Schema[Rule]{Table: "events_rules", Number: 1}),
		deliveries: store.Define(store.Schema[Delivery]{Table: "events_deliveries", Number: 1, Index: map[string]func(Delivery) string{"ended": func(d Delivery) string { return d.ended() }}}),
		patterns:   map[string]*eventpattern.Pattern{},
	}
}

// Tables are the service's collections.
func (s *Service) Tables() []store.Table { return []store.Table{s.rules, s.deliveries} }

// Kinds are the service's machines.
func (s *Service) Kinds() []engine.Kind {
	return []engine.Kind{
		engine.Machine(ruleKind, s.rules, tick, nil),
		engine.Machine(deliveryKind, s.deliveries, step, map[string]engine.Do[Delivery]{"deliver": s.deliver}),
	}
}

// Run matches facts with rules until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	c := &eventstream.Consumer{Name: "events.rules", DB: s.DB, Stream: s.Stream, Clock: s.Clock, Handle: s.match}
	return c.Run(ctx)
}

// Rule is a row; its key is the name.
type Rule struct {
	ARN         string
	Pattern     string `json:",omitzero"`
	Schedule    string `json:",omitzero"` // its ScheduleExpression; the rule is a machine that keeps the timer
	State       string
	Description string
	RoleARN     string
	CreatedBy   string
	Tags        map[string]string `json:",omitzero"`
	Targets     []Target
}

// Target is where a matched event goes.
type Target struct {
	ID, ARN, RoleARN string
	Input            string            `json:",omitzero"`
	InputPath        string            `json:",omitzero"`
	Paths            map[string]string `json:",omitzero"`
	Template         string            `json:",omitzero"`
}

// bus is the only bus.
const bus = "default"

func ruleARN(scope store.Scope, name string) string {
	return arn.New("events", scope.Region, scope.Account, "rule/"+name)
}

// event is EventBridge's envelope.
type event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

func envelope(f eventstream.Fact) ([]byte, error) {
	e := event{"0", f.ID, f.DetailType, f.Source, f.Scope.Account, f.At.UTC().Format(time.RFC3339), f.Scope.Region, f.Resources, f.Detail}
	if e.Resources == nil {
		e.Resources = []string{}
	}
	return json.Marshal(e)
}

// compiled is the pattern of a text that was checked when it was written.
func (s *Service) compiled(text string) (*eventpattern.Pattern, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.patterns[text]; ok {
		return p, nil
	}
	p, err := eventpattern.Parse(text)
	if err == nil {
		s.patterns[text] = p
	}
	return p, err
}
