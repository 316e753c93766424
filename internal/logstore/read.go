package logstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/store"
)

// A cursor is f/N, reading on from line N, or b/N, reading back from before line N.
type place struct {
	back bool
	line int64
}

func (p place) String() string {
	if p.back {
		return "b/" + strconv.FormatInt(p.line, 10)
	}
	return "f/" + strconv.FormatInt(p.line, 10)
}

func parse(cursor string, next int64) (place, error) {
	switch cursor {
	case "":
		return place{}, nil
	case Tail:
		return place{back: true, line: next}, nil
	}
	way, number, _ := strings.Cut(cursor, "/")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || way != "f" && way != "b" {
		return place{}, fmt.Errorf("%q: %w", cursor, ErrCursor)
	}
	return place{way == "b", n}, nil
}

// Batches read at once while a page is filled.
const readAhead = 16

// Read gives up to limit lines from cursor on; store.ErrNotFound if there is no
// such stream.
func (d *Database) Read(ctx context.Context, s Stream, cursor string, limit int) (page Page, err error) {
	err = d.db.View(ctx, func(ctx context.Context, r store.Reader) error {
		w, err := d.find(ctx, r, s)
		if err != nil {
			return err
		}
		at, err := parse(cursor, w.next)
		if err != nil {
			return err
		}
		if at.back {
			page, err = back(ctx, r, w.id, at.line, limit)
		} else {
			page, err = forward(ctx, r, w.id, at.line, limit)
		}
		return err
	})
	return page, err
}

func forward(ctx context.Context, r store.Reader, stream, from int64, limit int) (Page, error) {
	var lines []Line
	begin, at := int64(-1), from
	for len(lines) < limit {
		bs, err := batches(ctx, r, `stream = $1 AND first + count > $2 AND first >= $3 ORDER BY first LIMIT $4`, stream, at, begun(ctx, r, stream, at), readAhead)
		if err != nil {
			return Page{}, err
		}
		if len(bs) == 0 {
			break
		}
		for _, b := range bs {
			skip := max(at-b.first, 0)
			take := b.lines[skip:]
			take = take[:min(len(take), limit-len(lines))]
			if begin < 0 {
				begin = b.first + skip
			}
			lines = append(lines, take...)
			at = b.first + skip + int64(len(take))
			if len(lines) == limit {
				break
			}
		}
	}
	if begin < 0 {
		begin = at
	}
	return Page{Lines: lines, Back: place{true, begin}.String(), Forward: place{false, at}.String()}, nil
}

// begun is the first line of the batch that holds line at: the primary key finds it,
// where the sum first + count could not.
func begun(ctx context.Context, r store.Reader, stream, at int64) (first int64) {
	if err := store.Row(ctx, r, `SELECT first FROM log_batches WHERE stream = $1 AND first <= $2 ORDER BY first DESC LIMIT 1`, []any{stream, at}, &first); err != nil {
		return 0 // none, or the query that follows says what is wrong
	}
	return first
}

func back(ctx context.Context, r store.Reader, stream, before int64, limit int) (Page, error) {
	var pieces [][]Line
	n, at := 0, before
	for n < limit {
		bs, err := batches(ctx, r, `stream = $1 AND first < $2 ORDER BY first DESC LIMIT $3`, stream, at, readAhead)
		if err != nil {
			return Page{}, err
		}
		if len(bs) == 0 {
			break
		}
		for _, b := range bs {
			take := b.lines[:min(int64(len(b.lines)), at-b.first)]
			if over := len(take) - (limit - n); over > 0 {
				take = take[over:]
				at = b.first + int64(over)
			} else {
				at = b.first
			}
			pieces, n = append(pieces, take), n+len(take)
			if n == limit {
				break
			}
		}
	}
	page := Page{Back: place{true, at}.String(), Forward: place{false, before}.String()}
	for i := len(pieces) - 1; i >= 0; i-- {
		page.Lines = append(page.Lines, pieces[i]...)
	}
	return page, nil
}

// Wait returns when there are lines behind cursor, or the stream is closed. It
// waits for a stream to be made, too.
func (d *Database) Wait(ctx context.Context, s Stream, cursor string) error {
	rung, stop := d.db.Listen(topic(s))
	defer stop()
	for {
		more := false
		err := d.db.View(ctx, func(ctx context.Context, r store.Reader) error {
			w, err := d.find(ctx, r, s)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			at, err := parse(cursor, w.next)
			more = w.closed || at.line < w.next
			return err
		})
		if err != nil || more {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-rung:
		}
	}
}

// At is the cursor that reads on from the first batch with a line at or after an
// instant; the reader skips the few lines before.
func (d *Database) At(ctx context.Context, s Stream, at time.Time) (cursor string, err error) {
	err = d.db.View(ctx, func(ctx context.Context, r store.Reader) error {
		w, err := d.find(ctx, r, s)
		if err != nil {
			return err
		}
		first := w.next
		err = store.Row(ctx, r, `SELECT first FROM log_batches WHERE stream = $1 AND last_at >= $2 ORDER BY first LIMIT 1`, []any{w.id, at.UnixMicro()}, &first)
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		cursor = place{line: first}.String()
		return err
	})
	return cursor, err
}
