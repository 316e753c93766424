package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var embedded embed.FS

func ownMigrations() fs.FS {
	sub, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Migrate makes or extends the tables: first those that are no collection (forward
// only, numbered), then one per collection. Several servers may do it at once.
func (db *SQL) Migrate(ctx context.Context, tables ...Table) error {
	if err := db.migrateOwn(ctx); err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	return db.Update(ctx, func(ctx context.Context, tx Tx) error {
		for _, table := range tables {
			if err := table.migrate(ctx, tx.reader()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (db *SQL) migrateOwn(ctx context.Context) error {
	names, err := fs.Glob(db.migrations, "*.sql")
	if err != nil {
		return err
	}
	var steps []*goose.Migration
	for _, name := range names {
		text, err := fs.ReadFile(db.migrations, name)
		if err != nil {
			return err
		}
		number, err := strconv.ParseInt(strings.SplitN(name, "_", 2)[0], 10, 64)
		if err != nil {
			return fmt.Errorf("migration %s has no number: %w", name, err)
		}
		run := func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, db.dialect.sql(string(text)))
			return err
		}
		steps = append(steps, goose.NewGoMigration(number, &goose.GoFunc{RunTx: run}, nil))
	}
	if len(steps) == 0 {
		return nil
	}
	options := []goose.ProviderOption{goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true), goose.WithSlog(db.log)}
	pool, dialect := db.write, goose.DialectSQLite3
	if db.batches != nil {
		// The writer's connection is the batches'; migrate on one of our own while they rest.
		db.batches.turn.Lock()
		defer db.batches.turn.Unlock()
		if pool, err = sql.Open("sqlite", db.uri+"&_txlock=immediate"); err != nil {
			return err
		}
		defer pool.Close()
		pool.SetMaxOpenConns(1)
	}
	if db.dialect == postgresDialect {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, pool, nil, options...)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}
