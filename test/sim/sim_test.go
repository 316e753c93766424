package sim

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
)

var (
	seeds = flag.Int("seeds", 60, "how many seeds to run")
	first = flag.Uint64("seed", 1, "the first seed")
)

const orders = 4

func TestEveryChangeIsMadeOnceWhereverTheServerCrashes(t *testing.T) {
	t.Parallel()
	for i := range *seeds {
		seed := *first + uint64(i)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { run(t, seed) })
		})
	}
}

func run(t *testing.T, seed uint64) {
	w := newWorld()
	db := storetest.Open(t, w.orders, w.parcels, w.ledger)
	f := &fate{rng: rand.New(rand.NewPCG(seed, 0))}
	rung, stop := db.Listen("facts")
	defer stop()
	clk := clock.System{}
	place := engine.New(engine.Deps{DB: db, Stream: eventstream.New(clk), Clock: clk})
	for i := range orders {
		err := db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return w.place(ctx, tx, place, fmt.Sprint(i)) })
		if err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.After(24 * time.Hour) // virtual
	for lives := 0; ; lives++ {
		s := &server{DB: db, fate: f, dead: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		r := engine.New(engine.Deps{DB: s, Stream: eventstream.New(clk), Clock: clk, Tries: 1000})
		r.Register(w.kinds(s, r)...)
		go func() { ended <- r.Run(ctx) }()
		for alive := true; alive; {
			select {
			case <-rung:
				if done(t, db, w) {
					cancel()
					<-ended
					verify(t, db, w)
					t.Logf("seed %d: %d lives, %d points, %s of virtual time", seed, lives+1, f.points, time.Since(epoch))
					return
				}
			case <-s.dead:
				alive = false
			case <-deadline:
				t.Fatalf("seed %d: not done after a day and %d lives", seed, lives+1)
			}
		}
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, errCrashed) {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// epoch is where the virtual time of a bubble begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func done(t *testing.T, db store.DB, w *world) (all bool) {
	err := db.View(t.Context(), func(ctx context.Context, r store.Reader) error {
		docs, err := w.orders.List(ctx, r, scope, store.Query{})
		all = true
		for _, d := range docs {
			all = all && d.Value.State == "delivered"
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// verify counts what has been changed: everything once.
func verify(t *testing.T, db store.DB, w *world) {
	err := db.View(t.Context(), func(ctx context.Context, r store.Reader) error {
		for i := range orders {
			d, err := w.ledger.Get(ctx, r, scope, fmt.Sprint(i))
			if err != nil {
				return err
			}
			if d.Value.Charges != charges || d.Value.Parcels != 1 {
				return fmt.Errorf("order %d has %d charges and %d parcels, want %d and 1", i, d.Value.Charges, d.Value.Parcels, charges)
			}
			o, err := w.orders.Get(ctx, r, scope, fmt.Sprint(i))
			if err != nil {
				return err
			}
			if o.Value.Charged != charges || o.Value.Delivered != 1 {
				return fmt.Errorf("order %d heard of %d charges and %d deliveries", i, o.Value.Charged, o.Value.Delivered)
			}
		}
		var left int
		if err := store.Row(ctx, r, `SELECT count(*) FROM engine_inbox WHERE turned_at = 0`, nil, &left); err != nil || left > 0 {
			return fmt.Errorf("%d events left, %w", left, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
