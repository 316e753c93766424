package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// orphanAge is how long something must have had no owner before it is removed.
const orphanAge = 10 * time.Minute

func (b *Backend) keepSwept(ctx context.Context) {
	since := map[string]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.cfg.Clock.After(time.Minute):
		}
		if err := b.sweep(ctx, since); err != nil && ctx.Err() == nil {
			b.cfg.Log.Warn("sweeping was not complete", "error", err)
		}
	}
}

// sweep removes pods of this installation that have had no owner for ten minutes;
// since remembers from when. Folders of the host that they mounted stay: data is
// removed only by its tombstone.
func (b *Backend) sweep(ctx context.Context, since map[string]time.Time) error {
	if b.cfg.Owned == nil {
		return nil
	}
	orphans, err := b.orphans(ctx)
	if err != nil {
		return err
	}
	for pod := range since {
		if !orphans[pod] {
			delete(since, pod)
		}
	}
	now := b.cfg.Clock.Now()
	var failed error
	for pod := range orphans {
		first, known := since[pod]
		if !known {
			since[pod] = now
			continue
		}
		if now.Sub(first) < orphanAge {
			continue
		}
		b.cfg.Log.Info("removing a pod that nobody owns", "pod", pod)
		if err := b.Remove(ctx, pod); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		delete(since, pod)
	}
	return failed
}

// orphans are the pods, by folder or by container, whose owner is gone.
func (b *Backend) orphans(ctx context.Context) (map[string]bool, error) {
	pods := map[string]bool{}
	folders, err := b.recorded()
	if err != nil {
		return nil, err
	}
	for _, pod := range folders {
		pods[pod] = true
	}
	all, err := b.list(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		for _, n := range c.Names {
			if pod, ok := b.podOf(strings.TrimPrefix(n, "/")); ok {
				pods[pod] = true
			}
		}
	}
	for pod := range pods {
		rec, found, err := b.readRecord(pod)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		owned, err := b.cfg.Owned(ctx, rec.Owner)
		if err != nil {
			return nil, fmt.Errorf("docker: asking whether %s exists: %w", rec.Owner, err)
		}
		if owned {
			delete(pods, pod)
		}
	}
	return pods, nil
}
