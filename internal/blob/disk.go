package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/penstock-ci/penstock/internal/store"
)

// Disk is a Store in a folder: <dir>/ab/abcdef…, and <dir>/new for what is being written.
type Disk struct{ dir string }

var _ Store = (*Disk)(nil)

// OpenDisk makes the folder and removes what unfinished uploads left in it.
func OpenDisk(dir string) (*Disk, error) {
	unfinished := filepath.Join(dir, "new")
	if err := os.RemoveAll(unfinished); err != nil {
		return nil, fmt.Errorf("open blob folder: %w", err)
	}
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		return nil, fmt.Errorf("open blob folder: %w", err)
	}
	return &Disk{dir}, nil
}

func (s *Disk) path(d Digest) (string, error) {
	if !d.Valid() {
		return "", fmt.Errorf("%q: %w", d, ErrMalformed)
	}
	h := string(d[len("sha256:"):])
	return filepath.Join(s.dir, h[:2], h), nil
}

// copyBuffer is large enough that hashing and writing, not calls, take the time.
const copyBuffer = 1 << 20

// Put keeps the bytes of r, on disk when it returns.
func (s *Disk) Put(ctx context.Context, r io.Reader, want Digest) (Digest, int64, error) {
	u, err := s.Begin()
	if err != nil {
		return "", 0, err
	}
	defer u.Abort()
	if _, err := io.CopyBuffer(struct{ io.Writer }{u}, contextReader{ctx, r}, make([]byte, copyBuffer)); err != nil {
		return "", 0, fmt.Errorf("write blob: %w", err)
	}
	return u.Commit(want)
}

// contextReader stops a copy when its request is over.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// Open reads n bytes (to the end if n < 0) from off on.
func (s *Disk) Open(_ context.Context, d Digest, off, n int64) (io.ReadCloser, error) {
	path, err := s.path(d)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s: %w", d, store.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	if off > 0 {
		if _, err := f.Seek(off, io.SeekStart); err != nil {
			return nil, errors.Join(fmt.Errorf("seek in blob: %w", err), f.Close())
		}
	}
	if n < 0 {
		return f, nil
	}
	return section{io.LimitReader(f, n), f}, nil
}

type section struct {
	io.Reader
	io.Closer
}

// Delete removes the bytes; missing ones are no error.
func (s *Disk) Delete(_ context.Context, d Digest) error {
	path, err := s.path(d)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete blob: %w", err)
	}
	return nil
}

// List calls f for every blob.
func (s *Disk) List(ctx context.Context, f func(Digest) error) error {
	shards, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	for _, shard := range shards {
		if len(shard.Name()) != 2 {
			continue
		}
		files, err := os.ReadDir(filepath.Join(s.dir, shard.Name()))
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		for _, file := range files {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if d := Digest("sha256:" + file.Name()); d.Valid() {
				if err := f(d); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
