package ecs

import "slices"

// maxPast is how many ended deployments a service remembers.
const maxPast = 30

// retire takes former deployments off the list whose tasks are gone. The last
// completed one stays until the primary completes: a failure goes back to it.
func (t *turn) retire() {
	kept := t.Deployments[:1:1]
	for i := 1; i < len(t.Deployments); i++ {
		d := t.Deployments[i]
		if d.Rollout == Completed || t.hasTasks(d.ID) {
			kept = append(kept, d)
			continue
		}
		t.bury(d)
	}
	t.Deployments = kept
}

func (t *turn) bury(d Deployment) {
	if slices.ContainsFunc(t.Past, func(p Deployment) bool { return p.Number == d.Number }) {
		return
	}
	t.Past = append([]Deployment{d}, t.Past...)
	if len(t.Past) > maxPast {
		t.Past = t.Past[:maxPast]
	}
}

func (t *turn) hasTasks(deployment string) bool {
	for i := range t.Replicas {
		if r := &t.Replicas[i]; r.Deployment == deployment && !r.isGone() {
			return true
		}
	}
	return false
}

// finish sees whether the rollout is complete, the service steady, or its deletion done.
func (t *turn) finish() {
	if t.Status == "DRAINING" {
		t.finishDeletion()
		return
	}
	c := t.count()
	primary := t.primary()
	if c.mine != t.wanted() || c.good != c.mine || c.alive != c.mine {
		t.Steady = false
		return
	}
	for i := range t.Replicas {
		if r := &t.Replicas[i]; r.Deployment != primary.ID && !r.isGone() {
			t.Steady = false
			return
		}
	}
	if primary.Rollout == InProgress {
		t.complete()
	}
	if primary.Rollout == Completed && !t.Steady && t.nobodyLeaves() {
		t.Steady = true
		t.say("has reached a steady state.")
		t.action("INFO", "SERVICE_STEADY_STATE")
	}
}

func (t *turn) nobodyLeaves() bool {
	for i := range t.Replicas {
		if r := &t.Replicas[i]; r.Leaving && !r.isGone() {
			return false
		}
	}
	return true
}

// complete ends the primary's rollout; former deployments vanish from the list.
func (t *turn) complete() {
	d := t.primary()
	d.Rollout = Completed
	d.RolloutReason = "ECS deployment " + d.ID + " completed."
	d.UpdatedAt = t.now
	if d.Outcome == "" || d.Outcome == "IN_PROGRESS" {
		d.Outcome, d.FinishedAt = "SUCCESSFUL", t.now
	}
	t.Throttle = Throttle{}
	for _, old := range t.Deployments[1:] {
		t.bury(old)
	}
	t.Deployments = t.Deployments[:1:1]
	for i := range t.Past {
		if p := &t.Past[i]; p.Outcome == "ROLLBACK_IN_PROGRESS" {
			p.Outcome, p.FinishedAt = "ROLLBACK_SUCCESSFUL", t.now
		}
	}
	t.Steady = false
	t.say("(deployment %s) deployment completed.", d.ID)
	t.rollout("INFO", "SERVICE_DEPLOYMENT_COMPLETED", d, d.RolloutReason)
}

// finishDeletion makes a service INACTIVE once all its tasks are at least stopping.
func (t *turn) finishDeletion() {
	for i := range t.Replicas {
		if t.Replicas[i].Status.before(Stopping) {
			return
		}
	}
	t.Status = "INACTIVE"
	t.InactiveAt = t.now
	for _, d := range t.Deployments {
		t.bury(d)
	}
	t.Deployments = nil
}
