package mirror

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/computetest"
	"github.com/penstock-ci/penstock/internal/compute/docker"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
)

// archive is an Engine that has one image, as an archive of files.
type archive map[string]string

func (archive) HasImage(context.Context, string) (string, error) { return "sha256:1", nil }
func (archive) PullImage(context.Context, string, string) error  { return errors.New("no network") }
func (a archive) SaveImages(context.Context, []string) (io.ReadCloser, error) {
	var out bytes.Buffer
	t := tar.NewWriter(&out)
	for name, body := range a {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(body))}
		if to, ok := strings.CutPrefix(body, "-> "); ok {
			h.Typeflag, h.Linkname, h.Size, body = tar.TypeSymlink, to, 0, ""
		}
		if err := t.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(t, body); err != nil {
			return nil, err
		}
	}
	return io.NopCloser(&out), t.Close()
}

func setup(t *testing.T, e Engine) *Mirror {
	t.Helper()
	db := storetest.Open(t, Tables()...)
	disk, err := blob.OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return New(Deps{DB: db, Blobs: blob.NewKeeper(disk, db, clock.System{}), Engine: e, Clock: clock.System{}})
}

var oldForm = archive{
	"aaa/layer.tar": "first layer", "bbb/layer.tar": "second layer", "ccc/layer.tar": "-> ../aaa/layer.tar",
	"conf.json":     `{"os":"linux"}`,
	"manifest.json": `[{"Config":"conf.json","RepoTags":["x:1"],"Layers":["aaa/layer.tar","bbb/layer.tar","ccc/layer.tar"]}]`,
}

func TestAnImageIsKeptUnderItsFullName(t *testing.T) {
	t.Parallel()
	m := setup(t, oldForm)
	for range 2 { // again is up to date
		image, err := m.Add(t.Context(), "postgres:16")
		if err != nil {
			t.Fatal(err)
		}
		if image.Name() != "docker.io/library/postgres:16" || len(image.Layers) != 3 || image.Layers[0] != image.Layers[2] {
			t.Errorf("image = %+v", image)
		}
	}
	image, manifest, err := m.Resolve(t.Context(), "docker.io/library/postgres", "16")
	if err != nil || !strings.Contains(string(manifest), string(image.Layers[1])) {
		t.Errorf("Resolve = %s, %v", manifest, err)
	}
	if again, _, err := m.Resolve(t.Context(), "docker.io/library/postgres", string(image.Digest)); err != nil || again.Tag != "16" {
		t.Errorf("Resolve by digest = %+v, %v", again, err)
	}
	r, err := m.Blob(t.Context(), "docker.io/library/postgres", image.Layers[1], 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || string(body) != "second layer" {
		t.Errorf("layer = %q, %v", body, err)
	}
	if _, err := m.Blob(t.Context(), "docker.io/library/other", image.Layers[1], 0, -1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another repository sees the layer: %v", err)
	}
	if all, err := m.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("List = %+v, %v", all, err)
	}
	if err := m.Remove(t.Context(), "postgres:16"); err != nil {
		t.Fatal(err)
	}
	if err := m.Remove(t.Context(), "postgres:16"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a second Remove = %v", err)
	}
	if _, _, err := m.Resolve(t.Context(), "docker.io/library/postgres", "16"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Resolve after Remove = %v", err)
	}
}

func TestBadArchivesAreRefused(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]archive{
		"no list":         {"conf.json": "{}"},
		"two images":      {"manifest.json": `[{},{}]`},
		"a missing layer": {"conf.json": "{}", "manifest.json": `[{"Config":"conf.json","Layers":["x/layer.tar"]}]`},
		"a circle":        {"conf.json": "-> conf.json", "manifest.json": `[{"Config":"conf.json"}]`},
	} {
		if _, err := setup(t, a).Add(t.Context(), "x:1"); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestTheEnginePullsWhatWasKept serves the mirror's answers as a registry does, to
// a real Engine.
func TestTheEnginePullsWhatWasKept(t *testing.T) {
	t.Parallel()
	e, err := docker.Connect("")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Ping(t.Context()); err != nil {
		t.Skipf("a Docker Engine is needed: %v", err)
	}
	root, err := computetest.ShellRoot()
	if err != nil {
		t.Fatal(err)
	}
	name := "mirror.example/test/" + ids.Hex(8, "") + ":1"
	if err := e.ImportImage(t.Context(), name, bytes.NewReader(root), "LABEL test="+name); err != nil {
		t.Fatal(err)
	}
	m := setup(t, e)
	image, err := m.Add(t.Context(), name)
	if err := errors.Join(err, e.RemoveImage(t.Context(), name)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry(m, image.Repository))
	defer server.Close()
	local := strings.TrimPrefix(server.URL, "http://") + "/kept:1"
	if err := e.PullImage(t.Context(), local, ""); err != nil {
		t.Fatal(err)
	}
	if got, err := e.ImageLabel(t.Context(), local, "test"); err != nil || got != name {
		t.Errorf("label of the pulled image = %q, %v", got, err)
	}
	if err := e.RemoveImage(t.Context(), local); err != nil {
		t.Error(err)
	}
}

func registry(m *Mirror, repository string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v2/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/v2/kept/manifests/{ref}", func(w http.ResponseWriter, r *http.Request) {
		image, body, err := m.Resolve(r.Context(), repository, r.PathValue("ref"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", image.MediaType)
		w.Header().Set("Docker-Content-Digest", string(image.Digest))
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/v2/kept/blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		body, err := m.Blob(r.Context(), repository, blob.Digest(r.PathValue("digest")), 0, -1)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer body.Close()
		_, _ = io.Copy(w, body)
	})
	return mux
}
