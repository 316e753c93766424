package eventstream_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest/postgrestest"
)

// TestFactsThatCommitLateAreNotSkipped: a fact appended first and committed last is
// not behind the cursor of a consumer that read meanwhile.
func TestFactsThatCommitLateAreNotSkipped(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), store.Options{DSN: postgrestest.Need(t).New(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := eventstream.New(clock.System{})
	appended, commit, committed := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		first := true // an Update may be run again
		committed <- db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
			if err := l.Append(ctx, tx, scope, fact(1)); err != nil {
				return err
			}
			if first {
				first = false
				close(appended)
				<-commit
			}
			return nil
		})
	}()
	<-appended
	update(t, db, func(ctx context.Context, tx store.Tx) error { return l.Append(ctx, tx, scope, fact(2)) })
	var heard []string
	hear := func() {
		got := read(t, db, l, "c")
		heard = append(heard, got...)
		update(t, db, func(ctx context.Context, tx store.Tx) error { return l.Done(ctx, tx, "c", len(got)) })
	}
	hear()
	close(commit)
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	hear()
	if got := fmt.Sprint(heard); got != "[1 2]" && got != "[2 1]" {
		t.Errorf("the consumer heard %s; each of 1 and 2 is due once", got)
	}
}
