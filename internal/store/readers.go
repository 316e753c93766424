package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// readers are SQLite's connections for Views.
type readers struct {
	db     *sql.DB
	places chan struct{}

	mu     sync.Mutex
	free   []*connection
	closed bool
}

// maxReaders is how many Views run side by side on SQLite; each connection holds
// ~2 MB of page cache.
const maxReaders = 8

func newReaders(db *sql.DB) *readers {
	return &readers{db: db, places: make(chan struct{}, maxReaders)}
}

// view runs f between BEGIN and its end on a connection of its own.
func (r *readers) view(ctx context.Context, f func(q querier) error) (err error) {
	r.places <- struct{}{}
	defer func() { <-r.places }()
	c, err := r.take(ctx)
	if err != nil {
		return fmt.Errorf("begin view: %w", err)
	}
	begun := false
	defer func() { // also when f panics
		ended := c.run("ROLLBACK") // nothing to keep
		if begun && ended == nil {
			ended = r.give(c)
		} else {
			ended = errors.Join(ended, c.close())
		}
		if err == nil && ended != nil {
			err = fmt.Errorf("end view: %w", ended)
		}
	}()
	if err := c.run("BEGIN"); err != nil {
		return fmt.Errorf("begin view: %w", err)
	}
	begun = true
	return f(c)
}

// take gives the connection that was used last, so that a quiet server fills few
// page caches and prepares few statements twice.
func (r *readers) take(ctx context.Context) (*connection, error) {
	r.mu.Lock()
	if n := len(r.free); n > 0 {
		c := r.free[n-1]
		r.free = r.free[:n-1]
		r.mu.Unlock()
		return c, nil
	}
	r.mu.Unlock()
	conn, err := r.db.Conn(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	return newConnection(conn), nil
}

func (r *readers) give(c *connection) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return c.close()
	}
	r.free = append(r.free, c)
	return nil
}

// close ends the connections; one in use is ended when its View is over.
func (r *readers) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var errs []error
	for _, c := range r.free {
		errs = append(errs, c.close())
	}
	r.free = nil
	return errors.Join(append(errs, r.db.Close())...)
}
