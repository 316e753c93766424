package engine

import (
	"context"
	"runtime/pprof"
	"sync"
	"time"
)

// shift is the work of one session. Nothing of it is needed after a crash.
type shift struct {
	*Runner
	ctx     context.Context // ends with the session; the shift lives no longer than it
	cancel  context.CancelCauseFunc
	session string
	work    sync.WaitGroup
	turns   chan struct{} // a slot per turn
	slots   chan struct{} // a slot per effect

	queue   sync.Mutex
	running map[int64]bool      // effects by row, waiting ones included
	busy    map[string]int      // effects running, by machine
	waiting map[string][]effect // effects beyond effectsPerMachine
	ended   map[int64]bool      // effects that ended while a scan reads; nil while none does

	nudge chan time.Time // a due time that may be earlier than the one waited for
}

func newShift(r *Runner, ctx context.Context, cancel context.CancelCauseFunc, session string) *shift {
	return &shift{
		Runner: r, ctx: ctx, cancel: cancel, session: session,
		turns: make(chan struct{}, turnsAtOnce), slots: make(chan struct{}, effectsAtOnce),
		running: map[int64]bool{}, busy: map[string]int{}, waiting: map[string][]effect{},
		nudge: make(chan time.Time, 1),
	}
}

// label runs f in the name of what it is for: profiles, and simulations, tell by the
// labels what a server is busy with.
func (s *shift) label(f func(ctx context.Context), labels ...string) {
	pprof.Do(s.ctx, pprof.Labels(labels...), f)
}

// take waits for a slot; false when the session ended first.
func (s *shift) take(slots chan struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-s.ctx.Done():
		return false
	}
}
