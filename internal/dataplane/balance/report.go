package balance

import (
	"context"
	"maps"
	"time"

	"github.com/penstock-ci/penstock/internal/dataplane"
)

// tell wakes the watchers; the lock is held.
func (b *Balance) tell() {
	for c := range b.watch {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// countEvery is how often changed counts of requests are reported: health and the
// end of a drain go out at once.
const countEvery = time.Second

// Notify fires, coalesced, when a report changed that is not only a count.
func (b *Balance) Notify() (fired <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watch[c] = true
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watch, c)
	}
}

// Watch calls f with every target now, between the marks Begin and End, then with
// what changed, until ctx ends or f fails.
func (b *Balance) Watch(ctx context.Context, f func(dataplane.Report) error) error {
	fired, stop := b.Notify()
	defer stop()
	sent := map[string]dataplane.Report{}
	if err := f(dataplane.Report{Mark: dataplane.Begin}); err != nil {
		return err
	}
	for first := true; ; first = false {
		now := b.reports()
		for key, r := range now {
			if sent[key] == r {
				continue
			}
			if err := f(r); err != nil {
				return err
			}
		}
		for key, r := range sent {
			if _, ok := now[key]; !ok {
				r.Gone = true
				if err := f(r); err != nil {
					return err
				}
			}
		}
		sent = now
		if first {
			if err := f(dataplane.Report{Mark: dataplane.End}); err != nil {
				return err
			}
		}
		select {
		case <-fired:
		case <-b.clock.After(countEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *Balance) reports() map[string]dataplane.Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]dataplane.Report{}
	for id, p := range b.pools {
		p.mu.Lock()
		for addr, t := range p.targets {
			key := Key(id, addr)
			r := dataplane.Report{
				Number: b.number, Pool: id, Target: addr,
				Health: t.health.State, Reason: t.health.Reason, Description: t.health.Description,
				Drain: t.spec.Drain, Open: int(t.open.Load()), Total: t.total.Load(),
			}
			for _, open := range b.extra {
				r.Open += open[key]
			}
			out[key] = r
		}
		p.mu.Unlock()
	}
	return out
}

// Health is the state of every target, for the next process.
func (b *Balance) Health() map[string]Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]Health{}
	for id, p := range b.pools {
		p.mu.Lock()
		for addr, t := range p.targets {
			out[Key(id, addr)] = t.health
		}
		p.mu.Unlock()
	}
	return out
}

// Open is the requests in flight here and in the processes that this one replaced.
func (b *Balance) Open() map[string]int {
	out := map[string]int{}
	for key, r := range b.reports() {
		if r.Open > 0 {
			out[key] = r.Open
		}
	}
	return out
}

// Extra says what process has in flight; nil = it is gone.
func (b *Balance) Extra(process string, open map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if open == nil {
		delete(b.extra, process)
	} else {
		b.extra[process] = maps.Clone(open)
	}
	b.tell()
}
