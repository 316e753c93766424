package engine_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest/postgrestest"
)

func TestTwoServersOnOnePostgreSQLTurnEveryMachineOnce(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.Need(t).New(t)
	nouns := store.Define(store.Schema[tally]{Table: "tallies"})
	var done atomic.Int64
	step := func(s tally, e engine.Event) (engine.Turn[tally], error) {
		turn := engine.Turn[tally]{Next: tally{append(s.Seen, e.Name)}}
		if e.Name == "begin" {
			turn.Effects = []engine.Effect{{Do: "act", Name: "act"}}
		} else {
			turn.Publish = []eventstream.Fact{{Source: "toy", DetailType: e.Name}}
		}
		return turn, nil
	}
	act := func(context.Context, engine.ID, tally, engine.Effect, string) (*engine.Event, error) {
		done.Add(1)
		return &engine.Event{Name: "end"}, nil
	}
	clk := clock.System{}
	const machines, servers = 40, 2
	var dbs []*store.SQL
	var runners []*engine.Runner
	for range servers {
		db, err := store.Open(t.Context(), store.Options{DSN: dsn})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if err := db.Migrate(t.Context(), nouns); err != nil {
			t.Fatal(err)
		}
		r := engine.New(engine.Deps{DB: db, Stream: eventstream.New(clk), Clock: clk}, engine.Machine("toy", nouns, step, map[string]engine.Do[tally]{"act": act}))
		dbs, runners = append(dbs, db), append(runners, r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, servers)
	for _, r := range runners {
		go func() { ended <- r.Run(ctx) }()
	}
	// One consumer hears of every end, whichever server brought it about.
	heard := make(chan string, machines*2)
	consumer := &eventstream.Consumer{Name: "test", DB: dbs[0], Stream: eventstream.New(clk), Clock: clk, Handle: func(_ context.Context, tx store.Tx, f eventstream.Fact) error {
		tx.OnCommit(func() { heard <- f.ID })
		return nil
	}}
	listened := make(chan error, 1)
	go func() { listened <- consumer.Run(ctx) }()
	for i := range machines {
		db, r, key := dbs[i%servers], runners[i%servers], fmt.Sprint(i)
		err := db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
			if _, err := nouns.Put(ctx, tx, scope, key, tally{}, 0); err != nil {
				return err
			}
			return r.Send(ctx, tx, engine.ID{Scope: scope, Kind: "toy", Key: key}, engine.Event{Name: "begin"})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	facts := map[string]bool{}
	for range machines {
		id := <-heard
		if facts[id] {
			t.Fatalf("fact %s was heard twice", id)
		}
		facts[id] = true
	}
	cancel()
	for range servers {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if err := <-listened; err != nil {
		t.Error(err)
	}
	err := dbs[0].View(t.Context(), func(ctx context.Context, r store.Reader) error {
		docs, err := nouns.List(ctx, r, scope, store.Query{})
		for _, d := range docs {
			if fmt.Sprint(d.Value.Seen) != "[begin end]" {
				t.Errorf("machine %s saw %q", d.Key, d.Value.Seen)
			}
		}
		return err
	})
	if err != nil || done.Load() != machines {
		t.Fatalf("%d effects, %v", done.Load(), err)
	}
}
