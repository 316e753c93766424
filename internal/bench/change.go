package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"github.com/penstock-ci/penstock/internal/store"
)

// changers are at it at once, each waiting for its own change to be on disk.
const changers = 100

// changes counts documents put, each in an Update of its own. The floor is the bare
// SQL with as many documents in each transaction, the best that group commit can do.
func (b *Bench) changes(ctx context.Context) (rows []Row, err error) {
	nouns := store.Define(store.Schema[noun]{Table: "bench_nouns"})
	in, err := b.Inside(ctx, nouns)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	least, err := openBare(ctx, filepath.Join(b.Folder, "change.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, least.close()) }()

	var key atomic.Int64
	ours, err := b.rate(ctx, changers, func(ctx context.Context, _ int) error {
		return in.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
			_, err := nouns.Put(ctx, tx, in.Root.Scope, strconv.FormatInt(key.Add(1), 10), newNoun(), 0)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("put documents: %w", err)
	}
	floor, err := b.rate(ctx, 1, func(ctx context.Context, _ int) error { return least.commit(ctx, changers) })
	if err != nil {
		return nil, fmt.Errorf("put documents by bare SQL: %w", err)
	}
	for i := range floor {
		floor[i] *= changers
	}
	return []Row{row("change", ours, floor)}, nil
}
