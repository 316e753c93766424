package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
)

// Upload is a blob being written, in as many pieces as come. It ends with Commit or Abort.
type Upload struct {
	disk *Disk
	file *os.File // nil when it has ended
	hash hash.Hash
	size int64
}

// Begin starts an upload.
func (s *Disk) Begin() (*Upload, error) {
	f, err := os.CreateTemp(filepath.Join(s.dir, "new"), "upload-")
	if err != nil {
		return nil, fmt.Errorf("begin blob: %w", err)
	}
	return &Upload{disk: s, file: f, hash: sha256.New()}, nil
}

// Size is what has been written so far.
func (u *Upload) Size() int64 { return u.size }

// Write adds bytes.
func (u *Upload) Write(b []byte) (int, error) {
	n, err := u.file.Write(b)
	u.hash.Write(b[:n])
	u.size += int64(n)
	return n, err
}

// Abort throws the upload away; after Commit it does nothing.
func (u *Upload) Abort() error {
	if u.file == nil {
		return nil
	}
	f := u.file
	u.file = nil
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Commit makes the blob durable under its digest: the file, then its name. Bytes
// that are there already are kept as they are.
func (u *Upload) Commit(want Digest) (Digest, int64, error) {
	d := Digest("sha256:" + hex.EncodeToString(u.hash.Sum(nil)))
	if want != "" && want != d {
		return "", 0, errors.Join(fmt.Errorf("%w: announced %s, got %s", ErrDigest, want, d), u.Abort())
	}
	path, err := u.disk.path(d)
	if err != nil {
		return "", 0, err
	}
	if _, err := os.Stat(path); err == nil {
		return d, u.size, u.Abort()
	}
	if err := u.file.Sync(); err != nil {
		return "", 0, fmt.Errorf("sync blob: %w", err)
	}
	name, folder := u.file.Name(), filepath.Dir(path)
	if err := u.file.Close(); err != nil {
		return "", 0, fmt.Errorf("close blob: %w", err)
	}
	u.file = nil
	err = os.Mkdir(folder, 0o700)
	if err == nil {
		err = syncFolder(u.disk.dir)
	} else if errors.Is(err, os.ErrExist) {
		err = nil
	}
	if err == nil {
		err = os.Rename(name, path)
	}
	if err == nil {
		err = syncFolder(folder)
	}
	if err != nil {
		return "", 0, fmt.Errorf("name blob: %w", err)
	}
	return d, u.size, nil
}

// syncFolder makes names in a folder durable.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
