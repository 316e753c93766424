// Package embed carries the runner's binary inside the server's. `make build` puts
// it into bin/ first; a server built without it says so at the first build.
package embed

import (
	"embed"
	"errors"
	"fmt"
	"io"
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

// Unpack writes the runner into dir, with the name by which the nested Docker
// daemon calls it, unless a program of the same version has done so: writing it was a
// third of a start. Builds mount dir read-only.
func Unpack(dir, version string) error {
	runner, err := files.Open("bin/" + Name)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrMissing
	}
	if err != nil {
		return fmt.Errorf("read the embedded runner: %w", err)
	}
	defer runner.Close()
	file, stamp := filepath.Join(dir, Name), dir+".version"
	if isThere(file, stamp, version) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the runner's folder: %w", err)
	}
	// Renamed into place: a running build keeps the file that it has mapped.
	if err := write(file+".new", runner); err != nil {
		return fmt.Errorf("write the runner: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("write the runner: %w", err)
	}
	link := filepath.Join(dir, "runc")
	if err := os.Symlink(Name, link); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("link the runner as runc: %w", err)
	}
	if err := os.WriteFile(stamp, []byte(version), 0o644); err != nil {
		return fmt.Errorf("note the runner's version: %w", err)
	}
	return nil
}

// isThere tells whether file was unpacked by version. A file or a note that cannot be
// read is written anew, and says then what is wrong.
func isThere(file, stamp, version string) bool {
	noted, err := os.ReadFile(stamp)
	if err != nil || string(noted) != version {
		return false
	}
	_, err = os.Stat(file)
	return err == nil
}

func write(name string, from io.Reader) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
