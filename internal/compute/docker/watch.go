package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute"
)

// hub hands statuses to watchers. A slow watcher sees only the newest of each pod.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

type watcher struct {
	pending map[string]compute.Status
	order   []string
	wake    chan struct{} // one place
}

func (h *hub) add() *watcher {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = map[*watcher]struct{}{}
	}
	w := &watcher{pending: map[string]compute.Status{}, wake: make(chan struct{}, 1)}
	h.watchers[w] = struct{}{}
	return w
}

func (h *hub) drop(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
}

func (h *hub) publish(s compute.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if _, waits := w.pending[s.Pod]; !waits {
			w.order = append(w.order, s.Pod)
		}
		w.pending[s.Pod] = s
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

func (h *hub) next(w *watcher) (s compute.Status, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(w.order) == 0 {
		return s, false
	}
	pod := w.order[0]
	w.order = w.order[1:]
	s = w.pending[pod]
	delete(w.pending, pod)
	return s, true
}

// Watch gives all pods now and every change from then on. It outlives a restart of
// the Engine: pods are given again after it. Changes are seen while Run runs.
func (b *Backend) Watch(ctx context.Context, f func(compute.Status)) error {
	w := b.hub.add()
	defer b.hub.drop(w)
	now, err := b.List(ctx)
	if err != nil {
		return err
	}
	for _, s := range now {
		f(s)
	}
	for {
		for s, ok := b.hub.next(w); ok; s, ok = b.hub.next(w) {
			f(s)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
		}
	}
}

// List observes all pods that have a record.
func (b *Backend) List(ctx context.Context) (all []compute.Status, err error) {
	defer away(&err)
	pods, err := b.recorded()
	if err != nil {
		return nil, err
	}
	for _, pod := range pods {
		rec, found, err := b.readRecord(pod)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		o, err := b.observe(ctx, rec)
		if err != nil {
			return nil, err
		}
		all = append(all, b.status(o))
	}
	return all, nil
}

const (
	// An Engine that is away is asked again after firstPause, twice as long each time, up to
	// lastPause: to knock at a socket costs nothing.
	firstPause, lastPause = 100 * time.Millisecond, time.Second
	// An Engine that was there so long and goes begins another outage.
	steadyTime = 10 * time.Second
)

// Run follows the Engine's events until ctx ends: it starts containers whose
// dependencies came to hold, stops pods whose essential container ended, notices
// lost ones, keeps pause containers ready and sweeps. When the Engine goes away it
// waits for its return and looks at every pod again.
func (b *Backend) Run(ctx context.Context) error {
	side := sync.WaitGroup{}
	side.Go(func() { b.keepStock(ctx) })
	side.Go(func() { b.keepSwept(ctx) })
	defer b.work.wg.Wait()
	defer side.Wait()
	pause, told := firstPause, false
	for ctx.Err() == nil {
		began := b.cfg.Clock.Now()
		err := b.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if b.cfg.Clock.Now().Sub(began) > steadyTime {
			pause, told = firstPause, false
		}
		if !told { // once per outage, however long it is
			b.cfg.Log.Warn("containers are out of sight; the Docker Engine is asked until it answers", "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
		case <-b.cfg.Clock.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
	return ctx.Err()
}

// Answered returns when the Engine has answered once. What only follows containers
// begins then.
func (b *Backend) Answered(ctx context.Context) error {
	select {
	case <-b.answered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// follow listens first and looks at all pods then, so that nothing falls between.
func (b *Backend) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	filters := client.Filters{}.Add("type", "container").Add("label", LabelInstallation+"="+b.cfg.Installation)
	events := b.client().Events(ctx, client.EventsListOptions{Filters: filters})
	pods, err := b.recorded()
	if err != nil {
		return err
	}
	if _, err := b.engine.Ping(ctx); err != nil {
		return err
	}
	b.first.Do(func() { close(b.answered) })
	for _, pod := range pods {
		b.touch(ctx, pod)
	}
	b.ready.wake()
	for {
		select {
		case m, ok := <-events.Messages:
			if !ok {
				return gone(errors.New("docker: the Engine's events ended"))
			}
			action := string(m.Action)
			if action == "start" || action == "die" || action == "destroy" || action == "oom" || strings.HasPrefix(action, "health_status") {
				if pod, ours := b.podOf(m.Actor.Attributes["name"]); ours {
					b.touch(ctx, pod)
				}
			}
		case err := <-events.Err:
			return gone(fmt.Errorf("docker: the Engine's events ended: %w", err))
		}
	}
}

// calm is how long after one was taken the next pause container is made: starting two
// containers at once would cost the pod that took it most of what it gained. On two
// cores a build's first line came after 1.4 times the Engine's own time with it, 2.1
// without (penstock bench).
const calm = 300 * time.Millisecond

// keepStock makes pause containers ready whenever one was taken.
func (b *Backend) keepStock(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.ready.restock:
		}
		select {
		case <-ctx.Done():
			return
		case <-b.cfg.Clock.After(calm):
		}
		if err := b.stock(ctx); err != nil && ctx.Err() == nil {
			b.cfg.Log.Warn("no pause container could be kept ready; pods start cold", "error", err)
		}
	}
}
