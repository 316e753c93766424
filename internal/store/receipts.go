package store

import (
	"context"
	"fmt"
	"time"
)

// Receipts keeps the first answer of a change made with a key, in the change's own
// transaction. The zero value is ready.
type Receipts struct{}

// Get answers ErrNotFound for an unknown key.
func (Receipts) Get(ctx context.Context, r Reader, key string) ([]byte, error) {
	var answer []byte
	if err := Row(ctx, r, `SELECT answer FROM receipts WHERE "key" = $1`, []any{key}, &answer); err != nil {
		return nil, fmt.Errorf("receipt %s: %w", key, err)
	}
	return answer, nil
}

// Put fails with ErrVersion if there is a receipt already.
func (Receipts) Put(ctx context.Context, tx Tx, key string, answer []byte) error {
	now := tx.reader().db.clock.Now()
	n, err := Exec(ctx, tx, `INSERT INTO receipts ("key", answer, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, key, answer, now.UnixMicro())
	if err != nil {
		return fmt.Errorf("put receipt %s: %w", key, err)
	}
	if n == 0 {
		return fmt.Errorf("put receipt %s: %w", key, ErrVersion)
	}
	return nil
}

// Expire forgets receipts made before an instant; nothing repeats a change after a day.
func (Receipts) Expire(ctx context.Context, tx Tx, before time.Time) error {
	_, err := Exec(ctx, tx, `DELETE FROM receipts WHERE created_at < $1`, before.UnixMicro())
	return err
}
