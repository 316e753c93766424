package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/penstock-ci/penstock/internal/store"
)

// effect is an Effect with its row.
type effect struct {
	Effect
	id      ID
	seq     int64
	attempt int
}

var errDeleted = errors.New("its document is gone")

// deleted tells the engine's own missing document from one that an effect misses.
func deleted(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errDeleted
	}
	return err
}

// start runs f, now or when its machine has room. A row runs once at a time.
func (s *shift) start(f effect) {
	s.queue.Lock()
	defer s.queue.Unlock()
	s.admit(f)
}

// admit is start for whoever holds the queue.
func (s *shift) admit(f effect) {
	if s.running[f.seq] {
		return
	}
	s.running[f.seq] = true
	m := f.id.machine()
	if s.busy[m] >= effectsPerMachine {
		s.waiting[m] = append(s.waiting[m], f)
		return
	}
	s.busy[m]++
	s.work.Go(func() { s.runAll(m, f) })
}

// runAll runs f, then what waits for its place.
func (s *shift) runAll(machine string, f effect) {
	for {
		if s.take(s.slots) {
			s.label(func(ctx context.Context) { s.run(ctx, f) }, "machine", machine, "effect", f.Name)
			<-s.slots
		}
		s.queue.Lock()
		delete(s.running, f.seq)
		if s.ended != nil {
			s.ended[f.seq] = true
		}
		rest := s.waiting[machine]
		if len(rest) == 0 || s.ctx.Err() != nil {
			delete(s.waiting, machine)
			if s.busy[machine]--; s.busy[machine] == 0 {
				delete(s.busy, machine)
			}
			s.queue.Unlock()
			return
		}
		f, s.waiting[machine] = rest[0], rest[1:]
		s.queue.Unlock()
	}
}

// run does f once and stores the outcome.
func (s *shift) run(ctx context.Context, f effect) {
	event, err := s.do(ctx, f)
	if ctx.Err() != nil && err != nil {
		return // the row stays; the next session does it
	}
	for n := 0; n < 3 && ctx.Err() == nil; n++ {
		again, e := s.settle(ctx, f, event, err)
		if e == nil {
			s.dueAt(again)
			return
		}
		if errors.Is(e, errSession) {
			s.cancel(e)
			return
		}
		s.deps.Log.Error("store outcome of effect", "machine", f.id.machine(), "effect", f.Name, "error", e)
		s.pause(ctx, n)
	}
}

func (s *shift) do(ctx context.Context, f effect) (event *Event, err error) {
	k := s.kinds[f.id.Kind]
	if k == nil {
		return nil, fmt.Errorf("kind %s: %w", f.id.Kind, ErrUnknown)
	}
	ctx, cancel := context.WithTimeout(ctx, effectTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return k.Do(ctx, s.deps.DB, f.id, f.Effect, f.id.token(f.Name))
}

// settle stores the outcome: the effect's end together with its event, or the next
// attempt, or its parking. It gives the time of the next attempt.
func (s *shift) settle(ctx context.Context, f effect, event *Event, failure error) (again time.Time, err error) {
	attempt := f.attempt + 1
	_, final := errors.AsType[permanent](failure)
	if _, passes := errors.AsType[passing](failure); passes {
		attempt = min(attempt, passingTries)
	} else {
		final = final || attempt >= s.deps.Tries
	}
	switch {
	case errors.Is(failure, errDeleted):
		event = nil
	case errors.Is(failure, ErrUnknown):
		s.deps.Log.Error("effect parked: it is kept, and tried again when the server starts", "machine", f.id.machine(), "effect", f.Name, "cause", failure)
		return again, s.postpone(ctx, f, `parked = 1, problem = $3`, failure.Error())
	case failure != nil && !final:
		again = s.deps.Clock.Now().Add(backoff(f.attempt, chanceOf(f.id.token(f.Name))))
		if attempt > f.attempt { // not again and again while it lasts
			s.deps.Log.Warn("effect failed, trying again", "machine", f.id.machine(), "effect", f.Name, "attempt", attempt, "error", failure)
		}
		return again, s.postpone(ctx, f, `problem = $3, attempt = $4, due = $5`, failure.Error(), attempt, again.UnixMicro())
	case failure != nil:
		body, err := json.Marshal(Failure{Do: f.Do, Error: failure.Error(), Attempts: attempt, Body: f.Body})
		if err != nil {
			return again, fmt.Errorf("encode failure: %w", err)
		}
		s.deps.Log.Error("effect failed for good", "machine", f.id.machine(), "effect", f.Name, "attempt", attempt, "error", failure)
		event = &Event{Name: f.Name + ".failed", Body: body}
	}
	return again, s.finish(ctx, f, event)
}

// finish deletes the effect and sends its event.
func (s *shift) finish(ctx context.Context, f effect, event *Event) error {
	return s.deps.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := s.alive(ctx, tx); err != nil {
			return err
		}
		n, err := store.Exec(ctx, tx, `DELETE FROM engine_effects WHERE seq = $1 AND session = $2`, f.seq, s.session)
		if err != nil || n == 0 || event == nil {
			return err // n = 0: another session has it, or the machine was forgotten
		}
		e := *event
		if e.ID == "" {
			e.ID = fmt.Sprintf("effect/%s/%d", f.Name, f.seq)
		}
		return s.put(ctx, tx, f.id.machine(), e)
	})
}

func (s *shift) postpone(ctx context.Context, f effect, set string, args ...any) error {
	return s.deps.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := s.alive(ctx, tx); err != nil {
			return err
		}
		_, err := store.Exec(ctx, tx, `UPDATE engine_effects SET `+set+` WHERE seq = $1 AND session = $2`, append([]any{f.seq, s.session}, args...)...)
		return err
	})
}
