package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAProgramIsToldByItsBuildID(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b, err := io.ReadAll(unmistakable(f))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if id := read(exe); !strings.Contains(id, "Go\x00") || len(id) > 1<<10 {
		t.Errorf("this program is told by %d bytes, not by its build id", len(id))
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(script); got != "#!/bin/sh\n" {
		t.Errorf("a program without an id is told by %q, not by its bytes", got)
	}
}
