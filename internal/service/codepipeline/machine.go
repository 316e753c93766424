package codepipeline

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
)

// Events of an execution. Those of an action carry its ID behind a slash.
const (
	evBegin      = "begin"      // it was put
	evAdmitted   = "admitted"   // the stage in front of which it waited is its own
	evSuperseded = "superseded" // a newer one took its place
	evCancel     = "cancel"     // the pipeline was changed
	evStop       = "stop"       // StopPipelineExecution; Stop says how
	evRetry      = "retry"      // RetryStageExecution: its mode
	evReported   = "reported"   // told: what a provider says
	evWake       = "wake"       // an action's ID: look at it
	evApproval   = "approval"   // answer
	evNet        = "net/"       // timer: look again at an action
	evTimeout    = "timeout/"   // timer: an action takes too long
)

// Effects of an execution.
const (
	doStart = "start"
	doPoll  = "poll"
)

// told is the body of evReported.
type told struct {
	Action string
	Report action.Report
}

// answer is the body of evApproval.
type answer struct {
	Action, Status, Summary, By string
}

// machine is what the step knows beside its states: constants.
type machine struct {
	types map[action.ID]action.Type
	net   time.Duration // between two looks at an action whose fact does not come
}

// message is an event for another execution of the pipeline.
type message struct{ Execution, Name string }

// turn collects what one event leads to.
type turn struct {
	machine
	x        Execution
	l        Lanes
	at       time.Time
	effects  []engine.Effect
	facts    []eventstream.Fact
	messages []message
	await    map[string]string // action execution → resource whose facts it waits for; "" = no longer
}

// step is the life of an execution. Pure: no clock, no I/O.
func (m machine) step(l Lanes, x Execution, e engine.Event) (*turn, error) {
	t := &turn{machine: m, x: x.clone(), l: l.clone(), at: e.At, await: map[string]string{}}
	if t.x.Complete() && e.Name != evRetry {
		return t, nil
	}
	before := t.x.Status
	err := t.take(e)
	if t.x.Status != before || len(t.effects) > 0 || len(t.facts) > 0 {
		t.x.Updated = t.at
	}
	return t, err
}

func (t *turn) take(e engine.Event) error {
	switch e.Name {
	case evBegin:
		t.begin()
	case evAdmitted:
		if !t.x.IsInside && t.l.Stages[t.x.stageName()].Holder == t.x.ID {
			t.enter()
		}
	case evSuperseded:
		if !t.x.IsInside && !t.l.knows(t.x.stageName(), t.x.ID) {
			t.end(Superseded)
		}
	case evCancel:
		t.cancel()
	case evStop:
		t.stop()
	case evRetry:
		return body(e, t.retry)
	case evReported:
		return body(e, t.reported)
	case evWake:
		return body(e, t.look)
	case evApproval:
		return body(e, t.answered)
	}
	if id, ok := strings.CutPrefix(e.Name, evNet); ok {
		t.look(id)
	}
	if id, ok := strings.CutPrefix(e.Name, evTimeout); ok {
		t.timedOut(id)
	}
	if name, ok := strings.CutSuffix(e.Name, ".failed"); ok {
		return t.effectFailed(name, e)
	}
	return nil
}

func body[T any](e engine.Event, f func(T)) error {
	var v T
	if len(e.Body) > 0 {
		if err := json.Unmarshal(e.Body, &v); err != nil {
			return fmt.Errorf("decode %s: %w", e.Name, err)
		}
	}
	f(v)
	return nil
}

// begin brings a new execution to its first stage.
func (t *turn) begin() {
	if len(t.x.Stages) > 0 || t.x.IsInside {
		return
	}
	t.tellPipeline("STARTED")
	if len(t.x.Missing) > 0 {
		t.x.Summary = "Values for required variables haven't been provided: " + strings.Join(t.x.Missing, ", ")
		t.end(Failed)
		return
	}
	t.arrive()
}

