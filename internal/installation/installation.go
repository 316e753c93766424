// Package installation names one Penstock on a machine: its data folder, its id
// and the places that derive from both. Several may live side by side; every
// object outside the data folder carries the id.
package installation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-ci/penstock/internal/ids"
)

// Runtime is where namespaces, sockets and claims lie: gone after a reboot.
const Runtime = "/run/penstock"

// idLength keeps names of network links (15 characters with prefix and number) short enough.
const idLength = 6

// Installation is one data folder.
type Installation struct {
	ID   string
	Data string // absolute
}

// Open finds the installation of data, or makes it.
func Open(data string) (Installation, error) {
	in, err := Find(data)
	if !errors.Is(err, fs.ErrNotExist) {
		return in, err
	}
	if err := os.MkdirAll(in.Data, 0o700); err != nil {
		return in, fmt.Errorf("make the data folder: %w", err)
	}
	in.ID = ids.Lower(idLength, "")
	if err := in.name(); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return Find(data)
		}
		return in, fmt.Errorf("name the installation: %w", err)
	}
	return in, nil
}

// name writes the id, wholly or not at all; fs.ErrExist where another was quicker. It is
// a file, not a row: commands must find the server's socket without the database.
func (in Installation) name() error {
	f, err := os.CreateTemp(in.Data, "installation-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(in.ID + "\n")
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), in.file())
}

// Find is Open for commands that must not make one; fs.ErrNotExist where there is none.
func Find(data string) (Installation, error) {
	abs, err := filepath.Abs(data)
	if err != nil {
		return Installation{}, fmt.Errorf("data folder %s: %w", data, err)
	}
	in := Installation{Data: abs}
	b, err := os.ReadFile(in.file())
	if err != nil {
		return in, fmt.Errorf("no installation in %s: %w", abs, err)
	}
	in.ID = strings.TrimSpace(string(b))
	if len(in.ID) != idLength {
		return in, fmt.Errorf("%s holds %q, which is no installation's id: restore it from a backup (containers and namespaces carry the id)", in.file(), in.ID)
	}
	return in, nil
}

func (in Installation) file() string { return filepath.Join(in.Data, "installation") }

// Path is a place below the data folder.
func (in Installation) Path(parts ...string) string {
	return filepath.Join(append([]string{in.Data}, parts...)...)
}

// Root is the installation's folder below Runtime. Sockets lie there too, as a
// socket's path may not be longer than 107 bytes and a data folder's may.
func (in Installation) Root() string { return filepath.Join(Runtime, in.ID) }

// Socket is the path of one of the unix sockets: serve, admin, dataplane.
func (in Installation) Socket(name string) string { return filepath.Join(in.Root(), name+".sock") }

// MakeRoot makes Root, for its owner only.
func (in Installation) MakeRoot() error {
	if err := os.MkdirAll(in.Root(), 0o700); err != nil {
		return fmt.Errorf("make the runtime folder: %w", err)
	}
	return nil
}
