package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	// Events are remembered so long that the same id counts once.
	remember = 7 * 24 * time.Hour
	// Nothing repeats a change later than this.
	receiptsKept = 7 * 24 * time.Hour
	// sweepEvery counts scans: once an hour.
	sweepEvery = int(time.Hour / net)
)

const orphan = `parked = 0 AND "do" <> '' AND session NOT IN (SELECT id FROM engine_sessions WHERE expires_at > $1)`

// scan finds what is not under way: at the beginning everything, later what a dead
// server or a lost wake left.
func (s *shift) scan() error {
	var machines []string
	var effects []effect
	orphans := 0
	err := s.deps.DB.View(s.ctx, func(ctx context.Context, r store.Reader) error {
		now, err := store.Now(ctx, r)
		if err != nil {
			return err
		}
		return store.Row(ctx, r, `SELECT count(*) FROM engine_effects WHERE `+orphan, []any{now.UnixMicro()}, &orphans)
	})
	if err != nil {
		return fmt.Errorf("look for orphaned effects: %w", err)
	}
	if orphans > 0 {
		if err := s.adopt(); err != nil {
			return fmt.Errorf("adopt effects: %w", err)
		}
	}
	s.queue.Lock()
	s.ended = map[int64]bool{}
	s.queue.Unlock()
	err = s.deps.DB.View(s.ctx, func(ctx context.Context, r store.Reader) (err error) {
		err = store.Select(ctx, r, `SELECT DISTINCT machine FROM engine_inbox WHERE turned_at = 0 AND parked = 0`, nil, func(scan func(...any) error) error {
			var m string
			err := scan(&m)
			machines = append(machines, m)
			return err
		})
		if err != nil {
			return err
		}
		effects, err = s.load(ctx, r, `session = $1 AND due = 0 AND parked = 0 ORDER BY seq`, s.session)
		return err
	})
	for _, m := range machines {
		s.poke(m)
	}
	s.queue.Lock()
	defer s.queue.Unlock()
	for _, f := range effects {
		if !s.ended[f.seq] { // what was read may be done by now
			s.admit(f)
		}
	}
	s.ended = nil
	if err != nil {
		return fmt.Errorf("read unfinished work: %w", err)
	}
	return nil
}

func (s *shift) adopt() error {
	return s.deps.DB.Update(s.ctx, func(ctx context.Context, tx store.Tx) error {
		if err := s.alive(ctx, tx); err != nil {
			return err
		}
		now, err := store.Now(ctx, tx)
		if err != nil {
			return err
		}
		_, err = store.Exec(ctx, tx, `UPDATE engine_effects SET session = $2 WHERE `+orphan, now.UnixMicro(), s.session)
		return err
	})
}

// sweep forgets events, receipts and facts that nobody can ask for any more.
func (s *shift) sweep() error {
	return s.deps.DB.Update(s.ctx, func(ctx context.Context, tx store.Tx) error {
		now := s.deps.Clock.Now()
		_, err := store.Exec(ctx, tx, `DELETE FROM engine_inbox WHERE turned_at > 0 AND turned_at < $1`, now.Add(-remember).UnixMicro())
		if err != nil {
			return err
		}
		if err := (store.Receipts{}).Expire(ctx, tx, now.Add(-receiptsKept)); err != nil {
			return err
		}
		if l, ok := s.deps.Stream.(*eventstream.Log); ok {
			return l.Expire(ctx, tx)
		}
		return nil
	})
}
