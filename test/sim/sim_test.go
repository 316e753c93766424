package sim

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/service/codebuild"
	"github.com/penstock-ci/penstock/internal/service/codepipeline"
	"github.com/penstock-ci/penstock/internal/service/ecs"
	"github.com/penstock-ci/penstock/internal/service/events"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
)

var (
	seeds   = flag.Int("seeds", 1000, "how many seeds to run; -seed alone runs one")
	first   = flag.Uint64("seed", 0, "the first seed")
	every   = flag.Int("every", 6, "beside the delivery, stories meet a crash at every n-th of their points")
	verbose = flag.Bool("log", false, "the servers' log")
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // thousands of small worlds are made and thrown away
	os.Exit(m.Run())
}

// base is the world in which every run begins.
type base struct {
	db    storetest.Template
	pods  []compute.Pod
	facts int // told so far
}

func tables() []store.Table {
	t := newLedger().tables()
	for _, s := range []interface{ Tables() []store.Table }{
		codebuild.New(codebuild.Deps{}), codepipeline.New(codepipeline.Deps{}), ecs.New(ecs.Deps{}), events.New(events.Deps{}),
	} {
		t = append(t, s.Tables()...)
	}
	return t
}

func prepare(t *testing.T) (b base) {
	synctest.Test(t, func(t *testing.T) {
		b.db = storetest.Fill(t, func(db *store.SQL) {
			w := newWorld(t, db, &fate{})
			b.facts = w.play(t, setUp).seq
			b.pods = w.running(t)
		}, tables()...)
	})
	return b
}

// play lets users do something while servers live and die.
func (w *world) play(t *testing.T, do func(*run)) *run {
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- w.serve(ctx) }()
	r := &run{t: t, w: w, ctx: ctx, names: map[string]string{}}
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s\n%s", w.fate, again(t, w.fate.seed))
		}
	}()
	do(r)
	return r
}

// outcome is what is compared between runs of one story.
type outcome struct {
	points  []string
	crashes int
	told    string
	trace   string
}

// run plays a story with fate and verifies what came of it.
func (b base) run(t *testing.T, s story, f *fate) (o outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, b.db.Open(t), f)
		<-w.clock.After(time.Hour) // virtual: setUp's instants lie behind
		w.warm(t, 4)
		for _, p := range b.pods {
			if _, err := w.ensure(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		f.set(true)
		r := w.play(t, func(r *run) {
			r.seq = b.facts
			r.pause(time.Millisecond) // not at the instant at which the server begins
			s.play(r)
			r.rest()
			f.set(false)
			r.verify(s)
		})
		o = outcome{points: f.points, crashes: f.crashes, told: r.told(), trace: f.String()}
	})
	return o
}

func TestEverythingIsDoneOnceWhereverTheServerDies(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	calm := map[string]outcome{}
	for _, s := range stories {
		calm[s.name] = b.run(t, s, &fate{})
		t.Logf("%s: %d points", s.name, len(calm[s.name].points))
	}
	t.Run("once", func(t *testing.T) {
		t.Parallel()
		for i, s := range stories {
			step := *every
			if i == 0 && !testing.Short() {
				step = 1
			}
			b.once(t, s, calm[s.name], step)
		}
	})
	t.Run("often", func(t *testing.T) {
		t.Parallel()
		for i := range seedsToRun() {
			seed := *first + uint64(i)
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				b.often(t, seed, calm)
			})
		}
	})
}

// seedsToRun is -seeds, one for -seed alone, few where tests are to be short.
func seedsToRun() int {
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case given["seeds"]:
		return *seeds
	case given["seed"]:
		return 1
	case testing.Short():
		return 50
	}
	return *seeds
}

// once plays a story for each step-th of its points: the server dies there, and nowhere else.
func (b base) once(t *testing.T, s story, calm outcome, step int) {
	for at := 1; at <= len(calm.points); at += step {
		t.Run(fmt.Sprint(s.name, ", point ", at), func(t *testing.T) {
			t.Parallel()
			o := b.run(t, s, &fate{only: at})
			if o.crashes != 1 || o.told != calm.told {
				t.Errorf("%d crashes, after %q\ntold %s\nwant %s\n%s\n%s", o.crashes, calm.points[at-1], o.told, calm.told, o.trace, again(t, 0))
			}
		})
	}
}

// often plays the story of a seed: the server dies anywhere, any number of times.
func (b base) often(t *testing.T, seed uint64, calm map[string]outcome) {
	f := fateOf(seed)
	s := storyOf(f)
	o := b.run(t, s, f)
	t.Logf("seed %d: %s, %d crashes at %d points", seed, s.name, o.crashes, len(o.points))
	if c, ok := calm[s.name]; ok && o.told != c.told {
		t.Errorf("told %s\nwant %s\n%s\n%s", o.told, c.told, o.trace, again(t, seed))
	}
}

// again is how a run is repeated, step by step the same.
func again(t *testing.T, seed uint64) string {
	return fmt.Sprintf("again: go test ./test/sim -run '^%s$' -seed %d -every 1", t.Name(), seed)
}

func TestASeedTellsTheSameAgain(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := storyOf(fateOf(seed))
			if one, two := b.run(t, s, fateOf(seed)), b.run(t, s, fateOf(seed)); one.trace != two.trace {
				t.Errorf("the same seed went two ways:\n%s\n---\n%s", one.trace, two.trace)
			}
		})
	}
}
