package store

import (
	"context"
	"database/sql"
	"errors"
)

// connection is one connection to SQLite with the statements prepared on it: there,
// parsing a statement of ours takes longer than running it. One transaction uses it
// at a time.
type connection struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// maxStatements are kept prepared; far above the number of texts in this module.
const maxStatements = 2000

func newConnection(conn *sql.Conn) *connection {
	return &connection{conn: conn, stmts: map[string]*sql.Stmt{}}
}

func (c *connection) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.conn.Close())...)
}

func (c *connection) run(query string) error {
	_, err := c.ExecContext(context.Background(), query)
	return err
}

// ExecContext implements querier.
func (c *connection) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

// QueryContext implements querier.
func (c *connection) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (c *connection) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.conn.PrepareContext(context.WithoutCancel(ctx), query)
	if err != nil {
		return nil, err
	}
	if len(c.stmts) >= maxStatements {
		for q, old := range c.stmts {
			old.Close()
			delete(c.stmts, q)
			break
		}
	}
	c.stmts[query] = s
	return s, nil
}
