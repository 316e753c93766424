package eventstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
)

var scope = store.Scope{Account: "100000000001", Region: "us-east-1"}

func fact(i int) eventstream.Fact {
	return eventstream.Fact{Source: "aws.toy", DetailType: fmt.Sprint(i), Resources: []string{"arn:1"}, Detail: json.RawMessage(`{"n":1}`)}
}

func update(t *testing.T, db store.DB, f func(ctx context.Context, tx store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, db store.DB, l *eventstream.Log, consumer string) (names []string) {
	t.Helper()
	err := db.View(t.Context(), func(ctx context.Context, r store.Reader) error {
		facts, err := l.Read(ctx, r, consumer, 10)
		for _, f := range facts {
			names = append(names, f.DetailType)
			if f.ID == "" || f.At.IsZero() || f.Scope != scope || string(f.Detail) != `{"n":1}` || len(f.Resources) != 1 {
				t.Errorf("fact came back as %+v", f)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestEveryConsumerReadsAtItsOwnPace(t *testing.T) {
	t.Parallel()
	db, l := storetest.Open(t), eventstream.New(clock.System{})
	update(t, db, func(ctx context.Context, tx store.Tx) error {
		return l.Append(ctx, tx, scope, fact(0), fact(1), fact(2))
	})
	update(t, db, func(ctx context.Context, tx store.Tx) error {
		return errors.Join(l.Done(ctx, tx, "a", 2), l.Skip(ctx, tx, "c"))
	})
	for consumer, want := range map[string]string{"a": "[2]", "b": "[0 1 2]", "c": "[]"} {
		if got := fmt.Sprint(read(t, db, l, consumer)); got != want {
			t.Errorf("%s read %s, want %s", consumer, got, want)
		}
	}
}

func TestOldFactsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, l := storetest.Open(t), eventstream.New(clock.System{})
		update(t, db, func(ctx context.Context, tx store.Tx) error { return l.Append(ctx, tx, scope, fact(0)) })
		time.Sleep(eventstream.Keep + time.Second) // virtual
		update(t, db, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(l.Append(ctx, tx, scope, fact(1)), l.Expire(ctx, tx))
		})
		if got := fmt.Sprint(read(t, db, l, "a")); got != "[1]" {
			t.Errorf("read %s", got)
		}
	})
}

func TestConsumerHandlesEachFactOnceAcrossRestarts(t *testing.T) {
	t.Parallel()
	db, l := storetest.Open(t), eventstream.New(clock.System{})
	heard := make(chan string, 100)
	start := func() (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		c := &eventstream.Consumer{Name: "c", DB: db, Stream: l, Clock: clock.System{}, Handle: func(_ context.Context, tx store.Tx, f eventstream.Fact) error {
			tx.OnCommit(func() { heard <- f.DetailType })
			return nil
		}}
		go func() { done <- c.Run(ctx) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	next := 0
	for range 3 {
		stop := start()
		for range 5 {
			update(t, db, func(ctx context.Context, tx store.Tx) error { return l.Append(ctx, tx, scope, fact(next)) })
			if got := <-heard; got != fmt.Sprint(next) {
				t.Fatalf("heard %s, want %d", got, next)
			}
			next++
		}
		stop()
	}
	if len(heard) > 0 {
		t.Fatal("heard a fact twice")
	}
}