// arrive brings the execution in front of t.x.Stage.
func (t *turn) arrive() {
	t.x.IsInside = false
	if t.isParallel() {
		t.enter()
		return
	}
	isInside, superseded := t.l.arrive(gateOf(&t.x.Definition, t.x.Stage), t.x.ID, mode(&t.x.Definition))
	for _, other := range superseded {
		t.messages = append(t.messages, message{other, evSuperseded})
	}
	if isInside {
		t.enter()
	}
}

func (t *turn) isParallel() bool { return mode(&t.x.Definition) == api.ExecutionModeParallel }

// enter begins the stage, whose lock the execution has.
func (t *turn) enter() {
	t.x.IsInside = true
	t.x.Stages = append(t.x.Stages, StageRun{Name: t.x.stageName(), Status: InProgress, Started: t.at, Changed: t.at})
	t.tellStage("STARTED")
	t.advance()
}

// advance goes on with the stage as far as it can: the next group of actions, or
// its end.
func (t *turn) advance() {
	stage := t.x.stageName()
	for {
		running, failed := false, false
		for i := range t.x.stage().Actions {
			a := t.x.current(stage, op.Val(t.x.stage().Actions[i].Name))
			running = running || a != nil && a.Status == InProgress
			failed = failed || a != nil && (a.Status == Failed || a.Status == Abandoned)
		}
		group := t.group()
		switch {
		case running:
			return
		case t.x.Stop != nil && (failed || len(group) > 0):
			t.endStage(Stopped)
			return
		case failed && !t.x.IsLeaving:
			t.failStage()
			return
		case t.x.IsLeaving && (failed || len(group) > 0):
			t.endStage(Cancelled)
			return
		case len(group) == 0:
			t.succeedStage()
			return
		}
		for _, a := range group {
			t.start(a)
		}
	}
}

// group is the actions of the lowest run order that are yet to start.
func (t *turn) group() (out []*api.ActionDeclaration) {
	stage := t.x.stage()
	lowest := int32(0)
	for i := range stage.Actions {
		a := &stage.Actions[i]
		order := op.Or(a.RunOrder, 1)
		if t.x.current(*stage.Name, *a.Name) != nil || lowest != 0 && order > lowest {
			continue
		}
		if order < lowest || lowest == 0 {
			lowest, out = order, nil
		}
		out = append(out, a)
	}
	return out
}

func (t *turn) succeedStage() {
	t.setStage(Succeeded)
	t.tellStage("SUCCEEDED")
	t.release()
	switch {
	case t.x.Stage == len(t.x.Definition.Stages)-1 || t.x.Rollback != "":
		t.end(Succeeded)
	case t.x.Stop != nil:
		t.end(Stopped)
	case t.x.IsLeaving:
		t.end(Cancelled)
	default:
		t.x.Stage++
		t.arrive()
	}
}

// failStage ends the stage, or tries it once more where the stage asks for it.
func (t *turn) failStage() {
	t.setStage(Failed)
	t.tellStage("FAILED")
	run := t.x.run(t.x.stageName())
	if f := t.x.stage().OnFailure; f != nil && op.Val(f.Result) == api.ResultRetry && run.Auto == 0 {
		run.Auto++
		failed := api.StageRetryModeFailedActions
		if f.RetryConfiguration != nil {
			failed = op.Or(f.RetryConfiguration.RetryMode, failed)
		}
		t.again(failed, "AutomatedStageRetry")
		return
	}
	t.release()
	t.end(Failed)
}

func (t *turn) endStage(s Status) {
	t.setStage(s)
	t.tellStage(spoken(s))
	t.release()
	t.end(s)
}

func (t *turn) setStage(s Status) {
	run := t.x.run(t.x.stageName())
	run.Status, run.Changed = s, t.at
}

// release gives the stage to whoever waits.
func (t *turn) release() {
	t.x.IsInside = false
	if t.isParallel() {
		return
	}
	t.l.leave(t.x.stageName(), t.x.ID)
	if next := t.l.admit(gateOf(&t.x.Definition, t.x.Stage)); next != "" {
		t.messages = append(t.messages, message{next, evAdmitted})
	}
}

func (t *turn) end(s Status) {
	t.x.Status = s
	t.x.IsInside = false
	t.tellPipeline(spoken(s))
}
