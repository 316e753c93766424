package ecs

import "time"

// failed counts a task that could not be made to work against its deployment.
func (t *turn) failed(r *Replica) {
	if r.IsCounted {
		return
	}
	r.IsCounted = true
	if d := t.deployment(r.Deployment); d != nil {
		d.FailedTasks++
		d.UpdatedAt = t.now
	}
}

// succeeded resets the count of failures in a row.
func (t *turn) succeeded(r *Replica) {
	if d := t.deployment(r.Deployment); d != nil {
		d.FailedTasks = 0
	}
	if r.Deployment == t.primary().ID {
		t.Throttle = Throttle{}
	}
}

// died is called once for a task that ended by itself.
func (t *turn) died(r *Replica) {
	if r.IsCounted || (r.StopCode != "TaskFailedToStart" && r.StopCode != "EssentialContainerExited") {
		return
	}
	t.failed(r)
	if r.Deployment == t.primary().ID {
		t.slowDown(!r.StartedAt.IsZero())
	}
}

// slowDown delays the next start. Tasks that never ran back off up to 15 minutes, as
// on AWS. Those that ran are never throttled there, but a start takes AWS half a
// minute and us a fraction of a second: a crash loop is paced to one start in ten seconds.
func (t *turn) slowDown(ran bool) {
	const steps, most = 3, 15 * time.Minute
	t.Throttle.Failures++
	n := t.Throttle.Failures - steps
	if n < 0 {
		t.Throttle.Until = t.now.Add(time.Duration(t.Throttle.Failures) * time.Second)
		return
	}
	if ran {
		t.Throttle.Until = t.now.Add(10 * time.Second)
		return
	}
	wait := min(10*time.Second<<min(n, 10), most)
	t.Throttle.Until = t.now.Add(wait)
	t.warn("is unable to consistently start tasks successfully. For more information, see the Troubleshooting section.")
	t.action("WARN", "SERVICE_TASK_START_IMPAIRED")
}

// judge opens the circuit breaker when the primary has failed often enough.
func (t *turn) judge() {
	d := t.primary()
	if !t.Settings.Breaker || t.Status != "ACTIVE" || d.Rollout != InProgress || d.FailedTasks < Threshold(t.Desired) {
		return
	}
	t.fail(d, "ECS deployment circuit breaker: tasks failed to start.", t.Settings.Rollback)
}

// fail ends the primary's rollout, and goes back to the last completed one where that is asked for.
func (t *turn) fail(d *Deployment, reason string, rollback bool) {
	d.Rollout = Failed
	d.RolloutReason = reason
	d.UpdatedAt = t.now
	t.say("(deployment %s) deployment failed: tasks failed to start.", d.ID)
	t.rollout("ERROR", "SERVICE_DEPLOYMENT_FAILED", d, d.RolloutReason)
	for i := 1; rollback && i < len(t.Deployments); i++ {
		if t.Deployments[i].Rollout == Completed {
			t.rollBack(i)
			return
		}
	}
	d.Outcome, d.Reason, d.StoppedAt, d.FinishedAt = "STOPPED", d.RolloutReason, t.now, t.now
}

// rollBackByUser is StopServiceDeployment.
func (t *turn) rollBackByUser(number string) {
	if d := t.primary(); d != nil && d.Number == number && d.Rollout == InProgress {
		t.fail(d, "Service deployment stopped by a user.", true)
	}
}

// rollBack makes the i-th deployment the primary again, under its old id.
func (t *turn) rollBack(i int) {
	target := t.Deployments[i]
	failed := &t.Deployments[0]
	failed.Outcome, failed.Reason = "ROLLBACK_IN_PROGRESS", failed.RolloutReason
	failed.RolledTo, failed.RolledAt = target.RevisionID, t.now
	target.Rollout = InProgress
	target.RolloutReason = "ECS deployment circuit breaker: rolling back to deploymentId " + target.ID + "."
	target.UpdatedAt = t.now
	target.FailedTasks = 0
	rest := append(t.Deployments[:i:i], t.Deployments[i+1:]...)
	t.Deployments = append([]Deployment{target}, rest...)
	t.Throttle = Throttle{}
	t.say("rolling back to deployment %s.", target.ID)
	t.rollout("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", &t.Deployments[0], target.RolloutReason)
}
