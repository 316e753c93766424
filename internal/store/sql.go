package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
)

// Options say where the database is.
type Options struct {
	Dir        string // the data folder: SQLite in Dir/File
	File       string // "penstock.db" unless told
	DSN        string // "postgres://…" instead of Dir
	Migrations fs.FS  // *.sql tables that are no collection; this package's own unless told
	Log        *slog.Logger
	Clock      clock.Clock
}

// SQL is a DB on SQLite or PostgreSQL.
type SQL struct {
	dialect    *dialect
	log        *slog.Logger
	clock      clock.Clock
	migrations fs.FS
	bells      bells
	write      *sql.DB   // on PostgreSQL Views, too
	readers    *readers  // SQLite's Views
	batches    *batches  // SQLite's writer
	notifier   *notifier // PostgreSQL's
	uri        string    // of the SQLite file
	close      []func() error
}

// Open opens the database, making it if it is not there. Tables are made by Migrate.
func Open(ctx context.Context, o Options) (*SQL, error) {
	db := &SQL{log: o.Log, clock: o.Clock, migrations: o.Migrations, bells: bells{waiters: map[string]map[chan struct{}]bool{}}}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if db.clock == nil {
		db.clock = clock.System{}
	}
	if db.migrations == nil {
		db.migrations = ownMigrations()
	}
	var err error
	if o.DSN != "" {
		err = db.openPostgres(ctx, o.DSN)
	} else {
		err = db.openSQLite(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(full(err), db.Close())
	}
	return db, nil
}

func (db *SQL) openSQLite(ctx context.Context, o Options) error {
	file := filepath.Join(o.Dir, o.File)
	if o.File == "" {
		file = filepath.Join(o.Dir, "penstock.db")
	}
	unlock, err := lockFolder(o.Dir, file+".lock")
	if err != nil {
		return err
	}
	db.close = append(db.close, unlock)
	db.dialect = sqliteDialect
	uri := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(file) +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
	db.uri = uri
	if db.write, err = sql.Open("sqlite", uri+"&_txlock=immediate"); err != nil {
		return fmt.Errorf("open database %s: %w", file, err)
	}
	db.close = append(db.close, db.write.Close)
	db.write.SetMaxOpenConns(1)
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open database %s: %w", file, err)
	}
	db.batches = newBatches(db, conn)
	db.close = append(db.close, db.batches.close)
	read, err := sql.Open("sqlite", uri+"&_pragma=query_only(1)")
	if err != nil {
		return fmt.Errorf("open database %s: %w", file, err)
	}
	db.readers = newReaders(read)
	db.close = append(db.close, db.readers.close)
	return nil
}

// Close waits for open transactions and closes the database.
func (db *SQL) Close() error {
	var errs []error
	for i := len(db.close) - 1; i >= 0; i-- {
		errs = append(errs, db.close[i]())
	}
	db.close = nil
	return errors.Join(errs...)
}

// View runs f on one snapshot of the committed rows.
func (db *SQL) View(ctx context.Context, f func(ctx context.Context, r Reader) error) error {
	if t := db.open(ctx); t != nil {
		return f(ctx, t)
	}
	look := func(q querier) error {
		t := &transaction{db: db, q: q}
		defer t.closed.Store(true)
		return f(within(ctx, t), t)
	}
	if db.readers != nil {
		return db.readers.view(ctx, look)
	}
	return db.viewPostgres(ctx, look)
}

// Update runs f in one serializable transaction; it returns once that is on disk. Its
// error is syscall.ENOSPC where there is no room for it.
func (db *SQL) Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error {
	if t := db.open(ctx); t != nil && t.writes {
		return ErrNested
	}
	if db.batches != nil {
		return full(db.batches.update(ctx, f))
	}
	return full(db.updatePostgres(ctx, f))
}

// Now is the database's clock, which all servers share: sessions are renewed and
// judged by it. SQLite has one server, so its clock is the clock.
func Now(ctx context.Context, r Reader) (time.Time, error) {
	t := r.reader()
	if t.db.dialect == sqliteDialect {
		return t.db.clock.Now(), nil
	}
	var us int64
	err := Row(ctx, r, `SELECT (extract(epoch from clock_timestamp()) * 1000000)::bigint`, nil, &us)
	return time.UnixMicro(us).UTC(), err
}

// Alone tells that no other server can have this database open: SQLite's folder is locked.
func Alone(r Reader) bool { return r.reader().db.dialect == sqliteDialect }
