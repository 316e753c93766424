// Package blob keeps bytes by digest.
package blob

import (
	"context"
	"io"

	"github.com/penstock-ci/penstock/internal/store"
)

type Digest string

type Store interface {
	Put(ctx context.Context, r io.Reader, want Digest) (Digest, int64, error) // durable on return
	Open(ctx context.Context, d Digest, off, n int64) (io.ReadCloser, error)
	Delete(ctx context.Context, d Digest) error // collector only
	List(ctx context.Context, f func(Digest) error) error
}

// Holds are rows: who names a blob. A blob without a hold for a day is
// collected: its row is deleted in a transaction first, its bytes after.
type Holds interface {
	Hold(ctx context.Context, tx store.Tx, d Digest, owner string) error // ErrNotFound: put it again
	Release(ctx context.Context, tx store.Tx, d Digest, owner string) error
}
