package logstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/penstock-ci/penstock/internal/store"
)

// write stores one batch.
func write(ctx context.Context, tx store.Tx, stream, first int64, lines []Line, packed bool) error {
	rows := make([]stored, len(lines))
	for i, l := range lines {
		rows[i] = stored{l.At.UnixMicro(), l.Text}
	}
	body, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("encode lines: %w", err)
	}
	mark := 0
	if packed {
		mark = 1
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return fmt.Errorf("pack lines: %w", err)
		}
		body = z.EncodeAll(body, nil)
	}
	from, to := span(0, 0, lines)
	_, err = store.Exec(ctx, tx, `INSERT INTO log_batches (stream, first, count, first_at, last_at, packed, lines) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		stream, first, len(lines), from, to, mark, body)
	if err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	return nil
}

// batch is some lines in a row.
type batch struct {
	first int64
	lines []Line
}

// batches reads batches; where names conditions and order of log_batches.
func batches(ctx context.Context, r store.Reader, where string, args ...any) (out []batch, err error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("unpack lines: %w", err)
	}
	defer z.Close()
	err = store.Select(ctx, r, `SELECT first, packed, lines FROM log_batches WHERE `+where, args, func(scan func(...any) error) error {
		var b batch
		var packed int
		var body []byte
		if err := scan(&b.first, &packed, &body); err != nil {
			return err
		}
		if packed == 1 {
			var err error
			if body, err = z.DecodeAll(body, nil); err != nil {
				return fmt.Errorf("unpack lines from %d: %w", b.first, err)
			}
		}
		var rows []stored
		if err := json.Unmarshal(body, &rows); err != nil {
			return fmt.Errorf("decode lines from %d: %w", b.first, err)
		}
		for _, l := range rows {
			b.lines = append(b.lines, l.line())
		}
		out = append(out, b)
		return nil
	})
	return out, err
}
