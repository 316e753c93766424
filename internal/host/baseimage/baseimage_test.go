package baseimage

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/penstock-ci/penstock/internal/authority"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/docker"
)

// TestImagesAreMade takes a minute on a machine that has none of them.
func TestImagesAreMade(t *testing.T) {
	if testing.Short() {
		t.Skip("makes the prepackaged images")
	}
	e, err := docker.Connect("")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Ping(t.Context()); err != nil || os.Getuid() != 0 {
		t.Skipf("a Docker Engine and root are needed: %v", err)
	}
	host, err := authority.HostAdditional()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	m := Maker{Engine: e, Cache: os.Getenv("PENSTOCK_TEST_CACHE"), Authorities: host, Clock: clock.System{}, Out: &out}
	if err := m.Ensure(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
	for _, name := range []string{Debian, Build, Postgres, Python} {
		if id, err := e.HasImage(t.Context(), name); err != nil || id == "" {
			t.Errorf("image %s is not there: %v", name, err)
		}
	}
}

func TestSourcesOfTheDistributionAreTaken(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, body := range map[string]string{
		"etc/os-release":       "ID=debian\nVERSION_CODENAME=bookworm\n",
		"etc/apt/sources.list": "# deb http://old.example/debian bookworm main\ndeb [arch=amd64 signed-by=/k.gpg] http://one.example/debian bookworm main contrib\ndeb-src http://one.example/debian bookworm main\n",
		"etc/apt/sources.list.d/debian.sources": "Types: deb\n# a remark\nURIs: http://two.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\n" +
			"Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n",
		"etc/apt/sources.list.d/vendor.list": "deb https://vendor.example/apt stable main\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	release, lines, err := debianSources(root)
	want := []string{
		"deb [signed-by=/k.gpg] http://one.example/debian bookworm main contrib",
		"deb [signed-by=/k.gpg] http://two.example/debian bookworm main",
		"deb [signed-by=/k.gpg] http://two.example/debian bookworm-updates main",
	}
	if err != nil || release != "bookworm" || !slices.Equal(lines, want) {
		t.Errorf("sources of %s: %q, %v\nwant %q", release, lines, err, want)
	}
}
