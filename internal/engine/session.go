package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/store"
)

// errSession is the answer to every write of a session that is over.
var errSession = errors.New("this session is over")

const (
	// A session not renewed so long, by the database's clock, is dead and its
	// effects are another server's.
	sessionTime  = 15 * time.Second
	sessionRenew = 5 * time.Second
	// Where no other server can be, a session ends only by the next one's beginning.
	sessionAlone = 100 * 365 * 24 * time.Hour
)

// begin makes the session row.
func (r *Runner) begin(ctx context.Context) (id string, err error) {
	id = ids.Hex(32, "")
	err = r.deps.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		now, err := store.Now(ctx, tx)
		if err != nil {
			return err
		}
		life := sessionTime
		if store.Alone(tx) {
			life = sessionAlone
			if _, err := store.Exec(ctx, tx, `DELETE FROM engine_sessions`); err != nil {
				return err
			}
		}
		if _, err := store.Exec(ctx, tx, `DELETE FROM engine_sessions WHERE expires_at <= $1`, now.UnixMicro()); err != nil {
			return err
		}
		if _, err := store.Exec(ctx, tx, `INSERT INTO engine_sessions (id, expires_at) VALUES ($1, $2)`, id, now.Add(life).UnixMicro()); err != nil {
			return err
		}
		// What an older release parked may be known to this one.
		if _, err := store.Exec(ctx, tx, `UPDATE engine_effects SET parked = 0 WHERE parked = 1`); err != nil {
			return err
		}
		_, err = store.Exec(ctx, tx, `UPDATE engine_inbox SET parked = 0 WHERE parked = 1`)
		return err
	})
	return id, err
}

// alive refuses the writes of a session that is over, within their transaction.
func (s *shift) alive(ctx context.Context, tx store.Tx) error {
	now, err := store.Now(ctx, tx)
	if err != nil {
		return err
	}
	var one int
	err = store.Row(ctx, tx, `SELECT 1 FROM engine_sessions WHERE id = $1 AND expires_at > $2`, []any{s.session, now.UnixMicro()}, &one)
	if errors.Is(err, store.ErrNotFound) {
		s.cancel(errSession)
		return errSession
	}
	return err
}

// renew keeps the session alive where others could take it for dead.
func (s *shift) renew() {
	for {
		alone, err := s.extend()
		switch {
		case errors.Is(err, errSession):
			return // alive has ended the shift
		case alone:
			return
		case err != nil && s.ctx.Err() == nil:
			s.deps.Log.Warn("renew session", "error", err)
		}
		select {
		case <-s.ctx.Done():
			return
		case <-s.deps.Clock.After(sessionRenew):
		}
	}
}

func (s *shift) extend() (alone bool, err error) {
	err = s.deps.DB.View(s.ctx, func(ctx context.Context, r store.Reader) error {
		alone = store.Alone(r)
		return nil
	})
	if err != nil || alone {
		return alone, err
	}
	return false, s.deps.DB.Update(s.ctx, func(ctx context.Context, tx store.Tx) error {
		if err := s.alive(ctx, tx); err != nil {
			return err
		}
		now, err := store.Now(ctx, tx)
		if err != nil {
			return err
		}
		_, err = store.Exec(ctx, tx, `UPDATE engine_sessions SET expires_at = $2 WHERE id = $1`, s.session, now.Add(sessionTime).UnixMicro())
		if err != nil {
			return fmt.Errorf("renew session: %w", err)
		}
		return nil
	})
}
