package ecs

import (
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/engine"
)

// order notes who wants the task stopped and why; the first one counts.
func (l *life) order(code, reason string) bool {
	if l.IsStopped {
		return false
	}
	l.IsStopped, l.StopCode, l.StopReason, l.StoppingAt = true, code, reason, l.now
	return true
}

// stop begins the end of a task: targets first, then SIGTERM.
func (l *life) stop(code, reason string) {
	if !l.order(code, reason) {
		return
	}
	switch {
	case l.Status == Provisioning: // its interface is on the way: released when it is here
	case l.Status == Pending:
		l.kill()
	case !l.Status.before(Stopping): // LOST, and already on its way
	case len(l.Targets) > 0:
		l.enter(Deactivating)
		if !l.IsRegistering {
			l.do("deregister", "deregister")
		}
	default:
		l.kill()
	}
}

// kill begins SIGTERM, stopTimeout, SIGKILL.
func (l *life) kill() {
	if l.enter(Stopping) {
		l.do("kill", "kill")
	}
}

// lost is a pod whose namespace or containers vanished: there is nothing to drain or stop.
func (l *life) lost(s compute.Status) {
	code := "EssentialContainerExited"
	if l.Status.before(Running) {
		code = "TaskFailedToStart"
	}
	reason := "Essential container in task exited"
	if s.Reason != "" {
		reason = "ContainerRuntimeError: " + s.Reason
	}
	for i := range l.Containers {
		if c := &l.Containers[i]; c.Status != Stopped {
			c.Status, c.Reason, c.ExitedAt = Stopped, reason, l.now
		}
	}
	l.stop(code, reason)
}

func (l *life) killed(s compute.Status) {
	if l.Status != Stopping {
		return
	}
	l.see(s)
	l.release()
}

// release has pod and interface removed.
func (l *life) release() {
	if !l.enter(Deprovisioning) {
		return
	}
	l.ExecutionEndsAt = l.now
	for i := range l.Containers {
		l.Containers[i].Status = Stopped
	}
	l.do("release", "release")
}

func (l *life) released() {
	if l.Status != Deprovisioning {
		return
	}
	l.Status = Stopped
	l.StoppedAt = l.now
	l.effects = append(l.effects, engine.Effect{Name: taskForget, Due: l.now.Add(remembered)})
}
