package codepipeline

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
)

var update = flag.Bool("update", false, "write golden files")

// shake gives one random event to one random execution.
func (w *world) shake(r *rand.Rand) {
	if len(w.order) == 0 || r.IntN(6) == 0 && len(w.order) < 8 {
		w.begin(fmt.Sprintf("x%d", len(w.order)))
		return
	}
	id := w.order[r.IntN(len(w.order))]
	x := w.x[id]
	switch n := r.IntN(14); {
	case n < 8 && len(x.Actions) > 0:
		a := x.Actions[r.IntN(len(x.Actions))]
		s := []action.State{action.Succeeded, action.Succeeded, action.Succeeded, action.Failed, action.Running}[r.IntN(5)]
		w.send(id, evReported, told{a.ID, action.Report{State: s, Await: "arn"}})
	case n == 8:
		w.send(id, evCancel, nil)
	case n == 9 && !x.Complete():
		x.Stop = &Stop{Abandon: r.IntN(2) == 0}
		w.x[id] = x
		w.send(id, evStop, nil)
	case n == 10 && len(x.Actions) > 0:
		w.send(id, evTimeout+x.Actions[r.IntN(len(x.Actions))].ID, nil)
	case n == 11 && len(x.Actions) > 0:
		w.send(id, "start/"+x.Actions[0].ID+".failed", engine.Failure{Error: "x"})
	case n == 12 && x.Complete() && !x.IsLeaving && len(x.Stages) > 0: // the operation refuses the others
		if s := w.l.Stages[x.stageName()]; mode(&w.p) != api.ExecutionModeParallel {
			if s.Holder != "" || s.Latest != id || x.Stages[len(x.Stages)-1].Status != Failed && x.Stages[len(x.Stages)-1].Status != Stopped {
				return
			}
			w.take(id, x.stageName())
		}
		w.send(id, evRetry, api.StageRetryModeFailedActions)
	default:
		w.send(id, []string{evAdmitted, evSuperseded, evBegin}[r.IntN(3)], nil)
	}
}

// wrong says which invariant does not hold.
func (w *world) wrong() string {
	for stage, s := range w.l.Stages {
		if s.Holder != "" {
			if x := w.x[s.Holder]; x.Complete() || !x.IsInside || x.stageName() != stage {
				return fmt.Sprintf("stage %s is held by %s: %s", stage, s.Holder, w.show(s.Holder))
			}
		} else if len(s.Waiting) > 0 {
			return "stage " + stage + " is free and somebody waits"
		}
		if len(s.Waiting) > 1 && mode(&w.p) == api.ExecutionModeSuperseded {
			return "two wait in front of " + stage
		}
	}
	for _, id := range w.order {
		x := w.x[id]
		if x.IsInside && mode(&w.p) != api.ExecutionModeParallel && w.l.Stages[x.stageName()].Holder != id {
			return id + " is in a stage that it does not hold"
		}
		running := 0
		for _, a := range x.Actions {
			if a.Status == InProgress {
				running++
			}
		}
		if x.Complete() && running > 0 || x.IsInside && running == 0 {
			return fmt.Sprintf("%d actions run: %s", running, w.show(id))
		}
	}
	return ""
}

func TestRandomEventsKeepTheLocks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(600) {
		w := newWorld(t, []string{api.ExecutionModeSuperseded, api.ExecutionModeQueued, api.ExecutionModeParallel}[seed%3])
		r := rand.New(rand.NewPCG(seed, 1))
		w.lazy = r
		for range 60 {
			w.shake(r)
			if len(w.inbox) > 0 {
				continue // somebody has yet to hear
			}
			if why := w.wrong(); why != "" {
				t.Fatalf("seed %d: %s", seed, why)
			}
		}
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("a #{n.k} #{x}")
	f.Fuzz(func(t *testing.T, s string) {
		out, err := resolve(s, func(namespace, key string) (string, bool) { return "#{n.k}", namespace == "n" })
		if err == nil && len(references(s)) == 0 && out != s {
			t.Errorf("%q became %q", s, out)
		}
	})
}

func TestDrawing(t *testing.T) {
	t.Parallel()
	const file = "../../../docs/states/codepipeline-execution.md"
	edges := map[string][]string{}
	note := func(from, to, label string) {
		if e := "    " + from + " --> " + to + ": " + label; from != to && !slices.Contains(edges[from], e) {
			edges[from] = append(edges[from], e)
		}
	}
	where := func(x Execution) string {
		switch {
		case x.Complete() || x.Status == Stopping:
			return string(x.Status)
		case x.IsLeaving:
			return "Leaving"
		case x.IsInside:
			return "InStage"
		}
		return "Waiting"
	}
	for seed := range uint64(400) {
		w := newWorld(t, api.ExecutionModeSuperseded)
		r := rand.New(rand.NewPCG(seed, 2))
		for range 60 {
			before := map[string]Execution{}
			for id, x := range w.x {
				before[id] = x
			}
			w.shake(r)
			for id, x := range w.x {
				if old, ok := before[id]; ok {
					note(where(old), where(x), because(old, x))
				}
			}
		}
	}
	var b strings.Builder
	b.WriteString("# An execution of a pipeline\n\nDrawn from the machine in `internal/service/codepipeline` by its test (`go test ./internal/service/codepipeline -run Drawing -update`).\n" +
		"`Waiting` is in front of a stage, `InStage` has its lock, `Leaving` was cancelled and lets its actions end.\n\n```mermaid\nstateDiagram-v2\n    [*] --> Waiting\n")
	for _, from := range []string{"Waiting", "InStage", "Leaving", "Stopping", "Failed", "Stopped", "Succeeded", "Superseded", "Cancelled"} {
		slices.Sort(edges[from])
		for _, e := range edges[from] {
			b.WriteString(e + "\n")
		}
	}
	b.WriteString("    Succeeded --> [*]\n    Superseded --> [*]\n    Cancelled --> [*]\n```\n")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != b.String() {
		t.Errorf("the drawing is old: run with -update (%v)", err)
	}
}

// because names what led from one state to the next.
func because(old, x Execution) string {
	switch {
	case x.Attempt > old.Attempt && old.Complete():
		return "stage retried"
	case x.Status == Superseded:
		return "a newer execution arrived"
	case x.IsLeaving && !old.IsLeaving, x.Status == Cancelled && !old.IsLeaving:
		return "pipeline changed"
	case x.Status == Stopping, x.Status == Stopped && old.Status != Stopping:
		return "stop asked"
	case x.IsInside && !old.IsInside:
		return "stage entered"
	}
	return "actions ended"
}
