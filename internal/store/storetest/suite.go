package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/penstock-ci/penstock/internal/store"
)

// Noun is the document of the suite.
type Noun struct {
	Name, State string
}

// Nouns is its collection.
func Nouns() store.Collection[Noun] {
	return store.Define(store.Schema[Noun]{
		Table: "storetest_nouns",
		Index: map[string]func(Noun) string{"state": func(n Noun) string { return n.State }},
	})
}

var here = store.Scope{Account: "100000000001", Region: "us-east-1"}

// Run is what every database must do. open gives an empty one with the tables made.
func Run(t *testing.T, open func(t *testing.T, tables ...store.Table) *store.SQL) {
	for name, test := range map[string]func(t *testing.T, db *store.SQL, c store.Collection[Noun]){
		"a document comes back as put":                       comesBack,
		"a write of an old version changes nothing":          oldVersion,
		"a failed update leaves no trace":                    rollsBack,
		"the failure of one update leaves its batch alone":   batchMates,
		"concurrent increments are all counted":              counts,
		"an update inside an update is refused":              nested,
		"a view inside an update reads it":                   viewInside,
		"a list walks an index in pages":                     pages,
		"a cursor stays good when its row goes":              cursorStays,
		"a list without region or account walks all":         everywhere,
		"a foreign cursor is refused":                        foreignCursor,
		"a commit wakes listeners, a rollback does not":      wakes,
		"a receipt is kept once":                             receipts,
		"an update with a cancelled context changes nothing": cancelled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Nouns()
			test(t, open(t, c), c)
		})
	}
}

func put(t *testing.T, db store.DB, c store.Collection[Noun], s store.Scope, key string, n Noun, old store.Version) (v store.Version, err error) {
	t.Helper()
	err = db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		v, err = c.Put(ctx, tx, s, key, n, old)
		return err
	})
	return v, err
}

func get(t *testing.T, db store.DB, c store.Collection[Noun], key string) (d store.Doc[Noun], err error) {
	t.Helper()
	err = db.View(t.Context(), func(ctx context.Context, r store.Reader) error {
		d, err = c.Get(ctx, r, here, key)
		return err
	})
	return d, err
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func comesBack(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	n := Noun{Name: "déjà \" vu", State: "on"}
	v := must[store.Version](t)(put(t, db, c, here, "a", n, 0))
	d := must[store.Doc[Noun]](t)(get(t, db, c, "a"))
	if d.Value != n || d.Version != v || d.Key != "a" || d.Scope != here {
		t.Fatalf("got %+v", d)
	}
	wantErr(t, db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return c.Delete(ctx, tx, here, "a", v+1) }), store.ErrVersion)
	if err := db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return c.Delete(ctx, tx, here, "a", v) }); err != nil {
		t.Fatal(err)
	}
	_, err := get(t, db, c, "a")
	wantErr(t, err, store.ErrNotFound)
}

func oldVersion(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	v := must[store.Version](t)(put(t, db, c, here, "a", Noun{State: "1"}, 0))
	_, err := put(t, db, c, here, "a", Noun{State: "x"}, 0)
	wantErr(t, err, store.ErrVersion)
	must[store.Version](t)(put(t, db, c, here, "a", Noun{State: "2"}, v))
	_, err = put(t, db, c, here, "a", Noun{State: "x"}, v)
	wantErr(t, err, store.ErrVersion)
	_, err = put(t, db, c, here, "none", Noun{}, 1)
	wantErr(t, err, store.ErrNotFound)
	if d := must[store.Doc[Noun]](t)(get(t, db, c, "a")); d.Value.State != "2" {
		t.Fatalf("got %+v", d)
	}
}

func rollsBack(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	refused := errors.New("refused")
	called := false
	wantErr(t, db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		tx.OnCommit(func() { called = true })
		if _, err := c.Put(ctx, tx, here, "a", Noun{}, 0); err != nil {
			return err
		}
		return refused
	}), refused)
	_, err := get(t, db, c, "a")
	wantErr(t, err, store.ErrNotFound)
	if called {
		t.Fatal("OnCommit ran though nothing was committed")
	}
}

func batchMates(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	refused := errors.New("refused")
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			err := db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
				if _, err := c.Put(ctx, tx, here, fmt.Sprint(i), Noun{}, 0); err != nil {
					return err
				}
				if i%3 == 0 {
					return refused
				}
				return nil
			})
			if (i%3 == 0) != errors.Is(err, refused) || (i%3 != 0 && err != nil) {
				t.Errorf("update %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := len(list(t, db, c, here, store.Query{})); n != 40 {
		t.Fatalf("%d documents, want 40", n)
	}
}

func counts(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	must[store.Version](t)(put(t, db, c, here, "n", Noun{State: "0"}, 0))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				err := db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
					d, err := c.Get(ctx, tx, here, "n")
					if err != nil {
						return err
					}
					d.Value.Name += "x"
					_, err = c.Put(ctx, tx, here, "n", d.Value, d.Version)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if d := must[store.Doc[Noun]](t)(get(t, db, c, "n")); len(d.Value.Name) != 40 || d.Version != 41 {
		t.Fatalf("got %d increments at version %d", len(d.Value.Name), d.Version)
	}
}

