package ecs

import "time"

// isAlive tells whether r counts against the maximum.
func (r *Replica) isAlive() bool { return !r.Leaving && r.Status.before(Deactivating) }

// isGone tells whether nothing of r runs any more.
func (r *Replica) isGone() bool { return !r.Status.before(Deprovisioning) }

// isHealthy tells whether r counts for the minimum: it runs, its essential
// containers' checks pass and all its target groups call it healthy. Without either
// it counts a while after it began to run; wait is that instant while it lies ahead.
func (r *Replica) isHealthy(now time.Time, settle time.Duration) (ok bool, wait time.Time) {
	if !r.isAlive() || r.Status != Running {
		return false, time.Time{}
	}
	if r.Checked && r.Health != "HEALTHY" {
		return false, time.Time{}
	}
	for _, g := range r.Targets {
		if g.State != "healthy" {
			return false, time.Time{}
		}
	}
	if settled := r.StartedAt.Add(settle); !r.Checked && len(r.Targets) == 0 && now.Before(settled) {
		return false, settled
	}
	return true, time.Time{}
}

// isFailing tells whether a check of a running task fails, and which target it was.
func (r *Replica) isFailing() (bool, *Target) {
	if !r.isAlive() || r.Status != Running {
		return false, nil
	}
	for i := range r.Targets {
		if r.Targets[i].State == "unhealthy" {
			return true, &r.Targets[i]
		}
	}
	return r.Checked && r.Health == "UNHEALTHY", nil
}

// healthy is isHealthy with the next look noted.
func (t *turn) healthy(r *Replica) bool {
	ok, wait := r.isHealthy(t.now, t.settle)
	if !wait.IsZero() {
		t.wakeAt(wait)
	}
	return ok
}

// tally is what the percentages are held against.
type tally struct {
	alive   int // all living tasks
	healthy int // of all deployments
	mine    int // living tasks of the primary that need no replacement
	good    int // healthy ones among mine
}

func (t *turn) count() tally {
	var c tally
	primary := t.primary().ID
	for i := range t.Replicas {
		r := &t.Replicas[i]
		if !r.isAlive() {
			continue
		}
		c.alive++
		isHealthy := t.healthy(r)
		if isHealthy {
			c.healthy++
		}
		if r.Deployment == primary && !r.IsBad {
			c.mine++
			if isHealthy {
				c.good++
			}
		}
	}
	return c
}
