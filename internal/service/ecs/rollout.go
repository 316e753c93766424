package ecs

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/ids"
)

// reconcile brings what is nearer to what is wanted, one look at a time: note who is
// unhealthy, start what may be started, stop what may be stopped, see whether it is done.
func (t *turn) reconcile() {
	if t.Status == "INACTIVE" || t.primary() == nil {
		return
	}
	t.announce()
	t.noteHealth()
	t.judge()
	t.stopBad()
	t.start()
	t.scaleIn()
	t.stopOld()
	t.retire()
	t.finish()
}

// announce publishes the start of a deployment that a handler has made.
func (t *turn) announce() {
	if d := t.primary(); !d.IsAnnounced {
		d.IsAnnounced = true
		t.rollout("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", d, d.RolloutReason)
	}
}

// wanted is the number of tasks, 0 for a service that is being deleted.
func (t *turn) wanted() int {
	if t.Status != "ACTIVE" {
		return 0
	}
	return t.Desired
}

func (t *turn) bounds() (lower, upper int) {
	return Bounds(t.wanted(), t.Settings.Minimum, t.Settings.Maximum)
}

// noteHealth marks tasks that became healthy, and those whose checks fail after
// the grace period; the latter are told and due for replacement.
func (t *turn) noteHealth() {
	for i := range t.Replicas {
		r := &t.Replicas[i]
		if t.healthy(r) {
			r.IsBad = false
			if !r.WasHealthy {
				r.WasHealthy = true
				t.succeeded(r)
			}
			continue
		}
		failing, target := r.isFailing()
		if !failing || r.IsBad {
			continue
		}
		grace := r.StartedAt.Add(time.Duration(t.Settings.GracePeriod) * time.Second)
		if t.now.Before(grace) {
			t.wakeAt(grace)
			continue
		}
		r.IsBad = true
		if target == nil {
			t.say("(task %s) failed container health checks.", r.ID)
		} else {
			t.say("(task %s) (port %d) is unhealthy in (target-group %s) due to (reason %s).", r.ID, target.Port, target.Group, target.Reason)
		}
	}
}

// stopBad stops unhealthy tasks of the primary. One that never was healthy serves
// nobody and goes at once. One that was goes when its replacement is healthy, or,
// where there is no room for a replacement, one at a time.
func (t *turn) stopBad() {
	_, upper := t.bounds()
	for i := range t.Replicas {
		r := &t.Replicas[i]
		if !r.IsBad || !r.isAlive() || r.Deployment != t.primary().ID {
			continue
		}
		c := t.count()
		noRoom := c.alive >= upper && c.mine == c.good && c.mine < t.wanted()
		if !r.WasHealthy || c.good >= t.wanted() || noRoom {
			t.failed(r)
			t.stop("ServiceSchedulerInitiated", badReason(r), r)
		}
	}
	t.judge()
}

func badReason(r *Replica) string {
	if _, target := r.isFailing(); target != nil {
		return "Task failed ELB health checks in (target-group " + target.Group + ")"
	}
	return "Task failed container health checks"
}

// start launches tasks of the primary: what is missing, within the maximum.
func (t *turn) start() {
	d := t.primary()
	if d.Rollout == Failed {
		return
	}
	_, upper := t.bounds()
	c := t.count()
	missing := t.wanted() - c.mine
	n := min(missing, upper-c.alive)
	if n <= 0 {
		if missing > 0 && t.isStuck(c) {
			t.warn("was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.")
		}
		return
	}
	if t.now.Before(t.Throttle.Until) {
		t.wakeAt(t.Throttle.Until)
		return
	}
	t.launch(d, n)
}

// isStuck tells whether neither a start nor a stop is possible and nothing is under way.
func (t *turn) isStuck(c tally) bool {
	lower, _ := t.bounds()
	for i := range t.Replicas {
		if r := &t.Replicas[i]; !r.isAlive() && !r.isGone() || r.IsBad {
			return false
		}
	}
	return c.healthy == c.alive && c.healthy-1 < lower
}

