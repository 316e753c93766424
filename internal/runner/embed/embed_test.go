package embed

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestRunnerIsUnpackedOncePerVersion(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runner")
	file := filepath.Join(dir, Name)
	unpack := func(version string) int64 {
		t.Helper()
		err := Unpack(dir, version)
		if errors.Is(err, ErrMissing) {
			t.Skip("no runner was built into this test: `make build` makes one")
		}
		if err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm()&0o100 == 0 {
			t.Errorf("mode %v: nobody may run it", fi.Mode())
		}
		return fi.Size()
	}
	mark := func() {
		t.Helper()
		if err := os.WriteFile(file, []byte("mark"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	size := unpack("1")
	mark()
	if got := unpack("1"); got != 4 {
		t.Errorf("the same version wrote it again: %d bytes", got)
	}
	if got := unpack("2"); got != size {
		t.Errorf("another version left the old one: %d bytes, want %d", got, size)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := unpack("2"); got != size {
		t.Errorf("the file that was lost came back with %d bytes, want %d", got, size)
	}
}
