package process

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/balance"
)

// files are what the process keeps: readable by its user only, each with the
// digest of its content in front, so that a torn one counts as none.
type files struct{ dir string }

const (
	snapshotFile = "snapshot"
	healthFile   = "health"
)

func (f files) save(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	sum := sha256.Sum256(b)
	content := append([]byte(hex.EncodeToString(sum[:])+"\n"), b...)
	// A process being replaced may write too.
	next := filepath.Join(f.dir, fmt.Sprintf("%s.%d", name, os.Getpid()))
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(next, filepath.Join(f.dir, name))
}

// load reads name into v; ok is false where there is none or it is torn.
func (f files) load(name string, v any) (ok bool, err error) {
	content, err := os.ReadFile(filepath.Join(f.dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	digest, b, _ := bytes.Cut(content, []byte("\n"))
	sum := sha256.Sum256(b)
	if hex.EncodeToString(sum[:]) != string(digest) {
		return false, nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	return true, nil
}

func (f files) snapshot() (s dataplane.Snapshot, ok bool, err error) {
	ok, err = f.load(snapshotFile, &s)
	return s, ok, err
}

func (f files) health() (map[string]balance.Health, error) {
	h := map[string]balance.Health{}
	_, err := f.load(healthFile, &h)
	return h, err
}
