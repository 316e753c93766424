// Package dispatchtest gives the tests of services a real dispatcher on a
// temporary database. Only tests import it.
package dispatchtest

import (
	"context"
	"log/slog"
	"testing"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
)

// Account and Region are where the test's callers live.
const (
	Account = "100000000001"
	Region  = "us-east-1"
)

// Scope is Account and Region.
var Scope = store.Scope{Account: Account, Region: Region}

// Dispatcher is a dispatcher with its database.
type Dispatcher struct {
	*dispatch.Dispatcher
	DB *store.SQL
}

// New opens a temporary database with the tables and registers the handlers.
// A service that needs the dispatcher itself is registered afterwards:
// d.Add(t, svc.Handlers()...). Every caller may do everything.
func New(t testing.TB, tables []store.Table, handlers ...op.Handler) *Dispatcher {
	t.Helper()
	return With(t, permissive{}, tables, handlers...)
}

// With is New with policies of the test's own, or nil for "root alone may".
func With(t testing.TB, policies dispatch.Policies, tables []store.Table, handlers ...op.Handler) *Dispatcher {
	t.Helper()
	return on(t, storetest.Open(t, tables...), policies, handlers)
}

// On is New on a database of the test's own, its tables made.
func On(t testing.TB, db *store.SQL, handlers ...op.Handler) *Dispatcher {
	t.Helper()
	return on(t, db, permissive{}, handlers)
}

func on(t testing.TB, db *store.SQL, policies dispatch.Policies, handlers []op.Handler) *Dispatcher {
	t.Helper()
	d, err := dispatch.New(dispatch.Deps{
		DB: db, Handlers: handlers, Policies: policies, Receipts: store.Receipts{}, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Dispatcher{d, db}
}

// Add registers more handlers.
func (d *Dispatcher) Add(t testing.TB, handlers ...op.Handler) {
	t.Helper()
	if err := d.Register(handlers...); err != nil {
		t.Fatal(err)
	}
}

// Root is the account's root user, who may do everything.
func (d *Dispatcher) Root() op.Caller {
	return op.Caller{Scope: Scope, ARN: "arn:aws:iam::" + Account + ":root", PrincipalID: Account}
}

// RootKey is root with an idempotency key, as an internal change has.
func (d *Dispatcher) RootKey(key string) op.Caller {
	c := d.Root()
	c.Key = key
	return c
}

// As is a service acting with a role.
func (d *Dispatcher) As(role, service, key string) op.Caller {
	return op.As(Scope, role, "test", service, key)
}

// User is an IAM user, who may do what With's policies say.
func (d *Dispatcher) User(name string) op.Caller {
	return op.Caller{Scope: Scope, ARN: "arn:aws:iam::" + Account + ":user/" + name, PrincipalID: "AIDA" + name}
}

// permissive allows everything to everybody and trusts every service.
type permissive struct{}

func (permissive) Decide(context.Context, store.Reader, identity.Question) (*identity.Refusal, error) {
	return nil, nil
}
func (permissive) Trusts(context.Context, store.Reader, string, string) error { return nil }
func (permissive) Appear(context.Context, store.Tx, op.Caller) error          { return nil }
