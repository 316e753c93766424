package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
)

// transaction is an open View or Update.
type transaction struct {
	db       *SQL
	q        querier
	writes   bool
	closed   atomic.Bool
	onCommit []func()
	wakes    map[string]bool // topics
}

// querier is *sql.Tx, or the writer's connection inside a batch.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (t *transaction) reader() *transaction { return t }

// OnCommit runs f after the commit, before Update returns.
func (t *transaction) OnCommit(f func()) { t.onCommit = append(t.onCommit, f) }

var errClosed = errors.New("transaction is over")

// before makes the context of one statement. A statement is never interrupted on
// SQLite: an interrupted write rolls back the whole transaction there, other
// members of the batch included.
func (t *transaction) before(ctx context.Context) (context.Context, error) {
	if t.closed.Load() {
		return nil, errClosed
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if t.db.dialect == sqliteDialect {
		return context.WithoutCancel(ctx), nil
	}
	return ctx, nil
}

// Exec runs a statement of the caller's own ($1 placeholders, {{words}} of the
// dialect) and tells how many rows it changed.
func Exec(ctx context.Context, tx Tx, query string, args ...any) (int64, error) {
	return tx.reader().exec(ctx, query, args...)
}

// Select runs a query and calls scan for every row; scan gets Rows.Scan.
func Select(ctx context.Context, r Reader, query string, args []any, scan func(scan func(...any) error) error) error {
	return r.reader().query(ctx, query, args, scan)
}

// Row reads the one row of a query into dest; ErrNotFound if there is none.
func Row(ctx context.Context, r Reader, query string, args []any, dest ...any) error {
	found := false
	err := r.reader().query(ctx, query, args, func(scan func(...any) error) error {
		found = true
		return scan(dest...)
	})
	if err == nil && !found {
		return ErrNotFound
	}
	return err
}

func (t *transaction) exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, err := t.before(ctx)
	if err != nil {
		return 0, err
	}
	res, err := t.q.ExecContext(ctx, t.db.dialect.sql(query), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t *transaction) query(ctx context.Context, query string, args []any, each func(scan func(...any) error) error) error {
	ctx, err := t.before(ctx)
	if err != nil {
		return err
	}
	rows, err := t.q.QueryContext(ctx, t.db.dialect.sql(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	return nil
}

// finish runs what was asked for after the commit.
func (t *transaction) finish() {
	for topic := range t.wakes {
		t.db.bells.ring(topic)
	}
	if t.db.notifier != nil && len(t.wakes) > 0 {
		t.db.notifier.add(t.wakes)
	}
	for _, f := range t.onCommit {
		f()
	}
}

type openKey struct{ db *SQL }

// open is the transaction that ctx carries, nil when none is open.
func (db *SQL) open(ctx context.Context) *transaction {
	t, _ := ctx.Value(openKey{db}).(*transaction)
	if t == nil || t.closed.Load() {
		return nil
	}
	return t
}

func within(ctx context.Context, t *transaction) context.Context {
	return context.WithValue(ctx, openKey{t.db}, t)
}
