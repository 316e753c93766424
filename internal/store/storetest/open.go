// Package storetest is the contract of store.DB as tests, and the database that
// other packages' tests use. Only tests import it.
package storetest

import (
	"testing"

	"github.com/penstock-ci/penstock/internal/store"
)

// Open gives an empty SQLite database in a folder of the test's own, with tables made.
func Open(t testing.TB, tables ...store.Table) *store.SQL {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context(), tables...); err != nil {
		t.Fatal(err)
	}
	return db
}
