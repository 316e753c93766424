package engine

import (
	"context"
	"fmt"

	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/store"
)

// Send puts e into the inbox of id and wakes it on commit.
func (r *Runner) Send(ctx context.Context, tx store.Tx, id ID, e Event) error {
	if err := r.put(ctx, tx, id.machine(), e); err != nil {
		return fmt.Errorf("send %s to %s %s: %w", e.Name, id.Kind, id.Key, err)
	}
	return nil
}

func (r *Runner) put(ctx context.Context, tx store.Tx, machine string, e Event) error {
	if e.ID == "" {
		e.ID = ids.UUID("")
	}
	if e.At.IsZero() {
		e.At = r.deps.Clock.Now()
	}
	n, err := store.Exec(ctx, tx, `INSERT INTO engine_inbox (machine, event_id, name, at, body)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (machine, event_id) DO NOTHING`,
		machine, e.ID, e.Name, e.At.UnixMicro(), string(e.Body))
	if err != nil {
		return err
	}
	if n > 0 {
		tx.OnCommit(func() { r.poke(machine) })
	}
	return nil
}

// active is a machine that is being turned.
type active struct{ again bool }

// poke turns machine, now or once more after the turn under way.
func (r *Runner) poke(machine string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		return // the scan at the beginning of the session finds it
	}
	if a := r.machine[machine]; a != nil {
		a.again = true
		return
	}
	a := &active{}
	r.machine[machine] = a
	s := r.now
	s.work.Go(func() { s.label(func(ctx context.Context) { s.drive(ctx, machine, a) }, "machine", machine) })
}
