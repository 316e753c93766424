package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

func (c *collection[T]) Get(ctx context.Context, r Reader, s Scope, key string) (Doc[T], error) {
	d := Doc[T]{Scope: s, Key: key}
	var number int
	var document string
	if err := Row(ctx, r, c.get, []any{s.Account, s.Region, key}, &d.Version, &number, &document); err != nil {
		return Doc[T]{}, fmt.Errorf("get %s %s: %w", c.Table, key, err)
	}
	var err error
	if d.Value, err = c.decode(document, number); err != nil {
		return Doc[T]{}, fmt.Errorf("decode %s %s: %w", c.Table, key, err)
	}
	return d, nil
}

func (c *collection[T]) Put(ctx context.Context, tx Tx, s Scope, key string, v T, old Version) (Version, error) {
	document, err := json.Marshal(v)
	if err != nil {
		return 0, fmt.Errorf("encode %s %s: %w", c.Table, key, err)
	}
	args := []any{s.Account, s.Region, key, c.Number, string(document)}
	text := c.insert
	if old != 0 {
		text = c.update
		args = append(args, int64(old))
	}
	n, err := Exec(ctx, tx, text, append(args, c.values(v)...)...)
	if err != nil {
		return 0, fmt.Errorf("put %s %s: %w", c.Table, key, err)
	}
	if n == 0 {
		return 0, fmt.Errorf("put %s %s: %w", c.Table, key, c.refusal(ctx, tx, s, key))
	}
	return old + 1, nil
}

// Delete removes the document if it is still at version old.
func (c *collection[T]) Delete(ctx context.Context, tx Tx, s Scope, key string, old Version) error {
	n, err := Exec(ctx, tx, c.remove, s.Account, s.Region, key, int64(old))
	if err != nil {
		return fmt.Errorf("delete %s %s: %w", c.Table, key, err)
	}
	if n == 0 {
		if err := c.refusal(ctx, tx, s, key); !errors.Is(err, ErrNewer) {
			return fmt.Errorf("delete %s %s: %w", c.Table, key, err)
		}
		return fmt.Errorf("delete %s %s: %w", c.Table, key, ErrVersion)
	}
	return nil
}

// refusal says why a write met no row.
func (c *collection[T]) refusal(ctx context.Context, r Reader, s Scope, key string) error {
	var version int64
	var number int
	var document string
	if err := Row(ctx, r, c.get, []any{s.Account, s.Region, key}, &version, &number, &document); err != nil {
		return err
	}
	if number > c.Number {
		return ErrNewer
	}
	return ErrVersion
}
