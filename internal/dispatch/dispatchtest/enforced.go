package dispatchtest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Service is what a service package offers to a dispatcher.
type Service interface {
	Handlers() []op.Handler
	Described() []op.Described
}

// Enforced is a dispatcher with IAM's real policies.
type Enforced struct {
	*Dispatcher
	Records identity.Records
	users   int
}

// Enforce puts services behind IAM's real policies, on the database of a test that
// has made there what it needs.
func Enforce(t testing.TB, db *store.SQL, services ...Service) *Enforced {
	t.Helper()
	e := &Enforced{Records: identity.NewRecords()}
	if err := db.Migrate(t.Context(), e.Records.Tables()...); err != nil {
		t.Fatal(err)
	}
	e.Dispatcher = on(t, db, identity.New(identity.Deps{DB: db, Records: e.Records}), nil)
	for _, s := range services {
		e.Serve(t, s)
	}
	return e
}

// Serve registers a service that was made with e itself as its Guard.
func (e *Enforced) Serve(t testing.TB, s Service) {
	t.Helper()
	e.Add(t, s.Handlers()...)
	e.Described(s.Handlers()[0].Service, s.Described())
}

// May is an IAM user of its own with a policy of these statements.
func (e *Enforced) May(t testing.TB, statements ...string) op.Caller {
	t.Helper()
	e.users++
	name := "user" + strings.Repeat("x", e.users)
	u := identity.User{Principal: identity.Principal{
		Name: name, Path: "/", Account: Account,
		Inline: map[string]string{"own": `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`},
	}}
	err := e.DB.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := e.Records.Users.Put(ctx, tx, identity.In(Account), name, u, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return e.User(name)
}

// All is the statement that allows everything.
const All = `{"Effect":"Allow","Action":"*","Resource":"*"}`

// Asking calls o as whoever is given; a body, where it takes one, is "text".
func Asking[I, O any](t testing.TB, e *Enforced, o op.Op[I, O], in *I) func(c op.Caller) error {
	return func(c op.Caller) error {
		_, body, err := op.CallStream(t.Context(), e, c, o, in, strings.NewReader("text"))
		if body != nil {
			err = errors.Join(err, body.Close())
		}
		return err
	}
}

// Decides fails the test unless the condition key decides over the call: a policy
// that allows it where key is value allows it, one that names another value does not;
// and one that denies it where key is value denies it, one that names another does not.
// call is made four times.
func (e *Enforced) Decides(t *testing.T, key, value string, call func(c op.Caller) error) {
	t.Helper()
	const other = "arn:aws:x:x:x:another"
	statement := func(effect, value string) string {
		return `{"Effect":"` + effect + `","Action":"*","Resource":"*","Condition":{"StringEquals":{"` + key + `":"` + value + `"}}}`
	}
	for _, tc := range []struct {
		name       string
		statements []string
		denied     bool
	}{
		{"Allow where it is " + value, []string{statement("Allow", value)}, false},
		{"Allow where it is another", []string{statement("Allow", other)}, true},
		{"Deny where it is " + value, []string{All, statement("Deny", value)}, true},
		{"Deny where it is another", []string{All, statement("Deny", other)}, false},
	} {
		err := call(e.May(t, tc.statements...))
		if tc.denied && !IsDenied(err) {
			t.Errorf("%s, %s: got %v, want the call to be denied", key, tc.name, err)
		}
		if !tc.denied && err != nil {
			t.Errorf("%s, %s: got %v, want the call to be made", key, tc.name, err)
		}
	}
}

// IsDenied tells whether err is AWS's refusal for want of a permission.
func IsDenied(err error) bool {
	e, ok := errors.AsType[*op.Error](err)
	return ok && strings.Contains(e.Message, " is not authorized to perform: ")
}
