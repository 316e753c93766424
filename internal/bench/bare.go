package bench

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// bare is SQLite without a store around it: the store's driver and pragmas, a table
// of a collection's shape, prepared statements, one connection.
type bare struct {
	db            *sql.DB
	insert, byKey *sql.Stmt
	next          int
}

// noun is the document that is written: the size of a small one of ours.
type noun struct{ Text string }

func newNoun() noun { return noun{strings.Repeat("x", 1000)} }

func openBare(ctx context.Context, file string) (_ *bare, err error) {
	b := &bare{}
	b.db, err = sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open the bare database: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open the bare database: %w", err), b.db.Close())
		}
	}()
	b.db.SetMaxOpenConns(1)
	_, err = b.db.ExecContext(ctx, `CREATE TABLE nouns (account TEXT, region TEXT, "key" TEXT, version INTEGER, schema_number INTEGER, document TEXT,
		PRIMARY KEY (account, region, "key"))`)
	if err != nil {
		return nil, err
	}
	b.insert, err = b.db.PrepareContext(ctx, `INSERT INTO nouns VALUES ('100000000001', 'us-east-1', $1, 1, 1, $2)`)
	if err != nil {
		return nil, err
	}
	b.byKey, err = b.db.PrepareContext(ctx, `SELECT document FROM nouns WHERE account = '100000000001' AND region = 'us-east-1' AND "key" = $1`)
	return b, err
}

// commit puts n documents into one transaction and returns when it is on disk.
func (b *bare) commit(ctx context.Context, n int) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // nothing to undo once committed
	insert := tx.StmtContext(ctx, b.insert)
	document, err := json.Marshal(newNoun())
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	for range n {
		b.next++
		if _, err := insert.ExecContext(ctx, strconv.Itoa(b.next), string(document)); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
	}
	return tx.Commit()
}

// read gets one document.
func (b *bare) read(ctx context.Context, key string) error {
	var text string
	return b.byKey.QueryRowContext(ctx, key).Scan(&text)
}

func (b *bare) close() error { return b.db.Close() }
