package ecs

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
)

// Events of a task's machine.
const (
	taskCreated    = "created"
	taskAttached   = "attached"   // body Interface
	taskFailed     = "failed"     // could not be started: body failure
	taskLaunched   = "launched"   // images are here and the start was asked for: body launched
	taskObserved   = "observed"   // its pod as it is: body compute.Status
	taskRegistered = "registered" // its targets are registered
	taskTargets    = "targets"    // the target groups' words: body []Target
	taskStop       = "stop"       // body stopOrder
	taskKilled     = "killed"     // nothing of the pod runs any more: body compute.Status
	taskReleased   = "released"   // pod and interface are gone
	taskProtected  = "protected"  // body: until when
	taskForget     = "forget"     // timer
)

// remembered is how long a stopped task can be described.
const remembered = time.Hour

// failure tells why a task could not be started.
type failure struct{ Reason, Container string }

// launched tells what the launch found.
type launched struct {
	PullStartedAt, PullStoppedAt time.Time
	Digests                      map[string]string // container → image digest
}

// life is one turn of a task.
type life struct {
	*Task
	now     time.Time
	effects []engine.Effect
	facts   []eventstream.Fact
}

// stepTask decides what a task does next.
func stepTask(t Task, e engine.Event) (engine.Turn[Task], error) {
	t.Containers, t.Targets = slices.Clone(t.Containers), slices.Clone(t.Targets)
	l := &life{Task: &t, now: e.At}
	if err := l.take(e); err != nil {
		return engine.Turn[Task]{}, fmt.Errorf("task %s: event %s: %w", t.ID, e.Name, err)
	}
	l.tell()
	return engine.Turn[Task]{Next: t, Effects: l.effects, Publish: l.facts}, nil
}

func (l *life) take(e engine.Event) error {
	switch e.Name {
	case taskCreated:
		l.do("attach", "attach")
		return nil
	case taskAttached:
		return with(e, l.attached)
	case taskFailed:
		return with(e, l.failed)
	case taskLaunched:
		return with(e, l.launchedAs)
	case taskObserved:
		return with(e, l.observed)
	case taskRegistered:
		l.registered()
	case taskTargets:
		return with(e, l.heard)
	case taskStop:
		return with(e, func(o stopOrder) { l.stop(o.Code, o.Reason) })
	case taskKilled:
		return with(e, l.killed)
	case taskReleased:
		l.released()
	case taskProtected:
		return with(e, func(until time.Time) { l.ProtectedUntil = until })
	case taskForget:
		if l.Status == Stopped {
			l.Status = Deleted
			l.do("forget", "erase")
		}
	case "attach.failed":
		return with(e, func(f engine.Failure) {
			l.failed(failure{Reason: "ResourceInitializationError: the network interface could not be made: " + f.Error})
		})
	case "register.failed":
		return with(e, func(f engine.Failure) {
			l.registrationEnded()
			l.stop("TaskFailedToStart", "ResourceInitializationError: failed to register targets: "+f.Error)
		})
	case "deregister.failed": // try again: the task may not be killed under its requests
		l.do("deregister", "deregister")
	}
	return nil
}

// with decodes the body of e for f.
func with[B any](e engine.Event, f func(B)) error {
	var body B
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return fmt.Errorf("read its body: %w", err)
	}
	f(body)
	return nil
}

func (l *life) do(do, name string) {
	l.effects = append(l.effects, engine.Effect{Do: do, Name: name})
}

// enter moves to a later state; an earlier one changes nothing.
func (l *life) enter(s Status) bool {
	if !l.Status.before(s) {
		return false
	}
	l.Status = s
	return true
}

func (l *life) attached(i Interface) {
	if l.Interface.ID != "" || !l.Status.before(Deprovisioning) {
		return
	}
	l.Interface = i
	if l.IsStopped {
		l.release()
		return
	}
	if l.enter(Pending) {
		l.do("launch", "launch")
	}
}

func (l *life) failed(f failure) {
	if c := l.container(f.Container); c != nil {
		c.Reason = f.Reason
	}
	if l.Status == Provisioning {
		l.order("TaskFailedToStart", f.Reason)
		l.release()
		return
	}
	l.stop("TaskFailedToStart", f.Reason)
}

func (l *life) launchedAs(found launched) {
	l.PullStartedAt, l.PullStoppedAt = found.PullStartedAt, found.PullStoppedAt
	for i := range l.Containers {
		l.Containers[i].Digest = found.Digests[l.Containers[i].Name]
	}
}

