package codepipeline

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
	"github.com/penstock-ci/penstock/internal/store"
)

var t0 = time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)

// world is a pipeline with its executions, turned without an engine: what effects
// would do is up to the test.
type world struct {
	t     *testing.T
	p     api.PipelineDeclaration
	l     Lanes
	x     map[string]Execution
	order []string
	inbox []message
	facts []string
	lazy  *rand.Rand // where set, messages arrive late
}

func act(category, provider, name string, order int32, in, out string) api.ActionDeclaration {
	a := api.ActionDeclaration{
		Name: &name, RunOrder: &order, Configuration: map[string]string{}, Namespace: new(name + "NS"),
		ActionTypeId: &api.ActionTypeId{Category: &category, Owner: new("AWS"), Provider: &provider, Version: new("1")},
	}
	if in != "" {
		a.InputArtifacts = []api.InputArtifact{{Name: &in}}
	}
	if out != "" {
		a.OutputArtifacts = []api.OutputArtifact{{Name: &out}}
	}
	return a
}

// line is Source → Build (two at once, then one) → Deploy.
func line(mode string) api.PipelineDeclaration {
	return api.PipelineDeclaration{
		Name: new("demo"), RoleArn: new("arn:aws:iam::100000000001:role/p"), Version: new(int32(1)), ExecutionMode: &mode, PipelineType: new(api.PipelineTypeV2),
		ArtifactStore: &api.ArtifactStore{Location: new("bucket"), Type: new("S3")},
		Stages: []api.StageDeclaration{
			{Name: new("Source"), Actions: []api.ActionDeclaration{act("Source", "CodeCommit", "Get", 1, "", "code")}},
			{Name: new("Build"), Actions: []api.ActionDeclaration{
				act("Build", "CodeBuild", "One", 1, "code", "image"), act("Build", "CodeBuild", "Two", 1, "code", ""), act("Build", "CodeBuild", "After", 2, "code", ""),
			}},
			{Name: new("Deploy"), Actions: []api.ActionDeclaration{act("Deploy", "ECS", "Ship", 1, "image", "")}},
		},
	}
}

func newWorld(t *testing.T, mode string) *world {
	w := &world{t: t, p: line(mode), x: map[string]Execution{}}
	w.l.fit(&w.p)
	return w
}

func (w *world) begin(id string) {
	w.x[id] = Execution{ID: id, Pipeline: "demo", Scope: store.Scope{Account: "100000000001", Region: "us-east-1"}, Definition: w.p, Status: InProgress, Created: t0, Trigger: Trigger{"StartPipelineExecution", "me"}}
	w.order = append(w.order, id)
	w.send(id, evBegin, nil)
}

// send turns an execution, then those that it told something.
func (w *world) send(id, name string, body any) {
	w.t.Helper()
	raw, _ := json.Marshal(body)
	w.turn(id, engine.Event{Name: name, At: t0.Add(time.Minute), Body: raw})
	for len(w.inbox) > 0 {
		if w.lazy != nil && w.lazy.IntN(3) == 0 {
			return
		}
		m := w.inbox[0]
		w.inbox = w.inbox[1:]
		w.turn(m.Execution, engine.Event{Name: m.Name, At: t0.Add(time.Minute)})
	}
}

func (w *world) turn(id string, e engine.Event) {
	w.t.Helper()
	before, lanesBefore := w.x[id].clone(), w.l.clone()
	t, err := machine{net: time.Hour}.step(w.l, w.x[id], e)
	if err != nil {
		w.t.Fatal(err)
	}
	if !reflect.DeepEqual(before, w.x[id].clone()) || !reflect.DeepEqual(lanesBefore, w.l.clone()) {
		w.t.Fatalf("the step changed what it was given at %s", e.Name)
	}
	w.l, w.x[id] = t.l, t.x
	w.inbox = append(w.inbox, t.messages...)
	for _, f := range t.facts {
		var d struct{ State, Stage, Action string }
		if err := json.Unmarshal(f.Detail, &d); err != nil {
			w.t.Fatal(err)
		}
		w.facts = append(w.facts, strings.Fields(f.DetailType)[1]+" "+strings.TrimSpace(d.Stage+" "+d.Action)+" "+d.State)
	}
}

