package storetest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/penstock-ci/penstock/internal/store"
)

// file is the database's in its folder.
const file = "penstock.db"

// Template is a database at rest. A copy of it is open in a fraction of the time
// that making its tables takes, for tests that need hundreds of them.
type Template []byte

// Fill makes a database with tables, lets fill write to it, and keeps it.
func Fill(t testing.TB, fill func(db *store.SQL), tables ...store.Table) Template {
	t.Helper()
	dir := folder(t)
	db, err := store.Open(t.Context(), store.Options{Dir: dir, File: file})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context(), tables...); err != nil {
		t.Fatal(err)
	}
	fill(db)
	if err := db.Close(); err != nil { // which moves everything from the journal to the file
		t.Fatal(err)
	}
	body, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Open gives a copy in a folder of the test's own.
func (c Template) Open(t testing.TB) *store.SQL {
	t.Helper()
	dir := folder(t)
	if err := os.WriteFile(filepath.Join(dir, file), c, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Options{Dir: dir, File: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// memory is a folder in memory, where the host has one: nobody waits for a disk there.
const memory = "/dev/shm"

func folder(t testing.TB) string {
	t.Helper()
	if _, err := os.Stat(memory); err != nil {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "penstock-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
