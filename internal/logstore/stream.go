package logstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/store"
)

// Next is the number that the producer's next line has, 0 for an unknown one.
func (d *Database) Next(ctx context.Context, s Stream, producer string) (next uint64, err error) {
	err = d.db.View(ctx, func(ctx context.Context, r store.Reader) error {
		w, err := d.find(ctx, r, s)
		if err == nil {
			err = store.Row(ctx, r, `SELECT next FROM log_producers WHERE stream = $1 AND producer = $2`, []any{w.id, producer}, &next)
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return next, err
}

// Lines in a packed batch: enough to compress well, few enough to read a page.
const packedLines = 4000

// Close ends the stream and packs its lines. Each packed batch is a transaction of its
// own, so a long log keeps no other stream waiting; a Close that was cut off is gone on
// with by the next.
func (d *Database) Close(ctx context.Context, s Stream) error {
	var id int64
	err := d.db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		w, err := d.make(ctx, tx, s)
		id = w.id
		if err != nil || w.closed {
			return err
		}
		store.Wake(tx, topic(s))
		_, err = store.Exec(ctx, tx, `UPDATE log_streams SET closed_at = $2 WHERE id = $1`, id, d.clock.Now().UnixMicro())
		if err != nil {
			return fmt.Errorf("close log stream %s: %w", s.Name, err)
		}
		return nil
	})
	for more := true; err == nil && more; {
		err = d.db.Update(ctx, func(ctx context.Context, tx store.Tx) (err error) {
			more, err = pack(ctx, tx, id)
			return err
		})
	}
	return err
}

// pack makes one packed batch of the stream's first unpacked lines; more tells that
// there were any.
func pack(ctx context.Context, tx store.Tx, stream int64) (more bool, err error) {
	last, err := packable(ctx, tx, stream)
	if err != nil || last < 0 {
		return false, err
	}
	bs, err := batches(ctx, tx, `stream = $1 AND packed = 0 AND first <= $2 ORDER BY first`, stream, last)
	if err != nil {
		return false, err
	}
	var lines []Line
	for _, b := range bs {
		lines = append(lines, b.lines...)
	}
	_, err = store.Exec(ctx, tx, `DELETE FROM log_batches WHERE stream = $1 AND packed = 0 AND first <= $2`, stream, last)
	if err != nil {
		return false, fmt.Errorf("pack lines: %w", err)
	}
	return true, write(ctx, tx, stream, bs[0].first, lines, true)
}

// packable is where the last of the unpacked batches begins that make the next packed
// one: up to a gap that Expire left; -1 where all are packed. Their lines are not read.
func packable(ctx context.Context, r store.Reader, stream int64) (last int64, err error) {
	last = -1
	var next, lines int64
	full := false
	err = store.Select(ctx, r, `SELECT first, count FROM log_batches WHERE stream = $1 AND packed = 0 ORDER BY first LIMIT 64`, []any{stream}, func(scan func(...any) error) error {
		var first, count int64
		if err := scan(&first, &count); err != nil {
			return err
		}
		full = full || lines >= packedLines || last >= 0 && first != next
		if !full {
			last, next, lines = first, first+count, lines+count
		}
		return nil
	})
	if err != nil {
		return -1, fmt.Errorf("find unpacked lines: %w", err)
	}
	return last, nil
}

// Expire forgets the lines before an instant, by whole batches.
func (d *Database) Expire(ctx context.Context, s Stream, before time.Time) error {
	return d.db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		w, err := d.find(ctx, tx, s)
		if err != nil {
			return err
		}
		if _, err := store.Exec(ctx, tx, `DELETE FROM log_batches WHERE stream = $1 AND last_at < $2`, w.id, before.UnixMicro()); err != nil {
			return fmt.Errorf("expire lines of %s: %w", s.Name, err)
		}
		return nil
	})
}

// Delete forgets the stream; store.ErrNotFound if there is none.
func (d *Database) Delete(ctx context.Context, s Stream) error {
	return d.db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		w, err := d.find(ctx, tx, s)
		if err != nil {
			return err
		}
		for _, text := range []string{`DELETE FROM log_batches WHERE stream = $1`, `DELETE FROM log_producers WHERE stream = $1`, `DELETE FROM log_streams WHERE id = $1`} {
			if _, err := store.Exec(ctx, tx, text, w.id); err != nil {
				return fmt.Errorf("delete log stream %s: %w", s.Name, err)
			}
		}
		store.Wake(tx, topic(s))
		return nil
	})
}

// Summary is a stream without its lines. Times are zero where it has none.
type Summary struct {
	Stream
	Created, First, Last, Closed time.Time
	Lines, Bytes                 int64
}

// List walks a group's streams by name, behind after ("" from the first); limit 0 gives all.
// Group "" walks nothing: groups are nouns of the logs service.
func (d *Database) List(ctx context.Context, account, region, group, prefix, after string, limit int) (out []Summary, err error) {
	if limit <= 0 {
		limit = 1 << 30
	}
	err = d.db.View(ctx, func(ctx context.Context, r store.Reader) error {
		return store.Select(ctx, r, `SELECT name, created_at, first_at, last_at, closed_at, next, bytes FROM log_streams
			WHERE account = $1 AND region = $2 AND log_group = $3 AND name > $4 AND name >= $5 AND name < $6 ORDER BY name LIMIT $7`,
			[]any{account, region, group, after, prefix, prefix + "\U0010FFFF", limit}, func(scan func(...any) error) error {
				v := Summary{Stream: Stream{Account: account, Region: region, Group: group}}
				var created, first, last, closed int64
				if err := scan(&v.Name, &created, &first, &last, &closed, &v.Lines, &v.Bytes); err != nil {
					return err
				}
				v.Created, v.First, v.Last, v.Closed = instant(created), instant(first), instant(last), instant(closed)
				out = append(out, v)
				return nil
			})
	})
	if err != nil {
		return nil, fmt.Errorf("list log streams of %s: %w", group, err)
	}
	return out, nil
}

func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
