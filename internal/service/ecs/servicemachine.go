package ecs

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
)

// Events of a service's machine.
const (
	serviceChanged  = "changed"  // a handler has written what is wanted
	serviceReported = "reported" // a task tells its state: body Replica
	serviceRollback = "rollback" // StopServiceDeployment: body its number
	serviceWoken    = "woken"    // the timer: time alone may change a decision
)

// stepService decides what a service does next. settle is how long a task without any
// health check runs until it counts as healthy.
func stepService(settle time.Duration) engine.Step[Service] {
	return func(s Service, e engine.Event) (engine.Turn[Service], error) {
		s = s.clone()
		t := &turn{Service: &s, now: e.At, settle: settle}
		switch e.Name {
		case serviceReported:
			var r Replica
			if err := json.Unmarshal(e.Body, &r); err != nil {
				return engine.Turn[Service]{}, fmt.Errorf("read a task's report: %w", err)
			}
			t.report(r)
		case serviceRollback:
			var number string
			if err := json.Unmarshal(e.Body, &number); err != nil {
				return engine.Turn[Service]{}, fmt.Errorf("read which deployment to roll back: %w", err)
			}
			t.rollBackByUser(number)
		case serviceChanged, serviceWoken:
		default: // an effect that failed: its task reports what became of it
		}
		t.reconcile()
		t.forgetStopped()
		if !t.wake.IsZero() {
			t.effects = append(t.effects, engine.Effect{Name: serviceWoken, Due: t.wake})
		}
		return engine.Turn[Service]{Next: s, Effects: t.effects, Publish: t.facts}, nil
	}
}

// clone lets a step change lists without changing the state it was given.
func (s Service) clone() Service {
	s.Deployments = slices.Clone(s.Deployments)
	s.Past = slices.Clone(s.Past)
	s.Replicas = slices.Clone(s.Replicas)
	for i := range s.Replicas {
		s.Replicas[i].Targets = slices.Clone(s.Replicas[i].Targets)
	}
	return s
}

// report takes over what a task tells of itself, unless something newer is known.
func (t *turn) report(now Replica) {
	r := t.replica(now.ID)
	if r == nil || now.Version <= r.Version {
		return
	}
	t.tellTargets(r, now)
	r.Version, r.Status, r.StartedAt = now.Version, now.Status, now.StartedAt
	r.Checked, r.Health, r.Targets = now.Checked, now.Health, now.Targets
	r.StopCode, r.Protected = now.StopCode, now.Protected
	if now.Leaving && !r.Leaving {
		r.Leaving = true
		t.Steady = false
		if t.primary() != nil {
			t.died(r)
		}
	}
}

// tellTargets writes the events of registering, deregistering and draining.
func (t *turn) tellTargets(old *Replica, now Replica) {
	isDraining := false
	for _, g := range now.Targets {
		i := slices.IndexFunc(old.Targets, func(o Target) bool { return o.Group == g.Group && o.Port == g.Port })
		before := ""
		if i >= 0 {
			before = old.Targets[i].State
		}
		switch {
		case before == "" && g.State != "" && g.State != "draining":
			t.say("registered 1 targets in (target-group %s)", g.Group)
		case before != "draining" && before != "" && g.State == "draining":
			t.say("deregistered 1 targets in (target-group %s)", g.Group)
			isDraining = true
		}
	}
	if isDraining {
		t.tell(false, fmt.Sprintf("(service %s, taskSet %s) has begun draining connections on 1 tasks.", t.Name, old.Deployment))
	}
}

// forgetStopped drops tasks that are over.
func (t *turn) forgetStopped() {
	t.Replicas = slices.DeleteFunc(t.Replicas, func(r Replica) bool { return !r.Status.before(Stopped) })
}
