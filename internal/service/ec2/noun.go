package ec2

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// find reads one noun; missing is AWS's error where there is none.
func find[T any](ctx context.Context, r store.Reader, c store.Collection[T], s store.Scope, id string, missing *op.Error) (store.Doc[T], error) {
	d, err := c.Get(ctx, r, s, id)
	if errors.Is(err, store.ErrNotFound) {
		return d, missing
	}
	if err != nil {
		return d, fmt.Errorf("read %s: %w", id, err)
	}
	return d, nil
}

// values lists a scope's documents of one noun, those of a VPC where one is named.
func values[T any](ctx context.Context, r store.Reader, c store.Collection[T], s store.Scope, vpc string) ([]T, error) {
	q := store.Query{}
	if vpc != "" {
		q = store.Query{Index: "vpc", Equal: vpc}
	}
	docs, err := c.List(ctx, r, s, q)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", c.Name(), err)
	}
	out := make([]T, len(docs))
	for i, d := range docs {
		out[i] = d.Value
	}
	return out, nil
}

func save[T any](ctx context.Context, tx store.Tx, c store.Collection[T], d store.Doc[T]) error {
	if _, err := c.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version); err != nil {
		return fmt.Errorf("write %s: %w", d.Key, err)
	}
	return nil
}

func add[T any](ctx context.Context, tx store.Tx, c store.Collection[T], s store.Scope, id string, v T) error {
	return save(ctx, tx, c, store.Doc[T]{Scope: s, Key: id, Value: v})
}

func drop[T any](ctx context.Context, tx store.Tx, c store.Collection[T], d store.Doc[T]) error {
	if err := c.Delete(ctx, tx, d.Scope, d.Key, d.Version); err != nil {
		return fmt.Errorf("delete %s: %w", d.Key, err)
	}
	return nil
}

// newID is derived from the change's key where it has one; what tells several ids of one change apart.
func newID(c op.Caller, prefix, what string) string {
	if c.Key == "" {
		return ids.Resource(prefix, "")
	}
	return ids.Resource(prefix, c.Key+"/"+what)
}

// must drops the number of a record's change: the publisher follows by itself.
func must(_ uint64, err error) error { return err }
