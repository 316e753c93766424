// Package engine turns durable machines. It knows no AWS service: wiring hands it Kinds.
//
// A noun that lives (build, execution, deployment, service) is a document of its
// service's own collection; the engine keeps only what is not yet done: inbox,
// effects, timers. One event = one turn = one transaction.
//
// Events of one machine are turned one after another in the order they were sent.
// Its effects are started in the order they were asked for and run side by side:
// an effect that must follow another is asked for when the first one's event has
// come. An effect runs at least once; the event it returns counts once.
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
)

// ID names one living document: Key in the collection of Kind.
type ID struct {
	store.Scope
	Kind, Key string // "codebuild.build", "demo:4f2…"
}

// machine is the form of an ID in the engine's rows. Only Key may hold a slash.
func (id ID) machine() string {
	return id.Account + "/" + id.Region + "/" + id.Kind + "/" + id.Key
}

func parseMachine(s string) (ID, error) {
	p := strings.SplitN(s, "/", 4)
	if len(p) != 4 {
		return ID{}, fmt.Errorf("%q names no machine", s)
	}
	return ID{Scope: store.Scope{Account: p[0], Region: p[1]}, Kind: p[2], Key: p[3]}, nil
}

// token names effect name of id in the change it makes.
func (id ID) token(name string) string { return id.Kind + "/" + id.Key + "/" + name }

// Event is what happened; time comes with it. The same ID twice counts once (within
// a week); an empty ID is given a random one. At is the present unless told.
type Event struct {
	ID   string
	Name string
	At   time.Time
	Body json.RawMessage
}

// Effect is asked for by a Step, stored with it, done at least once. Name is
// unique within the machine and is the idempotency key of what it does: asked for
// again while it is not done, it changes nothing.
// With Due it is a timer: delivered as the event Name. Same Name again moves it;
// with neither Do nor Due it takes the timer back.
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

// Step decides: no clock, no I/O. A late or doubled event returns s unchanged. An
// error parks the event with an alarm; the machine goes on with the next one.
type Step[S any] func(s S, e Event) (Turn[S], error)

// Do acts, shortly (≤ 30 s, ctx says); what lasts longer is started and reports
// by Send. token = kind/key/effect name. An error is retried with backoff, then
// (at once if Permanent) becomes the event "<Name>.failed" with a Failure as body.
// An error with a method Passes() is retried until what is away has returned.
type Do[S any] func(ctx context.Context, id ID, s S, f Effect, token string) (*Event, error)

// Failure is the body of the event "<Name>.failed".
type Failure struct {
	Do       string          `json:"do"`
	Error    string          `json:"error"`
	Attempts int             `json:"attempts"`
	Body     json.RawMessage `json:"body,omitzero"` // of the effect
}

// Engine, as services see it. To start a machine: put its document and send the
// first event, both in the caller's transaction.
type Engine interface {
	Send(ctx context.Context, tx store.Tx, id ID, e Event) error
}

// ErrUnknown is an effect, or a kind, that this release does not know: it is kept for
// one that does.
var ErrUnknown = errors.New("not known to this release")

// passing is such an error. Others know it by its method: they need no engine.
type passing interface {
	error
	Passes()
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error of Do that no retry mends.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}
