package bench

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A rate is told for slices of time; the first ones, in which connections are opened
// and caches fill, do not count.
const (
	slice            = 200 * time.Millisecond
	counted, warming = 20, 5
)

// rate is how many f a second so many workers do, by slices.
func (b *Bench) rate(ctx context.Context, workers int, f func(ctx context.Context, worker int) error) (samples, error) {
	group, ctx := errgroup.WithContext(ctx)
	var done atomic.Int64
	var ended atomic.Bool
	for worker := range workers {
		group.Go(func() error {
			for !ended.Load() {
				if err := f(ctx, worker); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	var taken samples
	group.Go(func() error {
		defer ended.Store(true)
		at, before := b.Clock.Now(), done.Load()
		for n := range warming + counted {
			if err := b.pause(ctx, slice); err != nil {
				return err
			}
			now, count := b.Clock.Now(), done.Load()
			if n >= warming {
				taken = append(taken, float64(count-before)/now.Sub(at).Seconds())
			}
			at, before = now, count
		}
		return nil
	})
	return taken, group.Wait()
}

// latencies are how many ms each of count f takes, so many at once.
func (b *Bench) latencies(ctx context.Context, count, workers int, f func(ctx context.Context, worker int) error) (samples, error) {
	group, ctx := errgroup.WithContext(ctx)
	taken := make(samples, count)
	var next atomic.Int64
	for worker := range workers {
		group.Go(func() error {
			for n := next.Add(1) - 1; n < int64(count); n = next.Add(1) - 1 {
				took, err := b.timed(func() error { return f(ctx, worker) })
				if err != nil {
					return err
				}
				taken[n] = ms(took)
			}
			return nil
		})
	}
	return taken, group.Wait()
}
