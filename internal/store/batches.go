package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// batches is group commit: Updates that arrive while another one is on its way to
// disk share the next transaction, and so one fsync. Each runs in its caller's
// goroutine under a savepoint of its own; whoever finds nobody waiting behind it
// commits for all.
type batches struct {
	*connection
	db      *SQL
	waiting atomic.Int64
	behind  chan struct{} // a place for each background Update in the queue
	turn    sync.Mutex    // held while a member runs, and during the commit
	open    *batch
	broken  error
}

type batch struct {
	members int
	done    chan struct{}
	err     error
}

const (
	// A batch is committed at this size even if more are waiting, so that the first
	// member does not wait for ever under a steady stream.
	maxMembers = 256
)

func newBatches(db *SQL, conn *sql.Conn) *batches {
	return &batches{db: db, connection: newConnection(conn), behind: make(chan struct{}, maxBackground)}
}

func (b *batches) close() error {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.broken = errors.New("database is closed")
	return b.connection.close()
}

func (b *batches) update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error {
	if isBackground(ctx) {
		b.behind <- struct{}{}
		defer func() { <-b.behind }() // after the commit
	}
	b.waiting.Add(1)
	b.turn.Lock()
	b.waiting.Add(-1)
	t := &transaction{db: b.db, q: b, writes: true}
	joined, err := b.join(ctx, t, f)
	if joined == nil {
		b.turn.Unlock()
		return err
	}
	if err != nil {
		return err // the batch goes on without it
	}
	<-joined.done
	if joined.err != nil {
		return fmt.Errorf("commit: %w", joined.err)
	}
	t.finish()
	return nil
}

// join runs f as a member of the open batch and passes the turn on, committing if
// nobody waits. It gives nil, turn held, when no batch could be opened.
func (b *batches) join(ctx context.Context, t *transaction, f func(ctx context.Context, tx Tx) error) (*batch, error) {
	if b.broken != nil {
		return nil, b.broken
	}
	if b.open == nil {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if err := b.run("BEGIN IMMEDIATE"); err != nil {
			return nil, fmt.Errorf("begin: %w", err)
		}
		b.open = &batch{done: make(chan struct{})}
	}
	joined := b.open
	defer b.pass() // also when f panics
	return joined, b.member(ctx, t, f)
}

// member runs f between savepoint and release.
func (b *batches) member(ctx context.Context, t *transaction, f func(ctx context.Context, tx Tx) error) (err error) {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := b.run("SAVEPOINT member"); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	ok := false
	defer func() {
		t.closed.Store(true)
		if ok {
			return
		}
		if e := b.run("ROLLBACK TO member"); e != nil {
			// The database has rolled back everything (disk full, I/O error).
			b.open.err = errors.Join(err, e)
			return
		}
		if e := b.run("RELEASE member"); e != nil {
			b.open.err = errors.Join(err, e)
		}
	}()
	if err := f(within(ctx, t), t); err != nil {
		return err
	}
	if err := b.run("RELEASE member"); err != nil {
		return fmt.Errorf("release savepoint: %w", err)
	}
	ok = true
	b.open.members++
	return nil
}

// pass gives the turn to the next member, or commits.
func (b *batches) pass() {
	defer b.turn.Unlock()
	open := b.open
	if open.err == nil && b.waiting.Load() > 0 && open.members < maxMembers {
		return
	}
	b.open = nil
	if open.err == nil && open.members > 0 {
		open.err = b.run("COMMIT")
	}
	if open.err != nil || open.members == 0 {
		if err := b.run("ROLLBACK"); err != nil && open.err == nil {
			open.err = err
		}
	}
	close(open.done)
}
