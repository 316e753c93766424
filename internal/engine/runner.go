package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
)

// Deps are what the engine borrows.
type Deps struct {
	DB     store.DB
	Stream eventstream.Stream
	Clock  clock.Clock
	Log    *slog.Logger
	// Tries of an effect before it becomes an event; 0 is 8, about 13 s in all.
	Tries int
}

const (
	// An effect that takes longer must be started and report by event.
	effectTime = 30 * time.Second
	// Turns side by side. They share commits, so more than cores is useful.
	turnsAtOnce = 64
	// Effects side by side, in all and per machine, so that one that asks for a
	// thousand leaves room for others.
	effectsAtOnce, effectsPerMachine = 128, 16
	// Wakes find work at once; this finds what a lost wake or a dead server left.
	net = 10 * time.Second
	// Retries begin after firstPause and double up to longestPause.
	firstPause, longestPause = 100 * time.Millisecond, 30 * time.Second
	defaultTries             = 8
	// Tries that what passes uses up: its retries stay 3 s apart, so that its end is seen soon.
	passingTries = 5
)

// Runner is the engine of one server.
type Runner struct {
	deps  Deps
	kinds map[string]Kind

	mu      sync.Mutex
	now     *shift // nil until Run, and while a session is being made
	machine map[string]*active
}

var _ Engine = (*Runner)(nil)

// New makes an engine that can be sent to at once; Run turns.
func New(d Deps, kinds ...Kind) *Runner {
	if d.Tries == 0 {
		d.Tries = defaultTries
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	r := &Runner{deps: d, kinds: map[string]Kind{}, machine: map[string]*active{}}
	r.Register(kinds...)
	return r
}

// Register adds kinds, before Run. Two of one name are a mistake of the wiring.
func (r *Runner) Register(kinds ...Kind) {
	for _, k := range kinds {
		if r.kinds[k.Name()] != nil {
			panic("engine: two kinds are named " + k.Name())
		}
		r.kinds[k.Name()] = k
	}
}

// Run turns machines until ctx is over, then waits for what is under way.
func (r *Runner) Run(ctx context.Context) error {
	for pauses := 0; ; pauses++ {
		err := r.runSession(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if !errors.Is(err, errSession) {
			return err
		}
		r.deps.Log.Warn("session lost, beginning another", "cause", err)
		r.pause(ctx, pauses)
	}
}

// runSession turns as one session until that is lost.
func (r *Runner) runSession(ctx context.Context) error {
	id, err := r.begin(ctx)
	if err != nil {
		return fmt.Errorf("begin session: %w", err)
	}
	ctx, cancel := context.WithCancelCause(store.Background(ctx))
	defer cancel(nil)
	s := newShift(r, ctx, cancel, id)
	r.mu.Lock()
	r.now = s
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.now = nil
		r.mu.Unlock()
		cancel(nil)
		s.work.Wait()
	}()
	s.work.Go(s.fireTimers)
	s.work.Go(s.renew)
	for n := 0; ; n++ {
		if err := s.scan(); err != nil && ctx.Err() == nil {
			r.deps.Log.Error("look for unfinished work", "error", err)
		}
		if n%sweepEvery == 0 {
			if err := s.sweep(); err != nil && ctx.Err() == nil {
				r.deps.Log.Error("forget old events and answers", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.deps.Clock.After(net):
		}
	}
}

// pause waits before attempt n+1.
func (r *Runner) pause(ctx context.Context, n int) {
	select {
	case <-ctx.Done():
	case <-r.deps.Clock.After(backoff(n, rand.Uint64())):
	}
}

// backoff doubles; a fifth of it is chance, so that rivals part.
func backoff(n int, chance uint64) time.Duration {
	d := min(firstPause<<min(n, 16), longestPause)
	return d - time.Duration(chance%uint64(d/5))
}

// chanceOf differs from one name to the next, and is the same whenever a simulation
// is repeated.
func chanceOf(name string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, name) // never fails
	return h.Sum64()
}
