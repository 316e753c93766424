package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"testing"
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
