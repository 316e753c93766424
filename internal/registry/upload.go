package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/store"
)

var (
	// ErrNoUpload: no such upload of that repository; the layer is to be begun again.
	ErrNoUpload = errors.New("no such upload")
	// ErrRange: a piece that does not follow on what there is.
	ErrRange = errors.New("the piece does not follow on what was received")
)

// Files is where uploads are written (*blob.Disk).
type Files interface{ Begin() (*blob.Upload, error) }

// Register makes the row of written bytes (*blob.Keeper).
type Register interface {
	Register(ctx context.Context, d blob.Digest, size int64) error
}

// Uploads are the layers that are coming in.
type Uploads struct {
	files Files
	rows  Register
	clock clock.Clock
	mu    sync.Mutex
	open  map[Upload]*upload
}

// Upload names one: its id is good for its repository only.
type Upload struct {
	Scope      store.Scope
	Repository string
	ID         string
}

type upload struct {
	mu      sync.Mutex
	blob    *blob.Upload
	touched time.Time // guarded by Uploads.mu
}

// NewUploads makes them.
func NewUploads(f Files, r Register, c clock.Clock) *Uploads {
	return &Uploads{files: f, rows: r, clock: c, open: map[Upload]*upload{}}
}

// abandoned is when an upload that nobody continues is thrown away.
const abandoned = 24 * time.Hour

// Begin starts an upload.
func (u *Uploads) Begin(scope store.Scope, repository string) (Upload, error) {
	b, err := u.files.Begin()
	if err != nil {
		return Upload{}, err
	}
	name := Upload{scope, repository, ids.UUID("")}
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.clock.Now()
	for old, up := range u.open {
		if now.Sub(up.touched) < abandoned || !up.mu.TryLock() {
			continue
		}
		delete(u.open, old)
		err = errors.Join(err, up.blob.Abort())
		up.mu.Unlock()
	}
	u.open[name] = &upload{blob: b, touched: now}
	return name, err
}

func (u *Uploads) find(name Upload) (*upload, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	up := u.open[name]
	if up == nil {
		return nil, ErrNoUpload
	}
	up.touched = u.clock.Now()
	return up, nil
}

// Size is what has been received.
func (u *Uploads) Size(name Upload) (int64, error) {
	up, err := u.find(name)
	if err != nil {
		return 0, err
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	return up.blob.Size(), nil
}

// pieceBuffer is large enough that hashing, not calls, takes the time.
const pieceBuffer = 1 << 20

// Append adds a piece that begins at from (any place if negative), and gives the
// size then. What came before an error stays: the client may go on from there.
func (u *Uploads) Append(name Upload, from int64, r io.Reader) (int64, error) {
	up, err := u.find(name)
	if err != nil {
		return 0, err
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	if from >= 0 && from != up.blob.Size() {
		return up.blob.Size(), ErrRange
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{up.blob}, struct{ io.Reader }{r}, make([]byte, pieceBuffer)); err != nil {
		return up.blob.Size(), fmt.Errorf("receive layer: %w", err)
	}
	return up.blob.Size(), nil
}

// Finish ends an upload: its bytes are durable, if they are what was announced.
func (u *Uploads) Finish(ctx context.Context, name Upload, want blob.Digest) (int64, error) {
	up, err := u.take(name)
	if err != nil {
		return 0, err
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	d, size, err := up.blob.Commit(want)
	if err != nil {
		return 0, errors.Join(err, up.blob.Abort())
	}
	return size, u.rows.Register(ctx, d, size)
}

// Abort throws an upload away.
func (u *Uploads) Abort(name Upload) error {
	up, err := u.take(name)
	if err != nil {
		return err
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	return up.blob.Abort()
}

func (u *Uploads) take(name Upload) (*upload, error) {
	up, err := u.find(name)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open[name] != up {
		return nil, ErrNoUpload
	}
	delete(u.open, name)
	return up, nil
}
