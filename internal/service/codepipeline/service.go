package codepipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action/codebuild"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action/codecommit"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action/ecs"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action/manual"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action/s3"
	"github.com/penstock-ci/penstock/internal/store"
)

// Deps are the abilities a Service borrows.
type Deps struct {
	DB     eventstream.Database
	Engine engine.Engine
	Stream eventstream.Stream
	AWS    op.StreamDispatcher // other services, as the caller named
	Guard  op.Guard
	Clock  clock.Clock
	Log    *slog.Logger
	// Net is the time between two looks at an action whose fact does not come; 0 is 30 s.
	Net time.Duration
	// Poll is the time between two looks at a polled source; 0 is 15 s.
	Poll time.Duration
}

// Service is AWS CodePipeline.
type Service struct {
	Deps
	providers map[action.ID]action.Provider
}

// providers is what actions can do. A new provider is a folder and a line here.
func providers(aws op.StreamDispatcher) []action.Provider {
	return []action.Provider{
		codecommit.New(aws),
		s3.New(aws),
		codebuild.Build(aws),
		codebuild.Test(aws),
		ecs.New(aws),
		manual.Provider{},
	}
}

// New makes a Service.
func New(d Deps) *Service {
	if d.Net == 0 {
		d.Net = 30 * time.Second
	}
	if d.Poll == 0 {
		d.Poll = 15 * time.Second
	}
	s := &Service{Deps: d, providers: map[action.ID]action.Provider{}}
	for _, p := range providers(d.AWS) {
		s.providers[p.Type().ID] = p
	}
	return s
}

// Pipeline is a pipeline; its key is the name.
type Pipeline struct {
	Definition       api.PipelineDeclaration // the newest version
	Created, Updated time.Time
	Tags             map[string]string
}

// Await is an action that waits for facts of a resource; its key is the action execution.
type Await struct{ Resource, Execution string }

// The collections.
var (
	pipelines  = store.Define(store.Schema[Pipeline]{Table: "codepipeline_pipelines", Number: 1})
	versions   = store.Define(store.Schema[api.PipelineDeclaration]{Table: "codepipeline_versions", Number: 1})
	lanes      = store.Define(store.Schema[Lanes]{Table: "codepipeline_lanes", Number: 1})
	executions = store.Define(store.Schema[Execution]{
		Table: "codepipeline_executions", Number: 1,
		Index: map[string]func(Execution) string{
			"pipeline": func(x Execution) string { return fmt.Sprintf("%s/%012d", x.Pipeline, x.Number) },
			"live": func(x Execution) string {
				if x.Complete() {
					return ""
				}
				return x.Pipeline
			},
			"token": func(x Execution) string {
				if x.Token == "" {
					return ""
				}
				return x.Pipeline + "/" + x.Token
			},
		},
	})
	awaits  = store.Define(store.Schema[Await]{Table: "codepipeline_awaits", Number: 1, Index: map[string]func(Await) string{"resource": func(a Await) string { return a.Resource }}})
	pollers = store.Define(store.Schema[Poller]{Table: "codepipeline_pollers", Number: 1})
)

// Tables are the service's collections.
func (s *Service) Tables() []store.Table {
	return []store.Table{pipelines, versions, lanes, executions, awaits, pollers}
}

// executionKind is the machine of an execution, pollerKind that of a pipeline's polled sources.
const (
	executionKind = "codepipeline.execution"
	pollerKind    = "codepipeline.poller"
)

// Kinds are the service's machines.
func (s *Service) Kinds() []engine.Kind {
	return []engine.Kind{
		s.kind(),
		engine.Machine(pollerKind, pollers, stepPoller(s.Poll), map[string]engine.Do[Poller]{doLook: s.lookAtSources}),
	}
}

func machineID(scope store.Scope, execution string) engine.ID {
	return engine.ID{Scope: scope, Kind: executionKind, Key: execution}
}

// send gives an execution an event.
func (s *Service) send(ctx context.Context, tx store.Tx, scope store.Scope, execution string, e engine.Event) error {
	return s.Engine.Send(ctx, tx, machineID(scope, execution), e)
}

// pipeline loads a pipeline by name.
func (s *Service) pipeline(ctx context.Context, r store.Reader, scope store.Scope, name *string) (store.Doc[Pipeline], error) {
	d, err := pipelines.Get(ctx, r, scope, op.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return d, api.PipelineNotFoundException("Account '%s' does not have a pipeline with name '%s'", scope.Account, op.Val(name))
	}
	if err != nil {
		return d, fmt.Errorf("read pipeline %s: %w", op.Val(name), err)
	}
	return d, nil
}

// execution loads an execution of a pipeline.
func (s *Service) execution(ctx context.Context, r store.Reader, scope store.Scope, pipeline, id *string) (store.Doc[Execution], error) {
	if _, err := s.pipeline(ctx, r, scope, pipeline); err != nil {
		return store.Doc[Execution]{}, err
	}
	d, err := executions.Get(ctx, r, scope, op.Val(id))
	if errors.Is(err, store.ErrNotFound) || err == nil && d.Value.Pipeline != op.Val(pipeline) {
		return d, api.PipelineExecutionNotFoundException("The pipeline execution with id '%s' does not exist in the pipeline '%s'", op.Val(id), op.Val(pipeline))
	}
	if err != nil {
		return d, fmt.Errorf("read execution %s: %w", op.Val(id), err)
	}
	return d, nil
}

// lane loads the lanes of a pipeline and makes sure that the stage is one of them.
func (s *Service) lane(ctx context.Context, r store.Reader, scope store.Scope, pipeline, stage string) (store.Doc[Lanes], error) {
	d, err := lanes.Get(ctx, r, scope, pipeline)
	if err != nil {
		return d, fmt.Errorf("read stages of pipeline %s: %w", pipeline, err)
	}
	if _, ok := d.Value.Stages[stage]; !ok {
		return d, api.StageNotFoundException("Pipeline '%s' does not have a stage with name '%s'", pipeline, stage)
	}
	return d, nil
}
