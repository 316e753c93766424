package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
)

func TestSQLiteKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, tables ...store.Table) *store.SQL { return storetest.Open(t, tables...) })
}

func TestSecondServerOnOneFolderIsRefusedInOneSentence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), store.Options{Dir: dir})
	if !errors.Is(err, store.ErrInUse) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatalf("after close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDocumentsOfAnOlderReleaseAreUpgradedAndOfANewerNeverWritten(t *testing.T) {
	t.Parallel()
	type v1 struct{ Name string }
	type v2 struct{ First, Last string }
	old := store.Define(store.Schema[v1]{Table: "people", Number: 1})
	now := store.Define(store.Schema[v2]{
		Table: "people", Number: 2,
		Index: map[string]func(v2) string{"last": func(p v2) string { return p.Last }},
		Upgrade: map[int]func(map[string]any){1: func(m map[string]any) {
			m["First"], m["Last"], _ = strings.Cut(m["Name"].(string), " ")
		}},
	})
	db := storetest.Open(t, old)
	s := store.Scope{Account: "1", Region: "r"}
	err := db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := old.Put(ctx, tx, s, "k", v1{"Ada Lovelace"}, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		docs, err := now.List(ctx, tx, s, store.Query{Index: "last", Equal: "Lovelace"})
		if err != nil || len(docs) != 1 {
			return fmt.Errorf("list by the new index: %d documents, %w", len(docs), err)
		}
		if _, err := now.Put(ctx, tx, s, "k", docs[0].Value, docs[0].Version); err != nil {
			return err
		}
		_, err = old.Put(ctx, tx, s, "k", v1{"x"}, 2)
		return err
	})
	if !errors.Is(err, store.ErrNewer) {
		t.Fatalf("got %v, want ErrNewer", err)
	}
}

// BenchmarkUpdate measures durable changes at 100 concurrent callers.
func BenchmarkUpdate(b *testing.B) {
	c := storetest.Nouns()
	db := storetest.Open(b, c)
	s := store.Scope{Account: "1", Region: "r"}
	b.SetParallelism(50) // × GOMAXPROCS 2
	b.ResetTimer()
	next := make(chan int, 1)
	next <- 0
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := <-next
			next <- n + 1
			err := db.Update(b.Context(), func(ctx context.Context, tx store.Tx) error {
				_, err := c.Put(ctx, tx, s, fmt.Sprint(n), storetest.Noun{Name: "x", State: "y"}, 0)
				return err
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}

func TestViewsGoOnAfterTheirFunctionsPanicked(t *testing.T) {
	t.Parallel()
	nouns := storetest.Nouns()
	db := storetest.Open(t, nouns)
	view := func(f func()) {
		defer func() { recover() }()
		err := db.View(t.Context(), func(ctx context.Context, r store.Reader) error {
			_, err := nouns.List(ctx, r, store.Scope{}, store.Query{})
			f()
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	for range 20 { // more than there are connections
		view(func() { panic("a mistake of a handler") })
	}
	called := false
	view(func() { called = true })
	if !called {
		t.Error("no view could be opened any more")
	}
}

func TestAStatementPreparedBeforeAMigrationReadsWhatCameWithIt(t *testing.T) {
	t.Parallel()
	type noun struct{ Name string }
	s := store.Scope{Account: "1", Region: "r"}
	plain := store.Define(store.Schema[noun]{Table: "migrated"})
	db := storetest.Open(t, plain)
	names := func(c store.Collection[noun], q store.Query) (found []string) {
		t.Helper()
		err := db.View(t.Context(), func(ctx context.Context, r store.Reader) error {
			docs, err := c.List(ctx, r, s, q)
			for _, d := range docs {
				found = append(found, d.Value.Name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	put := func(c store.Collection[noun], name string) {
		t.Helper()
		err := db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
			_, err := c.Put(ctx, tx, s, name, noun{name}, 0)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put(plain, "a")
	if got := names(plain, store.Query{}); len(got) != 1 {
		t.Fatalf("before the migration: %v", got)
	}
	indexed := store.Define(store.Schema[noun]{Table: "migrated", Index: map[string]func(noun) string{"name": func(n noun) string { return n.Name }}})
	if err := db.Migrate(t.Context(), indexed); err != nil {
		t.Fatal(err)
	}
	put(indexed, "b")
	if got := names(plain, store.Query{}); len(got) != 2 {
		t.Errorf("after the migration: %v, want a and b", got)
	}
	if got := names(indexed, store.Query{Index: "name", Equal: "b"}); len(got) != 1 {
		t.Errorf("by the new column: %v, want b", got)
	}
}
