package dataplane

import (
	"context"
	"net/netip"
	"sync"
)

// Observed keeps the last report of every target, in memory: after a restart of
// either process all come again.
type Observed struct {
	mu   sync.Mutex
	last map[string]map[netip.AddrPort]Report
	seen map[string]map[netip.AddrPort]bool // in the present stream
	subs map[chan string]bool
}

// NewObserved knows nothing until Run.
func NewObserved() *Observed {
	return &Observed{
		last: map[string]map[netip.AddrPort]Report{}, seen: map[string]map[netip.AddrPort]bool{}, subs: map[chan string]bool{},
	}
}

// Run takes p's reports until ctx ends; then is also called with each, after it
// is kept, and may be nil.
func (o *Observed) Run(ctx context.Context, p Plane, then func(Report)) error {
	return p.Watch(ctx, func(r Report) {
		if r.Mark != "" {
			for _, pool := range o.mark(r.Mark) {
				o.tell(pool)
			}
			return
		}
		if o.Put(r) {
			o.tell(r.Pool)
		}
		if then != nil {
			then(r)
		}
	})
}

// Put keeps r; changed tells whether more than its counts is new.
func (o *Observed) Put(r Report) (changed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	pool := o.last[r.Pool]
	if o.seen[r.Pool] == nil {
		o.seen[r.Pool] = map[netip.AddrPort]bool{}
	}
	o.seen[r.Pool][r.Target] = true
	if r.Gone {
		delete(pool, r.Target)
		return true
	}
	if pool == nil {
		pool = map[netip.AddrPort]Report{}
		o.last[r.Pool] = pool
	}
	old, known := pool[r.Target]
	pool[r.Target] = r
	return !known || old.Health != r.Health || old.Reason != r.Reason || old.Drain != r.Drain || r.Drain && r.Open == 0
}

// mark drops, at the end of a stream's first part, what it did not tell of: targets
// that went while nobody listened. It gives their pools.
func (o *Observed) mark(m string) (changed []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m == Begin {
		o.seen = map[string]map[netip.AddrPort]bool{}
		return nil
	}
	for id, pool := range o.last {
		for target := range pool {
			if !o.seen[id][target] {
				delete(pool, target)
				changed = append(changed, id)
			}
		}
	}
	return changed
}

// Report is the last one of a target.
func (o *Observed) Report(pool string, target netip.AddrPort) (Report, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.last[pool][target]
	return r, ok
}

func (o *Observed) tell(pool string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.subs {
		select {
		case c <- pool:
		default: // it has more than it can take, and asks for everything anyhow
		}
	}
}

// Watch calls changed with the id of each pool that has news, until ctx ends.
func (o *Observed) Watch(ctx context.Context, changed func(pool string)) error {
	c := make(chan string, 256)
	o.mu.Lock()
	o.subs[c] = true
	o.mu.Unlock()
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.subs, c)
	}()
	for {
		select {
		case pool := <-c:
			changed(pool)
		case <-ctx.Done():
			return nil
		}
	}
}
