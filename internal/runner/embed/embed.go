// Package embed carries the runner's binary inside the server's. `make build` puts
// it into bin/ first; a server built without it says so at the first build.
package embed

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed all:bin
var files embed.FS

// Name of the binary in bin/ and in a build container.
const Name = "penstock-runner"

// ErrMissing is the answer of a server that was built by plain go build.
var ErrMissing = errors.New("this penstock was built without the build runner: build it with `make build`")

// Bytes is the runner.
func Bytes() ([]byte, error) {
	b, err := files.ReadFile("bin/" + Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrMissing
	}
	if err != nil {
		return nil, fmt.Errorf("read the embedded runner: %w", err)
	}
	return b, nil
}

// Unpack writes the runner into dir, with the name by which the nested Docker
// daemon calls it. Builds mount dir read-only.
func Unpack(dir string) error {
	b, err := Bytes()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the runner's folder: %w", err)
	}
	// Renamed into place: a running build keeps the file that it has mapped.
	file := filepath.Join(dir, Name)
	if err := os.WriteFile(file+".new", b, 0o755); err != nil {
		return fmt.Errorf("write the runner: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("write the runner: %w", err)
	}
	link := filepath.Join(dir, "runc")
	if err := os.Symlink(Name, link); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("link the runner as runc: %w", err)
	}
	return nil
}