// observed takes over what the back end sees, then asks whether the task runs or ends.
func (l *life) observed(s compute.Status) {
	if l.Status == Provisioning || !l.Status.before(Stopped) {
		return
	}
	l.see(s)
	isOver := s.Phase == compute.Stopped || s.Phase == compute.Lost
	switch {
	case isOver && l.Status == Stopping:
		l.release()
	case s.Phase == compute.Lost && l.Status.before(Stopping):
		l.lost(s)
	case l.essentialExited() && l.Status.before(Deactivating) && !l.IsStopped:
		l.stop("EssentialContainerExited", "Essential container in task exited")
	case s.Phase == compute.Stopped && l.Status.before(Deactivating) && !l.IsStopped:
		l.stop("TaskFailedToStart", startError(s.Reason))
	case l.Status == Pending && !l.IsStopped && l.essentialStarted():
		l.started()
	}
	l.drain()
}

func startError(reason string) string {
	if reason == "" {
		return "ContainerRuntimeError: the containers did not start"
	}
	return reason
}

// see copies the containers' states.
func (l *life) see(s compute.Status) {
	for _, now := range s.Containers {
		c := l.container(now.Name)
		if c == nil {
			continue
		}
		c.RuntimeID = now.ID
		if now.ImageDigest != "" && c.Digest == "" {
			c.Digest = now.ImageDigest
		}
		if !now.StartedAt.IsZero() && c.Status.before(Running) {
			c.Status, c.StartedAt = Running, now.StartedAt
		}
		if c.Checked {
			c.Health = healthOf(now.Health)
		}
		if now.Exit != nil && c.Status != Stopped {
			code := now.Exit.Code
			c.Status, c.ExitCode, c.ExitedAt = Stopped, &code, now.Exit.At
			if now.Exit.OOM {
				c.Reason = "OutOfMemoryError: Container killed due to memory usage"
			}
		}
	}
}

func healthOf(observed string) string {
	switch observed {
	case "HEALTHY", "UNHEALTHY":
		return observed
	}
	return "UNKNOWN"
}

func (l *life) essentialStarted() bool {
	for _, c := range l.Containers {
		if c.Essential && c.StartedAt.IsZero() {
			return false
		}
	}
	return true
}

func (l *life) essentialExited() bool {
	return slices.ContainsFunc(l.Containers, func(c Container) bool { return c.Essential && c.Status == Stopped })
}

func (l *life) started() {
	if len(l.Targets) == 0 {
		l.run()
		return
	}
	if l.enter(Activating) {
		l.IsRegistering = true
		l.do("register", "register")
	}
}

// registrationEnded lets a task go on that was stopped meanwhile: deregistered
// earlier, its targets would have been registered for good.
func (l *life) registrationEnded() {
	l.IsRegistering = false
	if l.Status == Deactivating {
		l.do("deregister", "deregister")
	}
}

func (l *life) registered() {
	l.registrationEnded()
	if l.Status != Activating {
		return
	}
	for i := range l.Targets {
		if l.Targets[i].State == "" {
			l.Targets[i].State = "initial"
		}
	}
	l.run()
}

func (l *life) run() {
	if l.enter(Running) {
		l.StartedAt = l.now
	}
}

// heard takes over the target groups' words. A leaving task goes on when all its
// targets are drained.
func (l *life) heard(told []Target) {
	isBack := false
	for _, g := range told {
		for i := range l.Targets {
			own := &l.Targets[i]
			if own.Group != g.Group || own.Port != g.Port || own.State == "" && l.Status != Deactivating {
				continue
			}
			own.State, own.Reason = g.State, g.Reason
			isBack = isBack || !g.isLeaving()
		}
	}
	if l.Status == Deactivating && isBack { // a registration was late
		l.do("deregister", fmt.Sprintf("deregister-%d", l.Version))
	}
	l.drain()
}

// drain goes on to SIGTERM once no request can be on its way: the targets are
// drained, or deregistered with nobody left to answer.
func (l *life) drain() {
	if l.Status != Deactivating || l.IsRegistering {
		return
	}
	servesNobody := true
	for _, g := range l.Targets {
		if !g.isLeaving() {
			return
		}
		if c := l.container(g.Container); g.State != "unused" && (c == nil || c.Status != Stopped) {
			servesNobody = false
		}
	}
	if servesNobody {
		l.kill()
	}
}

// isLeaving tells whether the target gets no new requests.
func (g Target) isLeaving() bool { return g.State == "draining" || g.State == "unused" }
