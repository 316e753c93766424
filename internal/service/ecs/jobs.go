package ecs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/store"
)

// jobs is what takes longer than an effect may: launching, stopping and removing
// pods, following their output, watching targets. It holds nothing that is not
// found again in the tasks' documents when the server starts.
type jobs struct {
	c    *Control
	look chan struct{} // at the targets, now

	mu      sync.Mutex
	ctx     context.Context // of Run, nil before
	work    sync.WaitGroup
	running map[string]*job    // by task
	follows map[string]*follow // by pod/container
	seen    map[string]string  // by pod: what was told last
}

// job is the one that a task has at a time.
type job struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func newJobs(c *Control) *jobs {
	return &jobs{c: c, look: make(chan struct{}, 1), running: map[string]*job{}, follows: map[string]*follow{}, seen: map[string]string{}}
}

// lookAtTargets wakes the watch over the target groups.
func (j *jobs) lookAtTargets() {
	select {
	case j.look <- struct{}{}:
	default:
	}
}

// Run takes up every task where it stands and works until ctx ends.
func (c *Control) Run(ctx context.Context) error {
	j := c.jobs
	j.mu.Lock()
	j.ctx = ctx
	j.mu.Unlock()
	live, err := j.live(ctx)
	if err != nil {
		return fmt.Errorf("find the tasks to go on with: %w", err)
	}
	for _, t := range live {
		if work[t.Status] != nil {
			j.start(t.Scope, t.ID)
		}
	}
	j.work.Go(func() { j.watchPods(ctx) })
	j.work.Go(func() { j.watchTargets(ctx) })
	<-ctx.Done()
	j.work.Wait()
	return ctx.Err()
}

// work is the job of each status that has one.
var work = map[Status]func(*jobs, context.Context, Task) error{
	Pending: (*jobs).launch, Stopping: (*jobs).kill, Deprovisioning: (*jobs).release,
}

func (j *jobs) live(ctx context.Context) ([]Task, error) {
	var live []Task
	err := j.c.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		live, err = all(ctx, r, j.c.tasks, store.Scope{}, "life", "live", func(Task) bool { return true })
		return err
	})
	return live, err
}

// start runs the job that a task's status asks for, after the one before it has ended.
// Without Run it does nothing: Run finds the task by its status.
func (j *jobs) start(s store.Scope, id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ctx == nil || j.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(j.ctx)
	before, now := j.running[id], &job{cancel, make(chan struct{})}
	j.running[id] = now
	j.work.Go(func() {
		defer close(now.done)
		defer cancel()
		if before != nil {
			before.cancel()
			<-before.done
		}
		j.insist(ctx, id, "drive", func() error { return j.do(ctx, s, id) })
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.running[id] == now {
			delete(j.running, id)
		}
	})
}

// insist tries f until it succeeds or ctx ends.
func (j *jobs) insist(ctx context.Context, id, do string, f func() error) {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		err := f()
		if err == nil || ctx.Err() != nil {
			return
		}
		j.c.Log.Warn("work of a task failed, trying again", "task", id, "work", do, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-j.c.Clock.After(wait):
		}
	}
}

// do looks at the status itself: whoever asked may be late, and has ended the job of a
// later status, which nobody would ask for again.
func (j *jobs) do(ctx context.Context, s store.Scope, id string) error {
	t, err := j.task(ctx, s, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if f := work[t.Status]; f != nil {
		return f(j, ctx, t)
	}
	return nil
}

func (j *jobs) task(ctx context.Context, s store.Scope, id string) (t Task, err error) {
	err = j.c.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		d, err := j.c.tasks.Get(ctx, r, s, id)
		t = d.Value
		return err
	})
	return t, err
}

// tell sends an event to a task.
func (j *jobs) tell(ctx context.Context, s store.Scope, id, name string, body any) error {
	return j.c.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		return j.c.send(ctx, tx, taskID(s, id), name, body)
	})
}
