package logstore

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Database is the Store in a database of its own.
type Database struct {
	db    *store.SQL
	clock clock.Clock
}

var _ Store = (*Database)(nil)

// Options say where the lines are: SQLite in Dir/logs.db, or PostgreSQL at DSN
// (then in a schema of its own, as the numbers of its migrations are).
type Options struct {
	Dir, DSN string
	Log      *slog.Logger
	Clock    clock.Clock
}

// Open opens the database and makes its tables.
func Open(ctx context.Context, o Options) (*Database, error) {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	db, err := store.Open(ctx, store.Options{Dir: o.Dir, File: "logs.db", DSN: o.DSN, Migrations: steps, Log: o.Log, Clock: o.Clock})
	if err != nil {
		return nil, fmt.Errorf("open log database: %w", err)
	}
	if err := db.Migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open log database: %w", err), db.Close())
	}
	return &Database{db, o.Clock}, nil
}

// Shut closes the database.
func (d *Database) Shut() error { return d.db.Close() }

// topic is woken by every change of the stream.
func topic(s Stream) string {
	return "log " + s.Account + "/" + s.Region + "/" + s.Group + "/" + s.Name
}

// row of a stream.
type row struct {
	id            int64
	next          int64
	closed        bool
	firstAt, last int64
}

func (d *Database) find(ctx context.Context, r store.Reader, s Stream) (w row, err error) {
	var closed int64
	err = store.Row(ctx, r, `SELECT id, next, closed_at, first_at, last_at FROM log_streams WHERE account = $1 AND region = $2 AND log_group = $3 AND name = $4`,
		[]any{s.Account, s.Region, s.Group, s.Name}, &w.id, &w.next, &closed, &w.firstAt, &w.last)
	w.closed = closed > 0
	if err != nil {
		return w, fmt.Errorf("log stream %s of %s: %w", s.Name, s.Group, err)
	}
	return w, nil
}

// make is find, making the stream if it is not there.
func (d *Database) make(ctx context.Context, tx store.Tx, s Stream) (row, error) {
	_, err := store.Exec(ctx, tx, `INSERT INTO log_streams (account, region, log_group, name, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		s.Account, s.Region, s.Group, s.Name, d.clock.Now().UnixMicro())
	if err != nil {
		return row{}, fmt.Errorf("make log stream %s of %s: %w", s.Name, s.Group, err)
	}
	return d.find(ctx, tx, s)
}

// Create makes an empty stream; store.ErrVersion if it exists.
func (d *Database) Create(ctx context.Context, s Stream) error {
	return d.db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := d.find(ctx, tx, s); !errors.Is(err, store.ErrNotFound) {
			return errors.Join(err, fmt.Errorf("create log stream %s: %w", s.Name, store.ErrVersion))
		}
		_, err := d.make(ctx, tx, s)
		return err
	})
}

// maxBatch keeps one row's worth of lines small enough to read a page quickly.
const maxBatch = 64 << 10

// Append is AppendFrom for a stream's only producer.
func (d *Database) Append(ctx context.Context, s Stream, first uint64, lines []Line) (next uint64, err error) {
	return d.AppendFrom(ctx, s, "", first, lines)
}

// AppendFrom adds lines which producer has numbered from first on. A producer that
// was never heard of may begin anywhere. The lines are on disk when it returns.
func (d *Database) AppendFrom(ctx context.Context, s Stream, producer string, first uint64, lines []Line) (next uint64, err error) {
	err = d.db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		w, err := d.make(ctx, tx, s)
		if err != nil {
			return err
		}
		var have int64
		err = store.Row(ctx, tx, `SELECT next FROM log_producers WHERE stream = $1 AND producer = $2`, []any{w.id, producer}, &have)
		if errors.Is(err, store.ErrNotFound) {
			have, err = int64(first), nil
		}
		if err != nil {
			return fmt.Errorf("acknowledged lines of %s: %w", s.Name, err)
		}
		next = uint64(have)
		if first > next {
			return fmt.Errorf("lines from %d of %s, expected %d: %w", first, s.Name, next, ErrGap)
		}
		skip := next - first
		if skip >= uint64(len(lines)) {
			return nil
		}
		if w.closed {
			return fmt.Errorf("append to %s: %w", s.Name, ErrClosed)
		}
		fresh := lines[skip:]
		next += uint64(len(fresh))
		_, err = store.Exec(ctx, tx, `INSERT INTO log_producers (stream, producer, next) VALUES ($1, $2, $3)
			ON CONFLICT (stream, producer) DO UPDATE SET next = excluded.next`, w.id, producer, int64(next))
		if err != nil {
			return fmt.Errorf("acknowledge lines of %s: %w", s.Name, err)
		}
		store.Wake(tx, topic(s))
		return d.add(ctx, tx, w, fresh)
	})
	return next, err
}

// add stores lines in batches and moves the stream on.
func (d *Database) add(ctx context.Context, tx store.Tx, w row, lines []Line) error {
	at, size := w.next, 0
	for len(lines) > 0 {
		n, bytes := 0, 0
		for n < len(lines) && (n == 0 || bytes+len(lines[n].Text) <= maxBatch) {
			bytes += len(lines[n].Text) + 32
			n++
		}
		if err := write(ctx, tx, w.id, at, lines[:n], false); err != nil {
			return err
		}
		w.firstAt, w.last = span(w.firstAt, w.last, lines[:n])
		at, size, lines = at+int64(n), size+bytes, lines[n:]
	}
	_, err := store.Exec(ctx, tx, `UPDATE log_streams SET next = $2, first_at = $3, last_at = $4, bytes = bytes + $5 WHERE id = $1`,
		w.id, at, w.firstAt, w.last, size)
	if err != nil {
		return fmt.Errorf("move log stream on: %w", err)
	}
	return nil
}

// span widens the times [first, last] (0: none yet) by those of lines.
func span(first, last int64, lines []Line) (int64, int64) {
	for _, l := range lines {
		at := l.At.UnixMicro()
		if first == 0 || at < first {
			first = at
		}
		last = max(last, at)
	}
	return first, last
}

// stored is a line's form in a batch.
type stored struct {
	at   int64
	text string
}

func (l stored) MarshalJSON() ([]byte, error) { return json.Marshal([]any{l.at, l.text}) }

func (l *stored) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &[]any{&l.at, &l.text}) }

func (l stored) line() Line { return Line{time.UnixMicro(l.at).UTC(), l.text} }
