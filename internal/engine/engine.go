// Package engine turns durable machines. It knows no AWS service: wiring hands it Kinds.
//
// A noun that lives (build, execution, deployment, service) is a document of its
// service's own collection; the engine keeps only what is not yet done: inbox,
// effects, timers. One event = one turn = one transaction.
package engine

import (
	"context"
	"encoding/json"
	"time"

	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
)

// ID names one living document: Key in the collection of Kind.
type ID struct {
	store.Scope
	Kind, Key string // "codebuild.build", "demo:4f2…"
}

// Event is what happened; time comes with it. The same ID twice counts once.
type Event struct {
	ID   string
	Name string
	At   time.Time
	Body json.RawMessage
}

// Effect is asked for by a Step, stored with it, done at least once. Name is
// unique within the machine and is the idempotency key of what it does.
// With Due it is a timer: delivered as the event Name. Same Name again moves it.
type Effect struct {
	Do, Name string
	Due      time.Time
	Body     json.RawMessage
}

// Turn is what one event leads to.
type Turn[S any] struct {
	Next    S
	Effects []Effect
	Publish []eventstream.Fact // goes to the event stream in the same commit
}

// Step decides: no clock, no I/O. A late or doubled event returns s unchanged.
type Step[S any] func(s S, e Event) (Turn[S], error)

// Do acts, shortly (≤ 30 s, ctx says); what lasts longer is started and reports
// by Send. token = kind/key/effect name. An error is retried with backoff, then
// becomes the event "<Name>.failed".
type Do[S any] func(ctx context.Context, id ID, s S, f Effect, token string) (*Event, error)

// Engine, as services see it. To start a machine: put its document and send the
// first event, both in the caller's transaction.
type Engine interface {
	Send(ctx context.Context, tx store.Tx, id ID, e Event) error
}

// Kind is one machine, ready to register; made only by Machine.
type Kind interface {
	Name() string
	Turn(ctx context.Context, tx store.Tx, id ID, e Event) ([]Effect, []eventstream.Fact, error)
	Do(ctx context.Context, r store.Reader, id ID, f Effect, token string) (*Event, error)
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

func (k kind[S]) Name() string { return k.name }

func (k kind[S]) Turn(ctx context.Context, tx store.Tx, id ID, e Event) ([]Effect, []eventstream.Fact, error) {
	d, err := k.nouns.Get(ctx, tx, id.Scope, id.Key)
	if err != nil {
		return nil, nil, err
	}
	t, err := k.step(d.Value, e)
	if err != nil {
		return nil, nil, err
	}
	_, err = k.nouns.Put(ctx, tx, id.Scope, id.Key, t.Next, d.Version)
	return t.Effects, t.Publish, err
}

func (k kind[S]) Do(ctx context.Context, r store.Reader, id ID, f Effect, token string) (*Event, error) {
	d, err := k.nouns.Get(ctx, r, id.Scope, id.Key)
	if err != nil {
		return nil, err
	}
	return k.do[f.Do](ctx, id, d.Value, f, token)
}
