// Package blob keeps bytes by digest: artifacts, image layers, S3 objects.
//
// The registry, s3 and the services that keep artifacts call it: bytes go in
// first, then the transaction that names them holds them. It never knows what the
// bytes are.
package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"strings"

	"github.com/penstock-ci/penstock/internal/store"
)

// Digest is "sha256:" and 64 hex digits.
type Digest string

// Valid tells whether d has the form of a digest.
func (d Digest) Valid() bool {
	h, ok := strings.CutPrefix(string(d), "sha256:")
	if !ok || len(h) != 64 || strings.ToLower(h) != h {
		return false
	}
	_, err := hex.DecodeString(h)
	return err == nil
}

var (
	// ErrDigest: the bytes are not what was announced; nothing is kept.
	ErrDigest = errors.New("bytes do not have the announced digest")
	// ErrMalformed: a text that is no digest.
	ErrMalformed = errors.New("not a sha256 digest")
)

// Store keeps bytes. Missing ones are store.ErrNotFound. want "" takes any digest;
// n < 0 reads to the end.
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