func nested(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	wantErr(t, db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		return db.Update(ctx, func(context.Context, store.Tx) error { return nil })
	}), store.ErrNested)
}

func viewInside(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	err := db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		if _, err := c.Put(ctx, tx, here, "a", Noun{}, 0); err != nil {
			return err
		}
		return db.View(ctx, func(ctx context.Context, r store.Reader) error {
			_, err := c.Get(ctx, r, here, "a")
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, db store.DB, c store.Collection[Noun], s store.Scope, q store.Query) (docs []store.Doc[Noun]) {
	t.Helper()
	err := db.View(t.Context(), func(ctx context.Context, r store.Reader) (err error) {
		docs, err = c.List(ctx, r, s, q)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func keys(docs []store.Doc[Noun]) (out []string) {
	for _, d := range docs {
		out = append(out, d.Key)
	}
	return out
}

func wantKeys(t *testing.T, docs []store.Doc[Noun], want ...string) {
	t.Helper()
	if got := keys(docs); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func pages(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	for key, state := range map[string]string{"a": "off", "b": "on", "c": "off", "d": "on", "B": "one", "e": "on"} {
		must[store.Version](t)(put(t, db, c, here, key, Noun{State: state}, 0))
	}
	first := list(t, db, c, here, store.Query{Index: "state", Prefix: "on", Limit: 2})
	wantKeys(t, first, "b", "d")
	wantKeys(t, list(t, db, c, here, store.Query{Index: "state", Prefix: "on", After: first[1].Cursor}), "e", "B")
	wantKeys(t, list(t, db, c, here, store.Query{Index: "state", Equal: "on", Desc: true}), "e", "d", "b")
	wantKeys(t, list(t, db, c, here, store.Query{Index: "state", Equal: "on", Desc: true, After: first[1].Cursor}), "b")
	wantKeys(t, list(t, db, c, here, store.Query{}), "B", "a", "b", "c", "d", "e")
	wantKeys(t, list(t, db, c, here, store.Query{Prefix: "b"}), "b")
}

func cursorStays(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	for _, key := range []string{"a", "b", "c"} {
		must[store.Version](t)(put(t, db, c, here, key, Noun{}, 0))
	}
	page := list(t, db, c, here, store.Query{Limit: 2})
	if err := db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return c.Delete(ctx, tx, here, "b", 1) }); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, list(t, db, c, here, store.Query{After: page[1].Cursor}), "c")
}

func everywhere(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	there := store.Scope{Account: "200000000002", Region: "eu-west-1"}
	must[store.Version](t)(put(t, db, c, here, "a", Noun{State: "1"}, 0))
	must[store.Version](t)(put(t, db, c, store.Scope{Account: here.Account, Region: "eu-west-1"}, "a", Noun{State: "2"}, 0))
	must[store.Version](t)(put(t, db, c, there, "a", Noun{State: "3"}, 0))
	if n := len(list(t, db, c, store.Scope{Account: here.Account}, store.Query{})); n != 2 {
		t.Fatalf("%d documents of the account, want 2", n)
	}
	seen := map[store.Scope]bool{}
	after := ""
	for {
		docs := list(t, db, c, store.Scope{}, store.Query{Limit: 1, After: after})
		if len(docs) == 0 {
			break
		}
		seen[docs[0].Scope], after = true, docs[0].Cursor
	}
	if len(seen) != 3 {
		t.Fatalf("saw %v", seen)
	}
}

func foreignCursor(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	for _, after := range []string{"no cursor", "e30"} {
		err := db.View(t.Context(), func(ctx context.Context, r store.Reader) error {
			_, err := c.List(ctx, r, here, store.Query{Index: "state", After: after})
			return err
		})
		wantErr(t, err, store.ErrCursor)
	}
}

func wakes(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	rung, stop := db.Listen("topic")
	defer stop()
	refused := errors.New("refused")
	wantErr(t, db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { store.Wake(tx, "topic"); return refused }), refused)
	select {
	case <-rung:
		t.Fatal("woken by a rollback")
	default:
	}
	if err := db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { store.Wake(tx, "topic"); return nil }); err != nil {
		t.Fatal(err)
	}
	<-rung
}

func receipts(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	var r store.Receipts
	give := func(answer string) error {
		return db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return r.Put(ctx, tx, "key", []byte(answer)) })
	}
	if err := give("one"); err != nil {
		t.Fatal(err)
	}
	wantErr(t, give("two"), store.ErrVersion)
	err := db.View(t.Context(), func(ctx context.Context, rd store.Reader) error {
		b, err := r.Get(ctx, rd, "key")
		if err == nil && string(b) != "one" {
			t.Errorf("got %q", b)
		}
		if err != nil {
			return err
		}
		_, err = r.Get(ctx, rd, "other")
		return err
	})
	wantErr(t, err, store.ErrNotFound)
}

func cancelled(t *testing.T, db *store.SQL, c store.Collection[Noun]) {
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := c.Put(ctx, tx, here, "a", Noun{}, 0); err != nil {
			return err
		}
		cancel()
		_, err := c.Put(ctx, tx, here, "b", Noun{}, 0)
		return err
	})
	wantErr(t, err, context.Canceled)
	wantKeys(t, list(t, db, c, here, store.Query{}))
}
