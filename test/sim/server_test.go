package sim

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/dispatch"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codebuild"
	"github.com/penstock-ci/penstock/internal/service/codepipeline"
	"github.com/penstock-ci/penstock/internal/service/ecs"
	"github.com/penstock-ci/penstock/internal/service/events"
	"github.com/penstock-ci/penstock/internal/store"
)

var errCrashed = errors.New("the server has crashed")

// server is one life of the control plane, put together as cmd/penstock does. It is
// its own database handle: once fate has struck, nothing that it does has an effect.
type server struct {
	*store.SQL
	w        *world
	dispatch *dispatch.Dispatcher
	builds   *codebuild.Service
	loops    []loop
	once     sync.Once
	dead     chan struct{}
}

// loop runs until its context ends.
type loop struct {
	name string
	run  func(context.Context) error
}

// service is what those under test have in common.
type service interface {
	Handlers() []op.Handler
	Kinds() []engine.Kind
	Run(context.Context) error
}

// role is what pipelines, builds and rules act with; everybody may do everything.
const role = "arn:aws:iam::100000000001:role/delivery"

func newServer(w *world) (*server, error) {
	s := &server{SQL: w.db, w: w, dead: make(chan struct{})}
	var err error
	s.dispatch, err = dispatch.New(dispatch.Deps{DB: s, Handlers: w.neighbours(s), Policies: everybody{}, Receipts: store.Receipts{}, Clock: w.clock})
	if err != nil {
		return nil, err
	}
	stream := eventstream.New(w.clock)
	e := engine.New(engine.Deps{DB: s, Stream: stream, Clock: w.clock, Log: w.log})
	aws, pods := calls{s.dispatch, s}, hands{s}
	s.builds = codebuild.New(codebuild.Deps{
		DB: s, Engine: e, AWS: aws, Guard: s.dispatch, Pods: pods, Lines: pods, Clock: w.clock, Log: w.log, Secret: []byte("simulation"), Places: 2,
		Ticket: func(string, string, time.Time) (string, error) { return "/v2/credentials/ticket", nil },
		Images: pods, Trust: func() string { return "" },
	})
	tasks := ecs.New(ecs.Deps{DB: s, Engine: e, AWS: aws, Guard: s.dispatch, Pods: pods, Logs: pods, Clock: w.clock, Log: w.log})
	// What a lost fact would leave undone shall stay undone, so that it is seen.
	pipelines := codepipeline.New(codepipeline.Deps{DB: s, Engine: e, Stream: stream, AWS: aws, Guard: s.dispatch, Clock: w.clock, Log: w.log, Net: 1000 * time.Hour})
	rules := events.New(events.Deps{DB: s, Engine: e, Stream: stream, AWS: aws, Guard: s.dispatch, Clock: w.clock, Log: w.log})
	s.loops = []loop{{"engine", e.Run}, {"images", s.builds.Pull}}
	for name, svc := range map[string]service{"builds": s.builds, "tasks": tasks, "pipelines": pipelines, "rules": rules} {
		if err := s.dispatch.Register(svc.Handlers()...); err != nil {
			return nil, err
		}
		e.Register(svc.Kinds()...)
		s.loops = append(s.loops, loop{name, svc.Run})
	}
	return s, nil
}

// run lives until ctx ends, or fate strikes.
func (s *server) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var work sync.WaitGroup
	ended := make(chan error, len(s.loops))
	for _, l := range s.loops {
		work.Go(func() { ended <- l.run(about(ctx, l.name)) })
	}
	var err error
	select {
	case <-ctx.Done():
	case <-s.dead:
	case err = <-ended:
	}
	cancel()
	work.Wait()
	if errors.Is(err, errCrashed) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (s *server) isDead() bool {
	select {
	case <-s.dead:
		return true
	default:
		return false
	}
}

// point is where the server may die: what was done is done, and nobody hears of it.
func (s *server) point(what string) error {
	if s.isDead() {
		return errCrashed
	}
	if s.w.fate.strikes(what, s.w.age()) {
		s.once.Do(func() { close(s.dead) })
		return errCrashed
	}
	return nil
}

// dawdle lets time pass before something begins.
func (s *server) dawdle(ctx context.Context, what string) error {
	if s.isDead() {
		return errCrashed // and asks fate nothing
	}
	select {
	case <-s.w.clock.After(s.w.fate.delay(what)):
	case <-s.dead:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.isDead() {
		return errCrashed
	}
	return nil
}

// View of a dead server fails.
func (s *server) View(ctx context.Context, f func(context.Context, store.Reader) error) error {
	if s.isDead() {
		return errCrashed
	}
	return s.SQL.View(ctx, f)
}

// Update may crash after the commit.
func (s *server) Update(ctx context.Context, f func(context.Context, store.Tx) error) error {
	what := doing(ctx)
	if err := s.dawdle(ctx, what); err != nil {
		return err
	}
	if err := s.SQL.Update(ctx, f); err != nil {
		return err
	}
	return s.point(what)
}
