package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// connections of one server; PostgreSQL's default allows 100 in all.
const connections = 24

func (db *SQL) openPostgres(ctx context.Context, dsn string) error {
	db.dialect = postgresDialect
	pool, err := sql.Open("pgx", dsn)
	if err != nil {
		return fmt.Errorf("open PostgreSQL: %w", err)
	}
	db.close = append(db.close, pool.Close)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	if err := pool.PingContext(ctx); err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	db.write = pool
	db.startNotify(dsn)
	return nil
}

// viewPostgres runs f on one snapshot. The transaction outlives a cancelled ctx until f
// returns; each statement looks at ctx itself.
func (db *SQL) viewPostgres(ctx context.Context, f func(q querier) error) error {
	tx, err := db.write.BeginTx(context.WithoutCancel(ctx), &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return fmt.Errorf("begin view: %w", err)
	}
	defer tx.Rollback() // nothing to keep
	return f(tx)
}

// updatePostgres repeats f while the database finds it not serializable.
func (db *SQL) updatePostgres(ctx context.Context, f func(ctx context.Context, tx Tx) error) error {
	for attempt := 0; ; attempt++ {
		t, err := db.tryPostgres(ctx, f)
		if err == nil {
			t.finish()
			return nil
		}
		if !isRetryable(err) {
			return err
		}
		// Spread the rivals; 1 ms is a usual transaction.
		pause := rand.N(time.Millisecond << min(attempt, 6))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-db.clock.After(pause):
		}
	}
}

func (db *SQL) tryPostgres(ctx context.Context, f func(ctx context.Context, tx Tx) error) (*transaction, error) {
	tx, err := db.write.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // does nothing after Commit
	t := &transaction{db: db, q: tx, writes: true}
	defer t.closed.Store(true)
	if err := f(within(ctx, t), t); err != nil {
		return nil, err
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return t, nil
}
