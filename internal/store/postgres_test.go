package store_test

import (
	"context"
	"testing"

	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
	"github.com/penstock-ci/penstock/internal/store/storetest/postgrestest"
)

func openPostgres(t *testing.T, dsn string, tables ...store.Table) *store.SQL {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{DSN: dsn})
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

func TestPostgreSQLKeepsTheContract(t *testing.T) {
	t.Parallel()
	c := postgrestest.Need(t)
	storetest.Run(t, func(t *testing.T, tables ...store.Table) *store.SQL { return openPostgres(t, c.New(t), tables...) })
	t.Run("a commit on one server wakes another", func(t *testing.T) {
		t.Parallel()
		dsn := c.New(t)
		one, two := openPostgres(t, dsn), openPostgres(t, dsn)
		rung, stop := two.Listen("topic")
		defer stop()
		err := one.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { store.Wake(tx, "topic"); return nil })
		if err != nil {
			t.Fatal(err)
		}
		<-rung
	})
}
