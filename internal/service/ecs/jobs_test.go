package ecs

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/store"
)

// slowPods is a back end whose first removal lasts until it is given up.
type slowPods struct {
	pods
	removals     atomic.Int32
	began, again chan struct{}
}

func (p *slowPods) Remove(ctx context.Context, _ string) error {
	if p.removals.Add(1) > 1 {
		close(p.again)
		return nil
	}
	close(p.began)
	<-ctx.Done()
	return ctx.Err()
}

func (p *slowPods) List(context.Context) ([]compute.Status, error) { return nil, nil }

// The order to kill may come again after a restart that has gone on to the release
// already: it ends that job, and must take its place.
func TestALateOrderDoesNotEndTheRelease(t *testing.T) {
	t.Parallel()
	w := newStage(t)
	w.stop()
	p := &slowPods{pods: w.pods, began: make(chan struct{}), again: make(chan struct{})}
	w.svc.Pods = p
	task := Task{Scope: dispatchtest.Scope, ID: "t", Cluster: "default", Status: Deprovisioning}
	err := w.DB.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := w.svc.tasks.Put(ctx, tx, task.Scope, task.ID, task, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	j := w.svc.jobs
	j.ctx = t.Context()
	j.start(task.Scope, task.ID)
	<-p.began
	j.start(task.Scope, task.ID)
	<-p.again
	j.work.Wait()
}
