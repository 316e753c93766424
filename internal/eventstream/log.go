package eventstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/store"
)

// topic is woken by every Append.
const topic = "facts"

// Log is the Stream in the database.
type Log struct{ clock clock.Clock }

var _ Stream = (*Log)(nil)

// New makes the stream; its tables come with the store's.
func New(c clock.Clock) *Log { return &Log{c} }

// Append adds facts in tx and wakes consumers on commit.
func (l *Log) Append(ctx context.Context, tx store.Tx, s store.Scope, facts ...Fact) error {
	for _, f := range facts {
		if f.At.IsZero() {
			f.At = l.clock.Now()
		}
		if f.ID == "" {
			f.ID = ids.UUID("")
		}
		if f.Detail == nil {
			f.Detail = json.RawMessage("{}")
		}
		resources, err := json.Marshal(f.Resources)
		if err != nil {
			return fmt.Errorf("append fact %s: %w", f.DetailType, err)
		}
		_, err = store.Exec(ctx, tx, `INSERT INTO facts (xid, id, account, region, source, detail_type, resources, detail, at)
			VALUES ({{xid}}, $1, $2, $3, $4, $5, $6, $7, $8)`,
			f.ID, s.Account, s.Region, f.Source, f.DetailType, string(resources), string(f.Detail), f.At.UnixMicro())
		if err != nil {
			return fmt.Errorf("append fact %s: %w", f.DetailType, err)
		}
	}
	if len(facts) > 0 {
		store.Wake(tx, topic)
	}
	return nil
}

// position of a fact in the stream.
type position struct{ xid, seq int64 }

func cursor(ctx context.Context, r store.Reader, consumer string) (p position, err error) {
	err = store.Row(ctx, r, `SELECT xid, seq FROM fact_cursors WHERE consumer = $1`, []any{consumer}, &p.xid, &p.seq)
	if errors.Is(err, store.ErrNotFound) {
		return position{-1, 0}, nil
	}
	return p, err
}

// Read gives the facts behind the consumer's cursor, oldest first. A new consumer
// begins with the oldest fact kept.
func (l *Log) Read(ctx context.Context, r store.Reader, consumer string, limit int) ([]Fact, error) {
	at, err := cursor(ctx, r, consumer)
	if err != nil {
		return nil, fmt.Errorf("cursor of %s: %w", consumer, err)
	}
	var facts []Fact
	err = store.Select(ctx, r, `SELECT id, account, region, source, detail_type, resources, detail, at FROM facts
		WHERE (xid, seq) > ($1, $2) AND xid < {{fence}} ORDER BY xid, seq LIMIT $3`,
		[]any{at.xid, at.seq, limit}, func(scan func(...any) error) error {
			var f Fact
			var resources, detail string
			var us int64
			if err := scan(&f.ID, &f.Scope.Account, &f.Scope.Region, &f.Source, &f.DetailType, &resources, &detail, &us); err != nil {
				return err
			}
			f.Detail, f.At = json.RawMessage(detail), time.UnixMicro(us).UTC()
			facts = append(facts, f)
			return json.Unmarshal([]byte(resources), &facts[len(facts)-1].Resources)
		})
	if err != nil {
		return nil, fmt.Errorf("read facts for %s: %w", consumer, err)
	}
	return facts, nil
}

// Done moves the consumer's cursor over the first n facts that Read gave.
func (l *Log) Done(ctx context.Context, tx store.Tx, consumer string, n int) error {
	if n <= 0 {
		return nil
	}
	at, err := cursor(ctx, tx, consumer)
	if err != nil {
		return fmt.Errorf("cursor of %s: %w", consumer, err)
	}
	var next position
	err = store.Row(ctx, tx, `SELECT xid, seq FROM facts WHERE (xid, seq) > ($1, $2) ORDER BY xid, seq LIMIT 1 OFFSET $3`,
		[]any{at.xid, at.seq, n - 1}, &next.xid, &next.seq)
	if err != nil {
		return fmt.Errorf("facts read by %s: %w", consumer, err)
	}
	return l.move(ctx, tx, consumer, next)
}

// Skip moves the consumer's cursor behind every fact that is certain: a consumer
// that wants only what comes starts with it.
func (l *Log) Skip(ctx context.Context, tx store.Tx, consumer string) error {
	p := position{-1, 0}
	err := store.Row(ctx, tx, `SELECT xid, seq FROM facts WHERE xid < {{fence}} ORDER BY xid DESC, seq DESC LIMIT 1`, nil, &p.xid, &p.seq)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("newest fact: %w", err)
	}
	return l.move(ctx, tx, consumer, p)
}

func (l *Log) move(ctx context.Context, tx store.Tx, consumer string, p position) error {
	_, err := store.Exec(ctx, tx, `INSERT INTO fact_cursors (consumer, xid, seq) VALUES ($1, $2, $3)
		ON CONFLICT (consumer) DO UPDATE SET xid = excluded.xid, seq = excluded.seq`, consumer, p.xid, p.seq)
	if err != nil {
		return fmt.Errorf("move cursor of %s: %w", consumer, err)
	}
	return nil
}

// Expire forgets facts that are older than Keep.
func (l *Log) Expire(ctx context.Context, tx store.Tx) error {
	_, err := store.Exec(ctx, tx, `DELETE FROM facts WHERE at < $1`, l.clock.Now().Add(-Keep).UnixMicro())
	if err != nil {
		return fmt.Errorf("expire facts: %w", err)
	}
	return nil
}
