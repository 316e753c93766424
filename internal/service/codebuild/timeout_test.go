package codebuild

import (
	"sync"
	"testing"
	"time"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// handClock is moved by hand.
type handClock struct {
	mu    sync.Mutex
	now   time.Time
	waits []wait
}

type wait struct {
	due  time.Time
	fire chan time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := wait{c.now.Add(d), make(chan time.Time, 1)}
	c.waits = append(c.waits, w)
	c.fire()
	return w.fire
}

func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.fire()
}

// fire ends the waits that are over. c.mu is held.
func (c *handClock) fire() {
	var left []wait
	for _, w := range c.waits {
		if w.due.After(c.now) {
			left = append(left, w)
		} else {
			w.fire <- c.now
		}
	}
	c.waits = left
}

// report sends reports as a build's runner does.
func (w *world) report(b Build, reports ...protocol.Report) {
	w.t.Helper()
	for i := range reports {
		reports[i].N, reports[i].At = b.Reports+uint64(i), w.Clock.Now().UnixMilli()
	}
	var ack protocol.Ack
	if code := w.speak(b, protocol.SyncPath, w.token(b.Scope, b.ID()), protocol.Sync{Reports: reports}, &ack); code != 200 {
		w.t.Fatalf("the reports were answered with %d", code)
	}
}

// reach brings a build to a phase, as its runner would.
func (w *world) reach(b Build, phase Phase) Build {
	w.t.Helper()
	var reports []protocol.Report
	for _, p := range order[3:9] {
		reports = append(reports, protocol.Report{Phase: string(p)})
		if p == phase {
			break
		}
		reports = append(reports, protocol.Report{Phase: string(p), State: protocol.Succeeded})
	}
	w.report(b, reports...)
	return w.await(b.ID(), func(b Build) bool { return b.Phase == phase })
}

func TestBuildEndsWithItsTime(t *testing.T) {
	t.Parallel()
	clk := &handClock{now: t0}
	pods := &nopPods{}
	w := newWorldFor(t, pods, "", clk, dispatchtest.New)
	w.Places = 1
	w.project("pp", echoSpec, false)
	running := w.reach(w.startOf(&api.StartBuildInput{ProjectName: new("pp"), TimeoutInMinutesOverride: new(int32(10))}), BuildPhase)
	waiting := *w.startBuild("pp").Id
	w.awaitTurn(waiting)
	clk.advance(time.Millisecond) // those that follow wait behind it
	short, err := w.start(&api.StartBuildInput{ProjectName: new("pp"), QueuedTimeoutInMinutesOverride: new(int32(5))})
	if err != nil {
		t.Fatal(err)
	}
	w.awaitTurn(*short.Id)
	// What is due within the time is done when the clock moves on; what is not, stays.
	clk.advance(5*time.Minute - time.Second)
	w.awaitTurn(w.again("pp"))
	if b, _ := w.current(t.Context(), dispatchtest.Scope, *short.Id); b.Complete() {
		t.Errorf("a second too early: %s", phases(b))
	}
	clk.advance(time.Second)
	b := w.await(*short.Id, Build.Complete)
	if got := b.Status + ": " + phases(b); got != "TIMED_OUT: SUBMITTED SUCCEEDED, QUEUED TIMED_OUT, FINALIZING SUCCEEDED, COMPLETED" {
		t.Error(got)
	}
	clk.advance(5*time.Minute - time.Second)
	w.awaitTurn(w.again("pp"))
	if b, _ := w.current(t.Context(), dispatchtest.Scope, running.ID()); b.Complete() {
		t.Errorf("a second too early: %s", phases(b))
	}
	clk.advance(time.Second)
	b = w.await(running.ID(), Build.Complete)
	last := b.Phases[len(b.Phases)-3]
	if b.Status != "TIMED_OUT" || last.Phase != BuildPhase || last.Status != "TIMED_OUT" || last.Contexts[0] != (protocol.Context{Code: "BUILD_TIMED_OUT", Message: "Build has timed out. "}) {
		t.Errorf("%s: %s, %+v", b.Status, phases(b), last)
	}
	if took := b.End.Sub(running.Phases[2].Start); took < 10*time.Minute || took > 10*time.Minute+time.Second {
		t.Errorf("it ended after %s", took)
	}
	// Its container goes, and its place with it.
	w.await(waiting, func(b Build) bool { return b.Provisioned })
	if left := pods.asked(running.pod()); left.Name != "" {
		t.Errorf("its container is still there: %+v", left)
	}
}
