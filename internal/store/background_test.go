package store

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
)

func TestBackgroundGivesWay(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	var order []string // written by the writer's turn only
	var all sync.WaitGroup
	update := func(ctx context.Context, name string, f func()) {
		all.Go(func() {
			err := db.Update(ctx, func(context.Context, Tx) error {
				f()
				order = append(order, name)
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	queued := func(n int64) {
		for db.batches.waiting.Load() != n {
			runtime.Gosched()
		}
	}
	begun, release := make(chan struct{}), make(chan struct{})
	update(t.Context(), "first", func() { close(begun); <-release })
	<-begun
	for range 5 * maxBackground {
		update(Background(t.Context()), "background", func() {})
	}
	queued(maxBackground)
	update(t.Context(), "request", func() {})
	queued(maxBackground + 1)
	close(release)
	all.Wait()
	// Their places are free again once the commit is done that the request is in, too.
	if at := slices.Index(order, "request"); at > 1+maxBackground {
		t.Errorf("the request came after %d background changes, want at most %d", at-1, maxBackground)
	}
	if len(order) != 2+5*maxBackground {
		t.Errorf("%d changes were made, want all", len(order))
	}
}
