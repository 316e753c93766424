package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/store"
)

// An event that fails so often for a reason outside its step is parked, too.
const turnTries = 6

// drive turns machine until its inbox is empty.
func (s *shift) drive(ctx context.Context, machine string, a *active) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.machine[machine] == a { // not a later one's
			delete(s.machine, machine)
		}
	}()
	if !s.take(s.turns) {
		return
	}
	defer func() { <-s.turns }()
	for failures := 0; ctx.Err() == nil; {
		more, err := s.turn(ctx, machine, failures >= turnTries)
		if err != nil {
			failures++
			if ctx.Err() == nil {
				s.deps.Log.Error("turn", "machine", machine, "error", err)
			}
			s.pause(ctx, failures)
			continue
		}
		failures = 0
		if more {
			continue
		}
		s.mu.Lock()
		if !a.again {
			delete(s.machine, machine) // under the lock that poke takes: no wake is lost
			s.mu.Unlock()
			return
		}
		a.again = false
		s.mu.Unlock()
	}
}

// pending is an event with its row.
type pending struct {
	Event
	seq int64
}

// turn takes the next event of machine through its step and tells whether there are
// more. park sets the event aside whatever comes of it.
func (s *shift) turn(ctx context.Context, machine string, park bool) (more bool, err error) {
	id, err := parseMachine(machine)
	if err != nil {
		return false, err
	}
	var begun []effect
	var earliest time.Time
	var alarm error
	err = s.deps.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		begun, earliest, alarm = nil, time.Time{}, nil
		if err := s.alive(ctx, tx); err != nil {
			return err
		}
		var queue []pending
		if queue, err = next(ctx, tx, machine); err != nil || len(queue) == 0 {
			more = false
			return err
		}
		e := queue[0]
		more = len(queue) > 1
		if park {
			alarm = errors.New("tried too often")
			return s.park(ctx, tx, e)
		}
		begun, earliest, err = s.decide(ctx, tx, id, e.Event)
		if _, ok := errors.AsType[undecided](err); ok || errors.Is(err, ErrUnknown) || errors.Is(err, store.ErrNewer) {
			// The step runs before anything is written, and ErrNewer refuses the write.
			alarm = err
			return s.park(ctx, tx, e)
		}
		if err != nil {
			return err
		}
		return s.turned(ctx, tx, e)
	})
	if err != nil {
		return false, err
	}
	if alarm != nil {
		s.deps.Log.Error("event parked: it is kept, and tried again when the server starts", "machine", machine, "cause", alarm)
	}
	for _, f := range begun {
		s.start(f)
	}
	s.dueAt(earliest)
	return more, nil
}

// next is the event that is due, and whatever comes after it: two at most.
func next(ctx context.Context, r store.Reader, machine string) (queue []pending, err error) {
	err = store.Select(ctx, r, `SELECT seq, event_id, name, at, body FROM engine_inbox
		WHERE machine = $1 AND turned_at = 0 AND parked = 0 ORDER BY seq LIMIT 2`, []any{machine}, func(scan func(...any) error) error {
		var e pending
		var at int64
		var body string
		if err := scan(&e.seq, &e.ID, &e.Name, &at, &body); err != nil {
			return err
		}
		e.At = time.UnixMicro(at).UTC()
		if body != "" {
			e.Body = json.RawMessage(body)
		}
		queue = append(queue, e)
		return nil
	})
	return queue, err
}

// decide runs the step and stores what it asks for.
func (s *shift) decide(ctx context.Context, tx store.Tx, id ID, e Event) (begun []effect, earliest time.Time, err error) {
	k := s.kinds[id.Kind]
	if k == nil {
		return nil, earliest, fmt.Errorf("kind %s: %w", id.Kind, ErrUnknown)
	}
	effects, facts, err := k.Turn(ctx, tx, id, e)
	if errors.Is(err, store.ErrNotFound) {
		return nil, earliest, s.forget(ctx, tx, id.machine())
	}
	if err != nil {
		return nil, earliest, err
	}
	for _, f := range effects {
		if f.Name == "" {
			return nil, earliest, fmt.Errorf("%s asks at %s for an effect %q without a name", id.Kind, e.Name, f.Do)
		}
		row, isNew, err := s.ask(ctx, tx, id, f)
		if err != nil {
			return nil, earliest, fmt.Errorf("store effect %s: %w", f.Name, err)
		}
		if isNew {
			begun = append(begun, row)
		}
		if !f.Due.IsZero() && (earliest.IsZero() || f.Due.Before(earliest)) {
			earliest = f.Due
		}
	}
	if len(facts) > 0 {
		err = s.deps.Stream.Append(ctx, tx, id.Scope, facts...)
	}
	return begun, earliest, err
}

// ask stores one effect, timer or cancellation.
func (s *shift) ask(ctx context.Context, tx store.Tx, id ID, f Effect) (row effect, isNew bool, err error) {
	switch {
	case !f.Due.IsZero():
		_, err = store.Exec(ctx, tx, `INSERT INTO engine_effects (machine, name, "do", body, due, session) VALUES ($1, $2, '', $3, $4, '')
			ON CONFLICT (machine, name) DO UPDATE SET "do" = '', body = excluded.body, due = excluded.due, session = '', parked = 0`,
			id.machine(), f.Name, string(f.Body), f.Due.UnixMicro())
		return row, false, err
	case f.Do == "":
		_, err = store.Exec(ctx, tx, `DELETE FROM engine_effects WHERE machine = $1 AND name = $2 AND "do" = ''`, id.machine(), f.Name)
		return row, false, err
	}
	row = effect{Effect: f, id: id}
	err = store.Row(ctx, tx, `INSERT INTO engine_effects (machine, name, "do", body, due, session) VALUES ($1, $2, $3, $4, 0, $5)
		ON CONFLICT (machine, name) DO NOTHING RETURNING seq`,
		[]any{id.machine(), f.Name, f.Do, string(f.Body), s.session}, &row.seq)
	if errors.Is(err, store.ErrNotFound) {
		return row, false, nil // asked for already
	}
	return row, err == nil, err
}

func (s *shift) turned(ctx context.Context, tx store.Tx, e pending) error {
	_, err := store.Exec(ctx, tx, `UPDATE engine_inbox SET turned_at = $2, body = '' WHERE seq = $1`, e.seq, s.deps.Clock.Now().UnixMicro())
	return err
}

func (s *shift) park(ctx context.Context, tx store.Tx, e pending) error {
	_, err := store.Exec(ctx, tx, `UPDATE engine_inbox SET parked = 1 WHERE seq = $1`, e.seq)
	return err
}

// forget drops what a machine asked for whose document is gone.
func (s *shift) forget(ctx context.Context, tx store.Tx, machine string) error {
	_, err := store.Exec(ctx, tx, `DELETE FROM engine_effects WHERE machine = $1`, machine)
	return err
}
