package balance

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/dataplane"
)

// pool is a target group with its targets. Choosing a target and counting the
// request are one step under the lock, so that once a target is marked
// to drain its count only falls.
type pool struct {
	mu      sync.Mutex
	spec    dataplane.Pool
	targets map[netip.AddrPort]*target
	ready   []*target // those that get requests now
	next    int
	inode   uint64 // of the namespace that its targets are dialled from
	now     func() time.Time
}

// acquire chooses a target, or the wanted one if it is ready, and counts a
// request on it; nil if none is left outside tried.
func (p *pool) acquire(wanted string, tried []*target) *target {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.choose(wanted, tried)
	if t != nil {
		t.open.Add(1)
		t.total.Add(1)
	}
	return t
}

func (p *pool) choose(wanted string, tried []*target) *target {
	if wanted != "" && len(tried) == 0 {
		for _, t := range p.ready {
			if t.addr.String() == wanted {
				return t
			}
		}
	}
	now := p.now()
	var best, doubtful *target
	for i := range p.ready {
		t := p.ready[(p.next+i)%len(p.ready)]
		switch {
		case slices.Contains(tried, t):
		case now.Before(t.suspect):
			doubtful = t
		case best == nil || p.spec.Least && t.open.Load() < best.open.Load():
			best = t
		}
	}
	p.next++
	if best == nil {
		return doubtful
	}
	return best
}

// doubt remembers that a connect to t failed.
func (p *pool) doubt(t *target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.suspect = p.now().Add(suspicion)
}

// refresh finds out who gets requests; the lock is held.
func (p *pool) refresh() {
	p.ready = eligible(p.targets)
}

// eligible are the healthy targets of the wave in charge; without a healthy one
// all that do not drain (AWS's fail-open).
func eligible(targets map[netip.AddrPort]*target) []*target {
	var healthy, others []*target
	for _, t := range targets {
		switch {
		case t.spec.Drain:
		case t.health.State == dataplane.Healthy:
			healthy = append(healthy, t)
		default:
			others = append(others, t)
		}
	}
	if len(healthy) == 0 {
		return ordered(others)
	}
	return ordered(newest(healthy))
}

// newest keeps the newest wave if it has as many targets as all before it, else
// leaves it out and looks at the one before.
func newest(healthy []*target) []*target {
	born := map[string]time.Time{}
	for _, t := range healthy {
		if at, ok := born[t.spec.Wave]; !ok || t.spec.Registered.Before(at) {
			born[t.spec.Wave] = t.spec.Registered
		}
	}
	if len(born) < 2 {
		return healthy
	}
	last, at := "", time.Time{}
	for wave, b := range born {
		if at.IsZero() || b.After(at) || b.Equal(at) && wave > last {
			last, at = wave, b
		}
	}
	var in, before []*target
	for _, t := range healthy {
		if t.spec.Wave == last {
			in = append(in, t)
		} else {
			before = append(before, t)
		}
	}
	if len(in) >= len(before) {
		return in
	}
	return newest(before)
}

func ordered(ts []*target) []*target {
	slices.SortFunc(ts, func(a, b *target) int { return a.addr.Compare(b.addr) })
	return ts
}
