package engine

import (
	"context"
	"fmt"

	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
)

// Kind is one machine, ready to register; made only by Machine.
type Kind interface {
	Name() string
	Turn(ctx context.Context, tx store.Tx, id ID, e Event) ([]Effect, []eventstream.Fact, error)
	Do(ctx context.Context, db store.DB, id ID, f Effect, token string) (*Event, error)
}

// Machine binds a step and its effects to the collection that holds the state.
func Machine[S any](name string, nouns store.Collection[S], step Step[S], do map[string]Do[S]) Kind {
	return kind[S]{name, nouns, step, do}
}

type kind[S any] struct {
	name  string
	nouns store.Collection[S]
	step  Step[S]
	do    map[string]Do[S]
}

// undecided is an error of the step itself: the same event would meet it again.
type undecided struct{ error }

func (u undecided) Unwrap() error { return u.error }

func (k kind[S]) Name() string { return k.name }

func (k kind[S]) Turn(ctx context.Context, tx store.Tx, id ID, e Event) ([]Effect, []eventstream.Fact, error) {
	d, err := k.nouns.Get(ctx, tx, id.Scope, id.Key)
	if err != nil {
		return nil, nil, err
	}
	t, err := k.step(d.Value, e)
	if err != nil {
		return nil, nil, undecided{fmt.Errorf("step of %s at %s: %w", k.name, e.Name, err)}
	}
	_, err = k.nouns.Put(ctx, tx, id.Scope, id.Key, t.Next, d.Version)
	return t.Effects, t.Publish, err
}

// Do reads the state in a View of its own, so that no transaction is open while the effect acts.
func (k kind[S]) Do(ctx context.Context, db store.DB, id ID, f Effect, token string) (*Event, error) {
	do, ok := k.do[f.Do]
	if !ok {
		return nil, fmt.Errorf("effect %s of %s: %w", f.Do, k.name, ErrUnknown)
	}
	var d store.Doc[S]
	err := db.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		d, err = k.nouns.Get(ctx, r, id.Scope, id.Key)
		return err
	})
	if err != nil {
		return nil, deleted(err)
	}
	return do(ctx, id, d.Value, f, token)
}
