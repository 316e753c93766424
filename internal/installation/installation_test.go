package installation

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestInstallationKeepsItsID(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	if _, err := Find(data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Find before Open: %v", err)
	}
	first, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(data)
	if err != nil || second != first {
		t.Errorf("second Open = %+v, %v; first %+v", second, err, first)
	}
}

func TestDamagedIDIsNotReplaced(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "installation"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if in, err := Open(data); err == nil {
		t.Errorf("an empty id was accepted as %+v", in)
	}
}
