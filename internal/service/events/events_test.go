package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-ci/penstock/api/codepipeline"
	api "github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/events"
	"github.com/penstock-ci/penstock/internal/store"
)

const role = "arn:aws:iam::100000000001:role/events"

type bench struct {
	*dispatchtest.Dispatcher
	stream  *eventstream.Log
	started chan op.Caller
	given   chan *codepipeline.StartPipelineExecutionInput
}

func setup(t *testing.T) *bench {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b := &bench{stream: eventstream.New(clock.System{}), started: make(chan op.Caller, 10), given: make(chan *codepipeline.StartPipelineExecutionInput, 10)}
	b.Dispatcher = dispatchtest.New(t, events.New(events.Deps{}).Tables())
	run := engine.New(engine.Deps{DB: b.DB, Stream: b.stream, Clock: clock.System{}, Log: log})
	svc := events.New(events.Deps{DB: b.DB, Stream: b.stream, Engine: run, AWS: b, Guard: b, Clock: clock.System{}, Log: log})
	run.Register(svc.Kinds()...)
	b.Add(t, svc.Handlers()...)
	b.Add(t, op.Change(codepipeline.StartPipelineExecution, nil, func(_ context.Context, _ store.Tx, c op.Caller, in *codepipeline.StartPipelineExecutionInput) (*codepipeline.StartPipelineExecutionOutput, error) {
		b.started <- c
		b.given <- in
		return &codepipeline.StartPipelineExecutionOutput{}, nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, f := range []func(context.Context) error{run.Run, svc.Run} {
		running.Go(func() {
			if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return b
}

func (b *bench) rule(t *testing.T, name, pattern string) {
	t.Helper()
	if _, err := op.Call(t.Context(), b, b.Root(), api.PutRule, &api.PutRuleInput{Name: &name, EventPattern: &pattern}); err != nil {
		t.Fatal(err)
	}
	_, err := op.Call(t.Context(), b, b.Root(), api.PutTargets, &api.PutTargetsInput{Rule: &name, Targets: []api.Target{
		{Id: new("p"), Arn: new("arn:aws:codepipeline:us-east-1:100000000001:app"), RoleArn: new(role)},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) tell(t *testing.T, source string) {
	t.Helper()
	err := b.DB.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		return b.stream.Append(ctx, tx, dispatchtest.Scope, eventstream.Fact{Source: source, DetailType: "x", Detail: json.RawMessage(`{"a":"b"}`)})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMatchedFactStartsThePipelineOnceAsTheTargetsRole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rule(t, "push", `{"source":["aws.codecommit"]}`)
	b.tell(t, "aws.s3")
	b.tell(t, "aws.codecommit")
	select {
	case c := <-b.started:
		if c.ARN != "arn:aws:sts::100000000001:assumed-role/events/push" || c.Service != "events.amazonaws.com" {
			t.Errorf("started as %+v", c)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the pipeline was not started")
	}
	b.tell(t, "aws.codecommit")
	<-b.started
	select {
	case c := <-b.started:
		t.Errorf("started once more as %s", c.ARN)
	default:
	}
}

// TestScheduleStartsThePipeline: at each occurrence, with what the target is given,
// until the rule is disabled.
func TestScheduleStartsThePipeline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		put := &api.PutRuleInput{Name: new("nightly"), ScheduleExpression: new("rate(2 hours)")}
		if _, err := op.Call(t.Context(), b, b.Root(), api.PutRule, put); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		_, err := op.Call(t.Context(), b, b.Root(), api.PutTargets, &api.PutTargetsInput{Rule: put.Name, Targets: []api.Target{{
			Id: new("p"), Arn: new("arn:aws:codepipeline:us-east-1:100000000001:app"), RoleArn: new(role),
			InputTransformer: &api.InputTransformer{InputTemplate: new(`{"variables": [{"name": "BY", "value": "<aws.events.rule-name>"}]}`)},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			in := <-b.given
			if after := time.Since(begun).Round(time.Minute); after != time.Duration(n+1)*2*time.Hour || len(in.Variables) != 1 || *in.Variables[0].Value != "nightly" {
				t.Errorf("start %d came after %s with %v", n, after, in.Variables)
			}
		}
		if _, err := op.Call(t.Context(), b, b.Root(), api.DisableRule, &api.DisableRuleInput{Name: put.Name}); err != nil {
			t.Fatal(err)
		}
		<-time.After(12 * time.Hour) // of the bubble's clock
		select {
		case <-b.given:
			t.Error("a disabled rule started the pipeline")
		default:
		}
	})
}

func TestWhatIsNeverDeliveredIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rule(t, "r", `{"source":["x"]}`)
	put := func(target api.Target) error {
		target.Id = new("t")
		_, err := op.Call(t.Context(), b, b.Root(), api.PutTargets, &api.PutTargetsInput{Rule: new("r"), Targets: []api.Target{target}})
		return err
	}
	rule := func(in api.PutRuleInput) error {
		in.Name = new("other")
		_, err := op.Call(t.Context(), b, b.Root(), api.PutRule, &in)
		return err
	}
	_, withTargets := op.Call(t.Context(), b, b.Root(), api.DeleteRule, &api.DeleteRuleInput{Name: new("r")})
	for name, err := range map[string]error{
		"a topic":             put(api.Target{Arn: new("arn:aws:sns:us-east-1:100000000001:t")}),
		"no role":             put(api.Target{Arn: new("arn:aws:codepipeline:us-east-1:100000000001:app")}),
		"two inputs":          put(api.Target{Arn: new("arn:aws:codepipeline:us-east-1:100000000001:app"), RoleArn: new(role), Input: new("{}"), InputPath: new("$")}),
		"a wrong schedule":    rule(api.PutRuleInput{ScheduleExpression: new("rate(1 minutes)")}),
		"neither":             rule(api.PutRuleInput{}),
		"a wrong pattern":     rule(api.PutRuleInput{EventPattern: new(`{"a":"b"}`)}),
		"a rule with targets": withTargets,
	} {
		if _, ok := errors.AsType[*op.Error](err); !ok {
			t.Errorf("%s was answered by %v", name, err)
		}
	}
}
