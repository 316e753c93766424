package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/store"
)

// Timers fired by one transaction.
const timersAtOnce = 200

// dueAt makes the timer loop look no later than at.
func (s *shift) dueAt(at time.Time) {
	if at.IsZero() {
		return
	}
	for {
		select {
		case s.nudge <- at:
			return
		default:
		}
		select {
		case earlier := <-s.nudge:
			if earlier.Before(at) {
				at = earlier
			}
		default:
		}
	}
}

// fireTimers delivers timers as events and starts effects whose pause is over.
func (s *shift) fireTimers() {
	for failures := 0; s.ctx.Err() == nil; {
		wake, err := s.fire()
		if err != nil {
			if s.ctx.Err() == nil {
				s.deps.Log.Error("fire timers", "error", err)
			}
			s.pause(s.ctx, failures)
			failures++
			continue
		}
		failures = 0
		s.rest(wake)
	}
}

// rest waits until wake, or an earlier time that dueAt tells.
func (s *shift) rest(wake time.Time) {
	timeout := s.deps.Clock.After(wake.Sub(s.deps.Clock.Now()))
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-timeout:
			return
		case at := <-s.nudge:
			if at.Before(wake) {
				wake = at
				timeout = s.deps.Clock.After(wake.Sub(s.deps.Clock.Now()))
			}
		}
	}
}

// fire delivers what is due and tells when to look again.
func (s *shift) fire() (wake time.Time, err error) {
	now := s.deps.Clock.Now()
	wake = now.Add(net)
	var due []effect
	err = s.deps.DB.View(s.ctx, func(ctx context.Context, r store.Reader) (err error) {
		due, err = s.load(ctx, r, `due > 0 AND parked = 0 AND due <= $1 AND ("do" = '' OR session = $2) ORDER BY due, seq LIMIT $3`, now.UnixMicro(), s.session, timersAtOnce)
		if err != nil || len(due) > 0 {
			return err
		}
		var first *int64
		err = store.Row(ctx, r, `SELECT min(due) FROM engine_effects WHERE due > $1 AND parked = 0`, []any{now.UnixMicro()}, &first)
		if first != nil && time.UnixMicro(*first).Before(wake) {
			wake = time.UnixMicro(*first)
		}
		return err
	})
	if err != nil || len(due) == 0 {
		return wake, err
	}
	var begun []effect
	err = s.deps.DB.Update(s.ctx, func(ctx context.Context, tx store.Tx) error {
		begun = nil
		if err := s.alive(ctx, tx); err != nil {
			return err
		}
		for _, f := range due {
			if f.Do == "" {
				if err := s.deliver(ctx, tx, f, now); err != nil {
					return fmt.Errorf("timer %s of %s: %w", f.Name, f.id.machine(), err)
				}
				continue
			}
			n, err := store.Exec(ctx, tx, `UPDATE engine_effects SET due = 0 WHERE seq = $1 AND due = $2 AND session = $3`, f.seq, f.Due.UnixMicro(), s.session)
			if err != nil {
				return err
			}
			if n > 0 {
				f.Due = time.Time{}
				begun = append(begun, f)
			}
		}
		return nil
	})
	if err != nil {
		return wake, err
	}
	for _, f := range begun {
		s.start(f)
	}
	return now, nil // there may be more
}

// deliver turns a timer into its event, unless it was moved or taken back meanwhile.
func (s *shift) deliver(ctx context.Context, tx store.Tx, f effect, now time.Time) error {
	n, err := store.Exec(ctx, tx, `DELETE FROM engine_effects WHERE seq = $1 AND due = $2 AND "do" = ''`, f.seq, f.Due.UnixMicro())
	if err != nil || n == 0 {
		return err
	}
	return s.put(ctx, tx, f.id.machine(), Event{ID: fmt.Sprintf("timer/%s/%d/%d", f.Name, f.seq, f.Due.UnixMicro()), Name: f.Name, At: now, Body: f.Body})
}

// load reads effects.
func (s *shift) load(ctx context.Context, r store.Reader, where string, args ...any) (out []effect, err error) {
	err = store.Select(ctx, r, `SELECT seq, machine, name, "do", body, due, attempt FROM engine_effects WHERE `+where, args, func(scan func(...any) error) error {
		var f effect
		var machine, body string
		var due int64
		if err := scan(&f.seq, &machine, &f.Name, &f.Do, &body, &due, &f.attempt); err != nil {
			return err
		}
		if body != "" {
			f.Body = json.RawMessage(body)
		}
		if due > 0 {
			f.Due = time.UnixMicro(due).UTC()
		}
		var err error
		if f.id, err = parseMachine(machine); err != nil {
			return err
		}
		out = append(out, f)
		return nil
	})
	return out, err
}
