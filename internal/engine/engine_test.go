package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
)

// tally is a machine that writes down what happened to it.
type tally struct{ Seen []string }

var scope = store.Scope{Account: "100000000001", Region: "us-east-1"}

// bench is an engine with one kind "toy" whose step asks for what the event's body holds.
type bench struct {
	*testing.T
	db      *store.SQL
	tallies store.Collection[tally]
	runner  *engine.Runner
	changed chan struct{}
	stop    func()
}

// order is the body of the event "order": the effects to ask for.
type order []engine.Effect

func setup(t *testing.T, do map[string]engine.Do[tally]) *bench {
	b := &bench{T: t, changed: make(chan struct{}, 1)}
	b.tallies = store.Define(store.Schema[tally]{Table: "tallies"})
	b.db = storetest.Open(t, b.tallies)
	b.run(do)
	return b
}

func (b *bench) run(do map[string]engine.Do[tally]) {
	step := func(s tally, e engine.Event) (engine.Turn[tally], error) {
		if e.Name == "poison" {
			return engine.Turn[tally]{}, errors.New("undecidable")
		}
		next := engine.Turn[tally]{Next: tally{append(s.Seen, e.Name)}}
		if e.Name == "order" {
			var o order
			if err := json.Unmarshal(e.Body, &o); err != nil {
				return next, err
			}
			next.Effects = o
		}
		next.Publish = []eventstream.Fact{{Source: "toy", DetailType: e.Name}}
		return next, nil
	}
	clk := clock.System{}
	b.runner = engine.New(engine.Deps{DB: b.db, Stream: eventstream.New(clk), Clock: clk}, engine.Machine("toy", b.tallies, step, do))
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- b.runner.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(b.stop)
}

func (b *bench) id(key string) engine.ID { return engine.ID{Scope: scope, Kind: "toy", Key: key} }

func (b *bench) create(key string) {
	b.Helper()
	b.update(func(ctx context.Context, tx store.Tx) error {
		_, err := b.tallies.Put(ctx, tx, scope, key, tally{}, 0)
		return err
	})
}

func (b *bench) update(f func(ctx context.Context, tx store.Tx) error) {
	b.Helper()
	if err := b.db.Update(b.Context(), f); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) send(key string, e engine.Event) {
	b.Helper()
	b.update(func(ctx context.Context, tx store.Tx) error { return b.runner.Send(ctx, tx, b.id(key), e) })
}

func (b *bench) order(key string, effects ...engine.Effect) {
	b.Helper()
	body, err := json.Marshal(order(effects))
	if err != nil {
		b.Fatal(err)
	}
	b.send(key, engine.Event{Name: "order", Body: body})
}

// await waits until the machine has seen n events; each turn publishes a fact, which wakes it.
func (b *bench) await(key string, n int) []string {
	b.Helper()
	rung, stop := b.db.Listen("facts")
	defer stop()
	for {
		var d store.Doc[tally]
		err := b.db.View(b.Context(), func(ctx context.Context, r store.Reader) (err error) {
			d, err = b.tallies.Get(ctx, r, scope, key)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		if len(d.Value.Seen) >= n {
			return d.Value.Seen
		}
		<-rung
	}
}

func (b *bench) want(got []string, want ...string) {
	b.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.Fatalf("saw %q, want %q", got, want)
	}
}

func TestEventsTurnInOrderAndCountOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.create("m")
	for i := range 20 {
		for range 2 {
			b.send("m", engine.Event{ID: fmt.Sprint(i), Name: fmt.Sprintf("e%d", i)})
		}
	}
	b.send("m", engine.Event{Name: "last"})
	seen := b.await("m", 21)
	if len(seen) != 21 || seen[0] != "e0" || seen[19] != "e19" || seen[20] != "last" {
		t.Fatalf("saw %q", seen)
	}
	b.send("m", engine.Event{ID: "3", Name: "late double"})
	b.send("m", engine.Event{Name: "end"})
	b.want(b.await("m", 22)[21:], "end")
}

