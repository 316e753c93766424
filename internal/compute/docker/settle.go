package docker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute/course"
)

// settler works on pods that something happened to, each in one goroutine, and
// once more if something happened meanwhile.
type settler struct {
	mu    sync.Mutex
	again map[string]bool // pods being worked on
	halts map[string]bool // containers whose stop is under way, by the Engine's name
	wg    sync.WaitGroup
}

// touch has the pod looked at soon.
func (b *Backend) touch(ctx context.Context, pod string) {
	b.work.mu.Lock()
	defer b.work.mu.Unlock()
	if b.work.again == nil {
		b.work.again = map[string]bool{}
	}
	if _, busy := b.work.again[pod]; busy {
		b.work.again[pod] = true
		return
	}
	b.work.again[pod] = false
	b.work.wg.Go(func() { b.settleAll(ctx, pod) })
}

func (b *Backend) settleAll(ctx context.Context, pod string) {
	for {
		if err := b.settle(ctx, pod); err != nil && ctx.Err() == nil {
			b.cfg.Log.Warn("a pod could not be looked at; it will be on its next event", "pod", pod, "error", err)
		}
		b.work.mu.Lock()
		if !b.work.again[pod] || ctx.Err() != nil {
			delete(b.work.again, pod)
			b.work.mu.Unlock()
			return
		}
		b.work.again[pod] = false
		b.work.mu.Unlock()
	}
}

// settle brings a pod as far as it can go now, and tells the watchers.
func (b *Backend) settle(ctx context.Context, pod string) error {
	defer b.pods.lock(pod)()
	rec, found, err := b.readRecord(pod)
	if err != nil || !found {
		return err
	}
	o, err := b.advance(ctx, rec)
	if fail := (startError{}); errors.As(err, &fail) {
		rec.Stage, rec.Reason = course.Stopping, fail.Error()
		if err := b.writeRecord(rec); err != nil {
			return err
		}
		o, err = b.advance(ctx, rec)
	}
	if err != nil {
		return err
	}
	b.hub.publish(b.status(o))
	return nil
}

// advance does what course.Decide says until it says nothing. Stops go on by themselves
// and touch the pod when they are done.
func (b *Backend) advance(ctx context.Context, rec record) (observation, error) {
	for {
		o, err := b.observe(ctx, rec)
		if err != nil {
			return o, err
		}
		if o.remember(&rec) {
			if err := b.writeRecord(rec); err != nil {
				return o, err
			}
		}
		d := course.Decide(rec.Stage, rec.Containers, o.pause, o.states())
		if d.Stage != "" {
			rec.Stage, rec.Reason = d.Stage, d.Reason
			if err := b.writeRecord(rec); err != nil {
				return o, err
			}
			continue
		}
		for _, name := range d.Start {
			if err := b.startContainer(ctx, rec.Pod, name); err != nil {
				return o, err
			}
		}
		for _, name := range d.Stop {
			b.halt(ctx, rec, name)
		}
		if d.StopPause {
			if err := b.kill(ctx, b.pauseName(rec.Pod)); err != nil {
				return o, err
			}
		}
		if len(d.Start) == 0 && !d.StopPause {
			return o, nil
		}
	}
}

// halt stops one container in its own goroutine, once.
func (b *Backend) halt(ctx context.Context, rec record, name string) {
	full := b.containerName(rec.Pod, name)
	b.work.mu.Lock()
	defer b.work.mu.Unlock()
	if b.work.halts == nil {
		b.work.halts = map[string]bool{}
	}
	if b.work.halts[full] {
		return
	}
	b.work.halts[full] = true
	grace := rec.graceOf(name)
	ctx = context.WithoutCancel(ctx)
	b.work.wg.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(grace)*time.Second+time.Minute)
		defer cancel()
		_, err := b.client().ContainerStop(ctx, full, client.ContainerStopOptions{Timeout: &grace})
		b.work.mu.Lock()
		delete(b.work.halts, full)
		b.work.mu.Unlock()
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsNotModified(err) {
			b.cfg.Log.Warn("a container could not be stopped", "container", full, "error", err)
			return
		}
		b.touch(ctx, rec.Pod)
	})
}

// kill ends a container at once; ended already is success.
func (b *Backend) kill(ctx context.Context, name string) error {
	_, err := b.client().ContainerKill(ctx, name, client.ContainerKillOptions{Signal: "SIGKILL"})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return err
	}
	return nil
}