func (t *turn) launch(d *Deployment, n int) {
	var started []string
	replaced := 0
	for i := range t.Replicas {
		if t.Replicas[i].IsBad && t.Replicas[i].Deployment == d.ID {
			replaced++
		}
	}
	for range n {
		id := ids.Hex(32, "task "+t.seed(t.next()))
		r := Replica{ID: id, Deployment: d.ID, Status: Provisioning, CreatedAt: t.now}
		t.Replicas = append(t.Replicas, r)
		t.effect("start", id, nil)
		started = append(started, id)
	}
	t.Steady = false
	if replaced = min(replaced, n); replaced > 0 {
		t.say("has started %d tasks: %s. Amazon ECS replaced %d tasks due to an unhealthy status.", n, list(started), replaced)
	} else {
		t.say("has started %d tasks: %s.", n, list(started))
	}
}

// scaleIn stops what the primary has too many of: the least useful first, then the oldest.
func (t *turn) scaleIn() {
	surplus := t.count().mine - t.wanted()
	if surplus <= 0 {
		return
	}
	t.stop("ServiceSchedulerInitiated", t.scaling(t.primary()), t.leastUseful(surplus, func(r *Replica) bool {
		return r.Deployment == t.primary().ID && !r.IsBad
	})...)
}

// stopOld stops tasks of former deployments: those that serve nobody freely, healthy
// ones while the minimum is kept.
func (t *turn) stopOld() {
	lower, _ := t.bounds()
	healthy := t.count().healthy
	primary := t.primary()
	var stopped []*Replica
	for _, r := range t.leastUseful(len(t.Replicas), func(r *Replica) bool { return r.Deployment != primary.ID }) {
		switch isHealthy := t.healthy(r); {
		case !isHealthy && (r.IsBad || r.Status.before(Running)):
			stopped = append(stopped, r)
		case !isHealthy && healthy >= lower:
			stopped = append(stopped, r)
		case isHealthy && healthy-1 >= lower:
			healthy--
			stopped = append(stopped, r)
		}
	}
	t.stop("ServiceSchedulerInitiated", t.scaling(primary), stopped...)
}

func (t *turn) scaling(d *Deployment) string {
	return "Scaling activity initiated by (deployment " + d.ID + ")"
}

// leastUseful picks up to n living, unprotected tasks: unhealthy before healthy, the
// oldest first among healthy ones.
func (t *turn) leastUseful(n int, among func(*Replica) bool) []*Replica {
	var unhealthy, healthy []*Replica
	for i := range t.Replicas {
		r := &t.Replicas[i]
		switch {
		case !r.isAlive() || !among(r):
		case t.now.Before(r.Protected):
			t.wakeAt(r.Protected)
		case t.healthy(r):
			healthy = append(healthy, r)
		default:
			unhealthy = append(unhealthy, r)
		}
	}
	// The newest of the unhealthy are furthest from being healthy.
	slices.Reverse(unhealthy)
	all := append(unhealthy, healthy...)
	return all[:min(n, len(all))]
}

// stop asks tasks to leave and says so once for all.
func (t *turn) stop(code, reason string, tasks ...*Replica) {
	var stopped []string
	for _, r := range tasks {
		r.Leaving = true
		stopped = append(stopped, r.ID)
		t.effect("stop", r.ID, stopOrder{Code: code, Reason: reason})
	}
	if len(stopped) > 0 {
		t.Steady = false
		t.say("has stopped %d running tasks: %s.", len(stopped), list(stopped))
	}
}

// stopOrder is the body of the effect "stop" and of a task's event "stop".
type stopOrder struct{ Code, Reason string }

func (t *turn) effect(do, name string, body any) {
	e := engine.Effect{Do: do, Name: do + "-" + name}
	if body == nil {
		body = name
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // plain structs of strings
	}
	e.Body = b
	t.effects = append(t.effects, e)
}