func TestEffectReportsItsEventAndOneOfTheSameNameIsNotAskedTwice(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	b := setup(t, map[string]engine.Do[tally]{
		"act": func(ctx context.Context, id engine.ID, s tally, f engine.Effect, token string) (*engine.Event, error) {
			<-hold
			return &engine.Event{Name: "did " + token + " " + string(f.Body)}, nil
		},
	})
	b.create("m")
	act := engine.Effect{Do: "act", Name: "a", Body: json.RawMessage(`"x"`)}
	b.order("m", act)
	b.order("m", act)
	b.await("m", 2)
	close(hold)
	b.want(b.await("m", 3), "order", "order", `did toy/m/a "x"`)
	b.order("m", act)
	b.want(b.await("m", 5)[3:], "order", `did toy/m/a "x"`)
}

type away struct{}

func (away) Error() string { return "away" }
func (away) Passes()       {}

func TestFailingEffectIsRetriedThenBecomesAnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := map[string]int{}
		var mu sync.Mutex
		b := setup(t, map[string]engine.Do[tally]{
			"act": func(ctx context.Context, id engine.ID, s tally, f engine.Effect, token string) (*engine.Event, error) {
				mu.Lock()
				defer mu.Unlock()
				tries[f.Name]++
				switch {
				case f.Name == "hopeless":
					return nil, errors.New("no")
				case f.Name == "permanent":
					return nil, engine.Permanent(errors.New("never"))
				case f.Name == "panics":
					panic("oh")
				case f.Name == "passing" && tries[f.Name] < 100:
					return nil, fmt.Errorf("nobody is there: %w", away{})
				case tries[f.Name] < 3:
					return nil, errors.New("not yet")
				}
				return &engine.Event{Name: f.Name + " done"}, nil
			},
		})
		b.create("m")
		for i, f := range []string{"third", "passing", "permanent", "hopeless", "panics"} {
			b.order("m", engine.Effect{Do: "act", Name: f})
			seen := b.await("m", 2*i+2)
			want := map[string]string{"third": "third done", "passing": "passing done"}[f]
			if want == "" {
				want = f + ".failed"
			}
			b.want(seen[2*i:], "order", want)
		}
		mu.Lock()
		defer mu.Unlock()
		if tries["third"] != 3 || tries["passing"] != 100 || tries["permanent"] != 1 || tries["hopeless"] != 8 || tries["panics"] != 8 {
			t.Fatalf("tries: %v", tries)
		}
		b.stop()
	})
}

func TestTimerFiresWhenDueAndCanBeMovedAndTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, nil)
		b.create("m")
		start := time.Now()
		in := func(d time.Duration) time.Time { return start.Add(d) }
		b.order("m", engine.Effect{Name: "moved", Due: in(time.Hour)}, engine.Effect{Name: "gone", Due: in(time.Minute)}, engine.Effect{Name: "soon", Due: in(3 * time.Second)})
		b.order("m", engine.Effect{Name: "moved", Due: in(2 * time.Hour)}, engine.Effect{Name: "gone"})
		b.await("m", 3)
		if d := time.Since(start); d < 3*time.Second || d > 4*time.Second {
			t.Fatalf("soon came after %s", d)
		}
		b.want(b.await("m", 4), "order", "order", "soon", "moved")
		if d := time.Since(start); d < 2*time.Hour || d > 2*time.Hour+time.Second {
			t.Fatalf("moved came after %s", d)
		}
		b.stop()
	})
}

func TestUnfinishedWorkGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	b := setup(t, map[string]engine.Do[tally]{
		"act": func(ctx context.Context, id engine.ID, s tally, f engine.Effect, token string) (*engine.Event, error) {
			close(begun)
			<-ctx.Done()
			return nil, ctx.Err()
		},
	})
	b.create("m")
	b.order("m", engine.Effect{Do: "act", Name: "a"}, engine.Effect{Do: "unknown", Name: "u"})
	<-begun
	b.stop()
	b.send("m", engine.Event{Name: "sent while away"})
	answer := func(ctx context.Context, id engine.ID, s tally, f engine.Effect, token string) (*engine.Event, error) {
		return &engine.Event{Name: f.Do + " done"}, nil
	}
	b.run(map[string]engine.Do[tally]{"act": answer, "unknown": answer})
	seen := map[string]bool{}
	for _, s := range b.await("m", 4) {
		seen[s] = true
	}
	if !seen["act done"] || !seen["unknown done"] || !seen["sent while away"] {
		t.Fatalf("saw %v", seen)
	}
}

func TestPoisonedEventIsParkedAndTheMachineGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.create("m")
	b.send("m", engine.Event{Name: "poison"})
	b.send("m", engine.Event{Name: "next"})
	b.want(b.await("m", 1), "next")
}

func TestOldSessionChangesNothing(t *testing.T) {
	t.Parallel()
	begun, hold := make(chan struct{}, 2), make(chan struct{})
	first := func(ctx context.Context, id engine.ID, s tally, f engine.Effect, token string) (*engine.Event, error) {
		begun <- struct{}{}
		<-hold
		return &engine.Event{Name: "by the old session"}, nil
	}
	b := setup(t, map[string]engine.Do[tally]{"act": first})
	b.create("m")
	b.order("m", engine.Effect{Do: "act", Name: "a"})
	<-begun
	b.run(map[string]engine.Do[tally]{
		"act": func(ctx context.Context, id engine.ID, s tally, f engine.Effect, token string) (*engine.Event, error) {
			return &engine.Event{Name: "by the new session"}, nil
		},
	})
	b.want(b.await("m", 2), "order", "by the new session")
	close(hold)
	b.send("m", engine.Event{Name: "end"})
	b.want(b.await("m", 3), "order", "by the new session", "end")
}

// BenchmarkHop is an event sent, turned, its effect begun: what lies between two
// actions of a stage.
func BenchmarkHop(b *testing.B) {
	for _, past := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("after %d turns", past), func(b *testing.B) { hop(b, past) })
	}
}

func hop(b *testing.B, past int) {
	nouns := store.Define(store.Schema[tally]{Table: "tallies"})
	db := storetest.Open(b, nouns)
	clk := clock.System{}
	reached := make(chan struct{}, 1)
	step := func(s tally, e engine.Event) (engine.Turn[tally], error) {
		return engine.Turn[tally]{Next: s, Effects: []engine.Effect{{Do: "act", Name: e.ID}}}, nil
	}
	r := engine.New(engine.Deps{DB: db, Stream: eventstream.New(clk), Clock: clk}, engine.Machine("toy", nouns, step, map[string]engine.Do[tally]{
		"act": func(context.Context, engine.ID, tally, engine.Effect, string) (*engine.Event, error) {
			reached <- struct{}{}
			return nil, nil
		},
	}))
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	err := db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		for i := range past {
			key := fmt.Sprint(i)
			if _, err := nouns.Put(ctx, tx, scope, key, tally{}, 0); err != nil {
				return err
			}
			_, err := store.Exec(ctx, tx, `INSERT INTO engine_inbox (machine, event_id, name, at, body, turned_at) VALUES ($1, $1, 'past', 1, '', $2)`, "1/r/toy/"+key, clk.Now().UnixMicro())
			if err != nil {
				return err
			}
		}
		_, err := nouns.Put(ctx, tx, scope, "m", tally{}, 0)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		err := db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
			return r.Send(ctx, tx, engine.ID{Scope: scope, Kind: "toy", Key: "m"}, engine.Event{})
		})
		if err != nil {
			b.Fatal(err)
		}
		<-reached
	}
	b.StopTimer()
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}
