package codebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/store"
)

// Place is a build's place in the queue for the host, or on it.
type Place struct {
	Held  bool
	Since time.Time
}

// turn orders those that wait by age.
func (p Place) turn() string {
	if p.Held {
		return "held"
	}
	return "waiting/" + sortable(p.Since)
}

// take gives the build a place, or a turn in the queue (false): it is admitted when
// another build ends.
func (s *Service) take(ctx context.Context, scope store.Scope, build string) (held bool, err error) {
	err = s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		if d, err := places.Get(ctx, tx, scope, build); err == nil {
			held = d.Value.Held
			return nil
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		taken, err := places.List(ctx, tx, store.Scope{}, store.Query{Index: "turn", Equal: "held", Limit: s.Places})
		if err != nil {
			return err
		}
		held = len(taken) < s.Places
		_, err = places.Put(ctx, tx, scope, build, Place{held, s.Clock.Now()}, 0)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("take a place for build %s: %w", build, err)
	}
	return held, nil
}

// leave gives the place back and admits the build that waits longest.
func (s *Service) leave(ctx context.Context, scope store.Scope, build string) error {
	err := s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := places.Get(ctx, tx, scope, build)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := places.Delete(ctx, tx, scope, build, d.Version); err != nil || !d.Value.Held {
			return err
		}
		next, err := places.List(ctx, tx, store.Scope{}, store.Query{Index: "turn", Prefix: "waiting/", Limit: 1})
		if err != nil || len(next) == 0 {
			return err
		}
		n := next[0]
		n.Value.Held = true
		if _, err := places.Put(ctx, tx, n.Scope, n.Key, n.Value, n.Version); err != nil {
			return err
		}
		return s.Engine.Send(ctx, tx, machineID(n.Scope, n.Key), engine.Event{ID: evAdmitted, Name: evAdmitted, At: s.Clock.Now()})
	})
	if err != nil {
		return fmt.Errorf("give back the place of build %s: %w", build, err)
	}
	return nil
}