// end lets the running action of that name end.
func (w *world) end(id, name string, s action.State) {
	w.t.Helper()
	x := w.x[id]
	for _, a := range x.Actions {
		if a.Name == name && a.Status == InProgress {
			r := action.Report{State: s, Variables: map[string]string{"K": "V"}}
			if s == action.Failed {
				r.Failure = &action.Failure{Code: action.JobFailed, Message: "broken"}
			}
			w.send(id, evReported, told{a.ID, r})
			return
		}
	}
	w.t.Fatalf("%s of %s does not run: %s", name, id, w.show(id))
}

func (w *world) show(id string) string {
	x := w.x[id]
	out := string(x.Status)
	for _, st := range x.Stages {
		out += " | " + st.Name + " " + string(st.Status) + ":"
		for _, a := range x.Actions {
			if a.Stage == st.Name {
				out += " " + a.Name + " " + string(a.Status)
			}
		}
	}
	return out
}

func (w *world) want(id, want string) {
	w.t.Helper()
	if got := w.show(id); got != want {
		w.t.Errorf("execution %s\n got %s\nwant %s", id, got, want)
	}
}

func TestStagesGoOneAfterTheOtherAndGroupsToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, api.ExecutionModeSuperseded)
	w.begin("a")
	w.want("a", "InProgress | Source InProgress: Get InProgress")
	w.end("a", "Get", action.Succeeded)
	w.want("a", "InProgress | Source Succeeded: Get Succeeded | Build InProgress: One InProgress Two InProgress")
	w.end("a", "Two", action.Succeeded)
	w.want("a", "InProgress | Source Succeeded: Get Succeeded | Build InProgress: One InProgress Two Succeeded")
	w.end("a", "One", action.Succeeded)
	w.end("a", "After", action.Succeeded)
	w.end("a", "Ship", action.Succeeded)
	w.want("a", "Succeeded | Source Succeeded: Get Succeeded | Build Succeeded: One Succeeded Two Succeeded After Succeeded | Deploy Succeeded: Ship Succeeded")
	got := strings.Join(w.facts, ", ")
	want := "Pipeline  STARTED, Stage Source STARTED, Action Source Get STARTED, Action Source Get SUCCEEDED, Stage Source SUCCEEDED, " +
		"Stage Build STARTED, Action Build One STARTED, Action Build Two STARTED, Action Build Two SUCCEEDED, Action Build One SUCCEEDED, Action Build After STARTED, Action Build After SUCCEEDED, Stage Build SUCCEEDED, " +
		"Stage Deploy STARTED, Action Deploy Ship STARTED, Action Deploy Ship SUCCEEDED, Stage Deploy SUCCEEDED, Pipeline  SUCCEEDED"
	if got != want {
		t.Errorf("facts\n got %s\nwant %s", got, want)
	}
}

func TestFailureLetsPeersEndAndRetryGoesOnFromThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, api.ExecutionModeSuperseded)
	w.begin("a")
	w.end("a", "Get", action.Succeeded)
	w.end("a", "One", action.Failed)
	w.want("a", "InProgress | Source Succeeded: Get Succeeded | Build InProgress: One Failed Two InProgress")
	w.end("a", "Two", action.Succeeded)
	w.want("a", "Failed | Source Succeeded: Get Succeeded | Build Failed: One Failed Two Succeeded")
	w.take("a", "Build")
	w.send("a", evRetry, api.StageRetryModeFailedActions)
	w.want("a", "InProgress | Source Succeeded: Get Succeeded | Build InProgress: One Failed Two Succeeded One InProgress")
	w.end("a", "One", action.Succeeded)
	w.end("a", "After", action.Failed)
	w.take("a", "Build")
	w.send("a", evRetry, api.StageRetryModeAllActions)
	w.want("a", "InProgress | Source Succeeded: Get Succeeded | Build InProgress: One Failed Two Succeeded One Succeeded After Failed One InProgress Two InProgress")
	seen := map[string]bool{}
	x := w.x["a"]
	for _, a := range x.Actions {
		if seen[a.ID] {
			t.Errorf("action execution %s twice", a.ID)
		}
		seen[a.ID] = true
	}
}

// take is what RetryStageExecution does before it sends.
func (w *world) take(id, stage string) {
	s := w.l.Stages[stage]
	s.Holder = id
	w.l.Stages[stage] = s
}

func TestNewerExecutionSupersedesTheOneThatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, api.ExecutionModeSuperseded)
	for _, id := range []string{"a", "b", "c"} {
		w.begin(id)
	}
	w.want("b", "Superseded")
	w.want("c", "InProgress")
	w.end("a", "Get", action.Succeeded)
	w.want("c", "InProgress | Source InProgress: Get InProgress")
}

func TestQueuedExecutionsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, api.ExecutionModeQueued)
	for _, id := range []string{"a", "b", "c"} {
		w.begin(id)
	}
	w.end("a", "Get", action.Failed)
	w.want("b", "InProgress | Source InProgress: Get InProgress")
	w.want("c", "InProgress")
	if got := w.l.Stages["Source"]; got.Latest != "b" || !slices.Equal(got.Waiting, []string{"c"}) {
		t.Errorf("lane = %+v", got)
	}
}

func TestParallelExecutionsMeetNowhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, api.ExecutionModeParallel)
	w.begin("a")
	w.begin("b")
	w.end("b", "Get", action.Succeeded)
	w.want("a", "InProgress | Source InProgress: Get InProgress")
	w.want("b", "InProgress | Source Succeeded: Get Succeeded | Build InProgress: One InProgress Two InProgress")
}

func TestDisabledTransitionHoldsAndLetsGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, api.ExecutionModeSuperseded)
	s := w.l.Stages["Build"]
	s.In.IsDisabled = true
	w.l.Stages["Build"] = s
	w.begin("a")
	w.end("a", "Get", action.Succeeded)
	w.want("a", "InProgress | Source Succeeded: Get Succeeded")
	s = w.l.Stages["Build"]
	s.In.IsDisabled = false
	w.l.Stages["Build"] = s
	w.send(w.l.admit(gateOf(&w.p, 1)), evAdmitted, nil)
	w.want("a", "InProgress | Source Succeeded: Get Succeeded | Build InProgress: One InProgress Two InProgress")
}

func TestStopWaitsOrAbandons(t *testing.T) {
	t.Parallel()
	stop := func(w *world, abandon bool) {
		x := w.x["a"]
		x.Stop = &Stop{Abandon: abandon, Reason: "why"}
		w.x["a"] = x
		w.send("a", evStop, nil)
	}
	w := newWorld(t, api.ExecutionModeSuperseded)
	w.begin("a")
	w.end("a", "Get", action.Succeeded)
	stop(w, false)
	w.want("a", "Stopping | Source Succeeded: Get Succeeded | Build Stopping: One InProgress Two InProgress")
	w.end("a", "One", action.Succeeded)
	w.end("a", "Two", action.Succeeded)
	w.want("a", "Stopped | Source Succeeded: Get Succeeded | Build Stopped: One Succeeded Two Succeeded")

	w = newWorld(t, api.ExecutionModeSuperseded)
	w.begin("a")
	w.begin("b")
	stop(w, true)
	w.want("a", "Stopped | Source Stopped: Get Abandoned")
	w.want("b", "InProgress | Source InProgress: Get InProgress")
}

func TestChangedPipelineCancelsAfterWhatRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, api.ExecutionModeSuperseded)
	w.begin("a")
	w.begin("b")
	w.send("b", evCancel, nil)
	w.want("b", "Cancelled")
	w.send("a", evCancel, nil)
	w.want("a", "InProgress | Source InProgress: Get InProgress")
	w.end("a", "Get", action.Succeeded)
	w.want("a", "Cancelled | Source Succeeded: Get Succeeded")
}

func TestVariablesAreInsertedOnceAndMissingOnesFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, api.ExecutionModeSuperseded)
	build := w.p.Stages[1].Actions
	build[0].Configuration = map[string]string{"A": `{"k":"#{GetNS.K}","x":"#{codepipeline.PipelineExecutionId}"}`}
	build[1].Configuration = map[string]string{"B": "#{GetNS.Absent}"}
	w.begin("a")
	w.end("a", "Get", action.Succeeded)
	x := w.x["a"]
	if got := x.current("Build", "One").Resolved["A"]; got != `{"k":"V","x":"a"}` {
		t.Errorf("resolved to %s", got)
	}
	if two := x.current("Build", "Two"); two.Status != Failed || two.Report.Failure.Code != action.ConfigurationError {
		t.Errorf("a missing variable gave %+v", two)
	}
}

func TestStageThatRetriesByItselfDoesSoOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, api.ExecutionModeSuperseded)
	w.p.Stages[0].OnFailure = &api.FailureConditions{Result: new(api.ResultRetry)}
	w.begin("a")
	w.end("a", "Get", action.Failed)
	w.want("a", "InProgress | Source InProgress: Get Failed Get InProgress")
	w.end("a", "Get", action.Failed)
	w.want("a", "Failed | Source Failed: Get Failed Get Failed")
}
