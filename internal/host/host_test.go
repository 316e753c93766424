package host

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/docker"
)

func TestDoctorSaysWhatToDoNext(t *testing.T) {
	t.Parallel()
	taken := "127.0.0.1:0"
	for _, c := range (Doctor{Data: filepath.Join(t.TempDir(), "later"), Listen: taken}).Run(t.Context()) {
		if c.Name == "" || c.Detail == "" || (c.Fatal && c.OK) {
			t.Errorf("check %+v", c)
		}
		t.Logf("%-20s %v %s", c.Name, c.OK, c.Detail)
	}
	nobody := Doctor{Engine: "unix:///nonexistent/docker.sock"}.engine(t.Context())
	if len(nobody) != 1 || !nobody[0].Fatal || !strings.Contains(nobody[0].Next, "penstock setup") {
		t.Errorf("without an Engine: %+v", nobody)
	}
}

func TestSetupChangesNothingWhereAllIsThere(t *testing.T) {
	t.Parallel()
	e, err := docker.Connect("")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Ping(t.Context()); err != nil || os.Getuid() != 0 || len(lacking(needs, exec.LookPath)) > 0 {
		t.Skip("a machine that is set up is needed")
	}
	var out bytes.Buffer
	folder := filepath.Join(t.TempDir(), "none")
	if err := (Setup{Folder: folder, Clock: clock.System{}, Out: &out}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "packages are installed\nDocker Engine ") {
		t.Errorf("output: %s", out.String())
	}
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder for a new Engine was made: %v", err)
	}
}

func TestLackingPackagesAreNamedOnce(t *testing.T) {
	t.Parallel()
	got := lacking([]need{{"a", "one"}, {"b", "two"}, {"c", "one"}}, func(p string) (string, error) {
		if p == "b" {
			return "/bin/b", nil
		}
		return "", os.ErrNotExist
	})
	if !slices.Equal(got, []string{"one"}) {
		t.Errorf("lacking = %q", got)
	}
}

func TestAStalePIDFileIsRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "docker.pid")
	for range 2 {
		if err := removeStalePID(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("1\n"), 0o600); err != nil { // never dockerd
			t.Fatal(err)
		}
	}
	if err := removeStalePID(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
