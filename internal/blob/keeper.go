package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/store"
)

// Grace is how long a blob without a hold is kept: whoever puts one has so long to
// name it.
const Grace = 24 * time.Hour

// Keeper is a Store whose blobs have rows and are collected when nobody holds them.
type Keeper struct {
	Store
	db    store.DB
	clock clock.Clock
	// locks parts Put and the deletion of the same bytes, by the digest's first byte.
	locks [256]sync.RWMutex
}

var (
	_ Store = (*Keeper)(nil)
	_ Holds = (*Keeper)(nil)
)

// NewKeeper keeps the rows of s in db.
func NewKeeper(s Store, db store.DB, c clock.Clock) *Keeper {
	return &Keeper{Store: s, db: db, clock: c}
}

// Put keeps the bytes of r for Grace; Hold keeps them longer. Not inside a transaction.
func (k *Keeper) Put(ctx context.Context, r io.Reader, want Digest) (Digest, int64, error) {
	d, n, err := k.Store.Put(ctx, r, want)
	if err != nil {
		return "", 0, err
	}
	return d, n, k.Register(ctx, d, n)
}

// Register makes the row of bytes that have been put (by an Upload's Commit).
func (k *Keeper) Register(ctx context.Context, d Digest, size int64) error {
	l := k.lock(d)
	l.RLock()
	defer l.RUnlock()
	// The collector may have come between the bytes and here.
	f, err := k.Store.Open(ctx, d, 0, 0)
	if err != nil {
		return fmt.Errorf("register blob: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("register blob: %w", err)
	}
	return k.db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := store.Exec(ctx, tx, `INSERT INTO blobs (digest, size, touched_at) VALUES ($1, $2, $3)
			ON CONFLICT (digest) DO UPDATE SET touched_at = excluded.touched_at`, string(d), size, k.clock.Now().UnixMicro())
		if err != nil {
			return fmt.Errorf("register blob %s: %w", d, err)
		}
		return nil
	})
}

func (k *Keeper) lock(d Digest) *sync.RWMutex {
	var b byte
	if len(d) > 9 {
		b = d[7]<<4 ^ d[8] // two hex digits of the hash
	}
	return &k.locks[b]
}

// Size is the number of bytes of a registered blob.
func (k *Keeper) Size(ctx context.Context, r store.Reader, d Digest) (n int64, err error) {
	if err := store.Row(ctx, r, `SELECT size FROM blobs WHERE digest = $1`, []any{string(d)}, &n); err != nil {
		return 0, fmt.Errorf("blob %s: %w", d, err)
	}
	return n, nil
}

// Hold keeps d until owner releases it. Twice is once.
func (k *Keeper) Hold(ctx context.Context, tx store.Tx, d Digest, owner string) error {
	if _, err := k.Size(ctx, tx, d); err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	_, err := store.Exec(ctx, tx, `INSERT INTO blob_holds (digest, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING`, string(d), owner)
	if err != nil {
		return fmt.Errorf("hold blob %s: %w", d, err)
	}
	return nil
}

// Release ends owner's hold; without one it does nothing.
func (k *Keeper) Release(ctx context.Context, tx store.Tx, d Digest, owner string) error {
	n, err := store.Exec(ctx, tx, `DELETE FROM blob_holds WHERE digest = $1 AND owner = $2`, string(d), owner)
	if err == nil && n > 0 {
		_, err = store.Exec(ctx, tx, `UPDATE blobs SET touched_at = $2 WHERE digest = $1`, string(d), k.clock.Now().UnixMicro())
	}
	if err != nil {
		return fmt.Errorf("release blob %s: %w", d, err)
	}
	return nil
}

const unheld = `touched_at < $1 AND NOT EXISTS (SELECT 1 FROM blob_holds h WHERE h.digest = blobs.digest)`

// Collect deletes what nobody has held for Grace and gives how many blobs that
// were. Bytes without a row (a crash between the two) get one, and so their Grace.
func (k *Keeper) Collect(ctx context.Context) (deleted int, err error) {
	before := k.clock.Now().Add(-Grace).UnixMicro()
	var old []Digest
	known := map[Digest]bool{}
	err = k.db.View(ctx, func(ctx context.Context, r store.Reader) error {
		err := store.Select(ctx, r, `SELECT digest FROM blobs WHERE `+unheld, []any{before}, func(scan func(...any) error) error {
			var d Digest
			err := scan(&d)
			old = append(old, d)
			return err
		})
		if err != nil {
			return err
		}
		return store.Select(ctx, r, `SELECT digest FROM blobs`, nil, func(scan func(...any) error) error {
			var d Digest
			err := scan(&d)
			known[d] = true
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("look for unheld blobs: %w", err)
	}
	for _, d := range old {
		gone, err := k.collect(ctx, d, before)
		if err != nil {
			return deleted, fmt.Errorf("collect blob %s: %w", d, err)
		}
		if gone {
			deleted++
		}
	}
	return deleted, k.Store.List(ctx, func(d Digest) error {
		if known[d] {
			return nil
		}
		return k.found(ctx, d)
	})
}

func (k *Keeper) collect(ctx context.Context, d Digest, before int64) (gone bool, err error) {
	l := k.lock(d)
	l.Lock()
	defer l.Unlock()
	err = k.db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		n, err := store.Exec(ctx, tx, `DELETE FROM blobs WHERE digest = $2 AND `+unheld, before, string(d))
		gone = n > 0
		return err
	})
	if err != nil || !gone {
		return false, err
	}
	return true, k.Store.Delete(ctx, d)
}

// found makes a row for bytes without one.
func (k *Keeper) found(ctx context.Context, d Digest) error {
	f, err := k.Store.Open(ctx, d, 0, -1)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("measure blob %s: %w", d, err)
	}
	if err := k.Register(ctx, d, n); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}
