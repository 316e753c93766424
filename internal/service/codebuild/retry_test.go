package codebuild

import (
	"context"
	"slices"
	"testing"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
	"github.com/penstock-ci/penstock/internal/store"
)

// fail ends a build as its runner does when a command has failed.
func (w *world) fail(b Build, retries int) Build {
	w.t.Helper()
	w.report(b, protocol.Report{Phase: "DOWNLOAD_SOURCE", Resolved: map[string]string{"": "c0ffee"}}, protocol.Report{State: protocol.Failed, Retries: retries})
	return w.await(b.ID(), Build.Complete)
}

// follower is the build that CodeBuild started after another.
func (w *world) follower(b Build) Build {
	w.t.Helper()
	b = w.await(b.ID(), func(b Build) bool { return b.Retry.Next != "" })
	return w.await(buildID(b.Retry.Next), func(b Build) bool { return b.Provisioned })
}

func TestFailedBuildIsRetriedUpToTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	in := goodProject("pp")
	in.AutoRetryLimit = new(int32(2))
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.CreateProject, in); err != nil {
		t.Fatal(err)
	}
	first := w.startOf(&api.StartBuildInput{ProjectName: new("pp"), EnvironmentVariablesOverride: []api.EnvironmentVariable{{Name: new("A"), Value: new("1")}}})
	second := w.follower(w.fail(first, 0))
	if v := second.Asked.Environment.EnvironmentVariables; len(v) != 1 || second.Initiator != "root" || second.Number != 2 || second.Asked.Version != "c0ffee" {
		t.Errorf("the second: %v by %s, number %d, version %q", v, second.Initiator, second.Number, second.Asked.Version)
	}
	third := w.follower(w.fail(second, 0))
	last := w.fail(third, 0)
	out, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.BatchGetBuilds, &api.BatchGetBuildsInput{Ids: []string{first.ID(), second.ID(), third.ID()}})
	if err != nil {
		t.Fatal(err)
	}
	for n, arns := range [][2]string{{"", second.ARN()}, {first.ARN(), third.ARN()}, {second.ARN(), ""}} {
		c := out.Builds[n].AutoRetryConfig
		if *c.AutoRetryLimit != 2 || int(*c.AutoRetryNumber) != n || op.Val(c.PreviousAutoRetry) != arns[0] || op.Val(c.NextAutoRetry) != arns[1] {
			t.Errorf("build %d: limit %d, number %d, after %s, before %s", n, *c.AutoRetryLimit, *c.AutoRetryNumber, op.Val(c.PreviousAutoRetry), op.Val(c.NextAutoRetry))
		}
	}
	if last.retries() {
		t.Error("the third asks for a fourth")
	}
}

func TestBuildIsRetriedAsItsBuildspecAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.project("pp", echoSpec, false)
	first := w.startOf(&api.StartBuildInput{ProjectName: new("pp")})
	p := w.planOf(first, "version: 0.2\nphases:\n  build:\n    on-failure: RETRY-1-exit status 3\n    commands: exit 3\n")
	if got := p.Phases[2]; p.Refusal != nil || got.Retries != 1 || got.Matching != "exit status 3" {
		t.Errorf("%+v, %+v", p.Refusal, got)
	}
	second := w.follower(w.fail(first, 1))
	if w.fail(second, 1); second.Retry.Number != 1 {
		t.Errorf("the second: %+v", second.Retry)
	}
	ids, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.ListBuilds, &api.ListBuildsInput{})
	if err != nil || len(ids.Ids) != 2 {
		t.Errorf("%v: %v", err, ids)
	}
}

func TestOnlyAFailureIsRetried(t *testing.T) {
	t.Parallel()
	began := []engine.Event{ev(evSubmitted, nil), ev(evAdmitted, nil), report(0, "DOWNLOAD_SOURCE", "")}
	limited := func(b Build) Build { b.Retry.Limit = 1; return b }
	for name, tc := range map[string]struct {
		build Build
		last  engine.Event
		want  bool
	}{
		"a command failed":           {limited(queued()), report(1, "", protocol.Failed), true},
		"all went well":              {limited(queued()), report(1, "", protocol.Succeeded), false},
		"stopped":                    {limited(queued()), ev(evStop, nil), false},
		"out of time":                {limited(queued()), ev(evTimedOut, nil), false},
		"its container was lost":     {limited(queued()), ev(evLost, Loss{}), false},
		"no retry is asked for":      {queued(), report(1, "", protocol.Failed), false},
		"it is the last retry":       {func() Build { b := limited(queued()); b.Retry.Number = 1; return b }(), report(1, "", protocol.Failed), false},
		"a pipeline retries its own": {func() Build { b := limited(queued()); b.Asked.Source.Type = new("CODEPIPELINE"); return b }(), report(1, "", protocol.Failed), false},
	} {
		turn, err := step(apply(t, tc.build, began...), tc.last)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(turn.Effects, func(f engine.Effect) bool { return f.Do == doRetry }); got != tc.want || !turn.Next.Complete() {
			t.Errorf("%s: retried %t, want %t; %s", name, got, tc.want, phases(turn.Next))
		}
	}
}

// deny refuses one action to everybody.
type deny string

func (d deny) Decide(_ context.Context, _ store.Reader, q identity.Question) (*identity.Refusal, error) {
	if q.Action == string(d) {
		return &identity.Refusal{Principal: q.Caller.ARN, Action: q.Action, Resource: q.Resource, Reason: "because no identity-based policy allows the " + q.Action + " action"}, nil
	}
	return nil, nil
}
func (deny) Trusts(context.Context, store.Reader, string, string) error { return nil }
func (deny) Appear(context.Context, store.Tx, op.Caller) error          { return nil }

func TestRoleThatMayNotRetryEndsTheRow(t *testing.T) {
	t.Parallel()
	w := newWorldFor(t, &nopPods{}, "", clock.System{}, func(t testing.TB, tables []store.Table, handlers ...op.Handler) *dispatchtest.Dispatcher {
		return dispatchtest.With(t, deny("codebuild:RetryBuild"), tables, handlers...)
	})
	w.project("pp", echoSpec, false)
	b := w.fail(w.startOf(&api.StartBuildInput{ProjectName: new("pp"), AutoRetryLimitOverride: new(int32(1))}), 0)
	e, err := w.retry(t.Context(), machineID(b.Scope, b.ID()), b, engine.Effect{Name: doRetry}, "token")
	if e != nil || err != nil {
		t.Errorf("%+v, %v", e, err)
	}
}
