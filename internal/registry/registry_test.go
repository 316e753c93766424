package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/mirror"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	host    = dispatchtest.Account + ".dkr.ecr." + dispatchtest.Region + ".amazonaws.com"
	image   = "application/vnd.oci.image.manifest.v1+json"
	index   = "application/vnd.oci.image.index.v1+json"
	aliased = dispatchtest.Account + "." + dispatchtest.Region + "/app"
)

// kept is a mirror of one image.
type kept struct {
	blobs    *blob.Keeper
	manifest []byte
}

func (k *kept) Resolve(_ context.Context, repository, _ string) (mirror.Image, []byte, error) {
	if repository != "docker.io/library/postgres" {
		return mirror.Image{}, nil, store.ErrNotFound
	}
	return mirror.Image{MediaType: image, Digest: digest(k.manifest)}, k.manifest, nil
}

func (k *kept) Blob(ctx context.Context, _ string, d blob.Digest, off, n int64) (io.ReadCloser, error) {
	return k.blobs.Open(ctx, d, off, n)
}

type bench struct {
	*dispatchtest.Dispatcher
	*httptest.Server
	t        *testing.T
	records  *registry.Records
	stream   *eventstream.Log
	tokens   registry.Tokens
	password string
}

// setup serves a registry with the repository app.
func setup(t *testing.T) *bench {
	t.Helper()
	keys, err := identity.OpenKeyring(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := blob.OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, stream: eventstream.New(clock.System{}), tokens: registry.Tokens{Keys: keys, Clock: clock.System{}}}
	holds := blob.NewKeeper(disk, nil, clock.System{}) // its Hold and Release use the transaction alone
	b.records = registry.NewRecords(registry.RecordsDeps{Holds: holds, Stream: b.stream, Clock: clock.System{}})
	b.Dispatcher = dispatchtest.New(t, b.records.Tables())
	keeper := blob.NewKeeper(disk, b.DB, clock.System{})
	b.Server = httptest.NewServer(registry.NewHandler(registry.Deps{
		DB: b.DB, Records: b.records, Uploads: registry.NewUploads(disk, keeper, clock.System{}), Blobs: keeper,
		Mirror: &kept{keeper, []byte(`{"schemaVersion":2}`)}, Tokens: b.tokens, Guard: b.Dispatcher, Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(b.Close)
	if b.password, _, err = b.tokens.Mint(b.Root(), time.Hour); err != nil {
		t.Fatal(err)
	}
	b.repository("app", registry.Repository{Mutability: "MUTABLE"})
	return b
}

func (b *bench) repository(name string, r registry.Repository) {
	b.t.Helper()
	err := b.DB.Update(b.t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := b.records.Repositories.Put(ctx, tx, dispatchtest.Scope, name, r, 0)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// do asks as the registry's own host and expects a status.
func (b *bench) do(method, path string, body []byte, want int, headers ...string) *http.Response {
	b.t.Helper()
	if loc, ok := strings.CutPrefix(path, b.URL); ok {
		path = loc
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.URL+path, bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Host = host
	if b.password != "" {
		r.SetBasicAuth("AWS", b.password)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		b.t.Fatal(err)
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	if answer.StatusCode != want {
		b.t.Fatalf("%s %s = %d, want %d: %s", method, path, answer.StatusCode, want, text)
	}
	return answer
}

func text(r *http.Response) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

func digest(b []byte) blob.Digest { return blob.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(b))) }

// layer uploads bytes in two pieces.
func (b *bench) layer(repository string, body []byte) blob.Digest {
	b.t.Helper()
	up := b.do("POST", "/v2/"+repository+"/blobs/uploads/", nil, 202).Header.Get("Location")
	half := len(body) / 2
	a := b.do("PATCH", up, body[:half], 202, "Content-Range", fmt.Sprintf("0-%d", half-1))
	if got := a.Header.Get("Range"); got != fmt.Sprintf("0-%d", half-1) {
		b.t.Errorf("Range = %q after the first piece", got)
	}
	b.do("PATCH", up, body, 416, "Content-Range", fmt.Sprintf("%d-%d", half+5, len(body)))
	b.do("PUT", up+"?digest="+string(digest(body)), body[half:], 201)
	return digest(body)
}

func manifest(config []byte, layers ...[]byte) []byte {
	m := map[string]any{"schemaVersion": 2, "mediaType": image, "config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": len(config)}}
	list := []any{}
	for _, l := range layers {
		list = append(list, map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(l), "size": len(l)})
	}
	m["layers"] = list
	out, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return out
}

func (b *bench) facts() (out []map[string]string) {
	b.t.Helper()
	err := b.DB.View(b.t.Context(), func(ctx context.Context, r store.Reader) error {
		facts, err := b.stream.Read(ctx, r, "test", 100)
		for _, f := range facts {
			var m map[string]string
			if err := json.Unmarshal(f.Detail, &m); err != nil {
				return err
			}
			out = append(out, m)
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func TestPushedImageIsPulledAndToldOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	config, layer := []byte(`{"architecture":"amd64"}`), []byte("some layer's bytes")
	b.layer("app", config)
	body := manifest(config, layer)
	if got := text(b.do("PUT", "/v2/app/manifests/1", body, 404, "Content-Type", image)); !strings.Contains(got, "MANIFEST_BLOB_UNKNOWN") {
		t.Errorf("a manifest without its layer was answered by %s", got)
	}
	b.layer("app", layer)
	b.do("PUT", "/v2/app/manifests/1", body, 201, "Content-Type", image)
	b.do("PUT", "/v2/app/manifests/1", body, 201, "Content-Type", image) // again is no error
	b.do("PUT", "/v2/app/manifests/"+string(digest([]byte("x"))), body, 400, "Content-Type", image)

	got := b.do("GET", "/v2/app/manifests/1", nil, 200)
	if got.Header.Get("Docker-Content-Digest") != string(digest(body)) || text(got) != string(body) || got.Header.Get("Content-Type") != image {
		t.Errorf("the manifest came back otherwise: %v", got.Header)
	}
	b.do("HEAD", "/v2/app/manifests/"+string(digest(body)), nil, 200)
	b.do("HEAD", "/v2/app/blobs/"+string(digest(layer)), nil, 200)
	if got := text(b.do("GET", "/v2/app/blobs/"+string(digest(layer)), nil, 200)); got != string(layer) {
		t.Errorf("the layer came back as %q", got)
	}
	part := b.do("GET", "/v2/app/blobs/"+string(digest(layer)), nil, 206, "Range", "bytes=5-9")
	if text(part) != "layer" || part.Header.Get("Content-Range") != "bytes 5-9/18" {
		t.Errorf("a range came back otherwise: %v", part.Header)
	}
	if got := text(b.do("GET", "/v2/app/tags/list", nil, 200)); got != `{"name":"app","tags":["1"]}` {
		t.Errorf("tags = %s", got)
	}
	facts := b.facts()
	if len(facts) != 1 || facts[0]["action-type"] != "PUSH" || facts[0]["image-tag"] != "1" || facts[0]["image-digest"] != string(digest(body)) {
		t.Errorf("facts = %v", facts)
	}
	// By the alias the same repository is found, and only with its account's name.
	b.do("GET", "/v2/"+aliased+"/manifests/1", nil, 200, "Host", "127.0.0.1:4566")
	b.do("GET", "/v2/app/manifests/1", nil, 404, "Host", "127.0.0.1:4566")
}

func TestLayersAreMountedUploadedWholeAndChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.repository("other", registry.Repository{})
	layer := []byte("mounted")
	d := b.layer("app", layer)
	b.do("GET", "/v2/other/blobs/"+string(d), nil, 404)
	b.do("POST", "/v2/other/blobs/uploads/?mount="+string(d)+"&from=app", nil, 201)
	b.do("GET", "/v2/other/blobs/"+string(d), nil, 200)
	b.do("POST", "/v2/other/blobs/uploads/?mount="+string(digest([]byte("none")))+"&from=app", nil, 202)

	whole := []byte("whole")
	b.do("POST", "/v2/app/blobs/uploads/?digest="+string(digest(whole)), whole, 201)
	up := b.do("POST", "/v2/app/blobs/uploads/", nil, 202).Header.Get("Location")
	if got := text(b.do("PUT", up+"?digest="+string(digest(layer)), []byte("other bytes"), 400)); !strings.Contains(got, "DIGEST_INVALID") {
		t.Errorf("wrong bytes were answered by %s", got)
	}
	b.do("GET", up, nil, 404) // it is over
	up = b.do("POST", "/v2/app/blobs/uploads/", nil, 202).Header.Get("Location")
	b.do("PATCH", strings.Replace(up, "/app/", "/other/", 1), layer, 404) // another repository's
	b.do("DELETE", up, nil, 204)
	b.do("GET", up, nil, 404)
}

func TestImmutableTagStays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.repository("fixed", registry.Repository{Mutability: "IMMUTABLE_WITH_EXCLUSION", Exclusions: []string{"dev*"}})
	one, two := []byte("{}"), []byte("{ }")
	b.layer("fixed", one)
	b.layer("fixed", two)
	for _, tag := range []string{"1", "dev-1"} {
		b.do("PUT", "/v2/fixed/manifests/"+tag, manifest(one), 201, "Content-Type", image)
	}
	got := text(b.do("PUT", "/v2/fixed/manifests/1", manifest(two), 400, "Content-Type", image))
	if !strings.Contains(got, "TAG_INVALID") || !strings.Contains(got, "The image tag '1' already exists in the 'fixed' repository and cannot be overwritten because the tag is immutable.") {
		t.Errorf("answer = %s", got)
	}
	b.do("PUT", "/v2/fixed/manifests/dev-1", manifest(two), 201, "Content-Type", image)
}

func TestListKeepsItsImages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	config := []byte("{}")
	b.layer("app", config)
	child := manifest(config)
	list := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, index, image, digest(child), len(child))
	b.do("PUT", "/v2/app/manifests/all", list, 404, "Content-Type", index)
	b.do("PUT", "/v2/app/manifests/"+string(digest(child)), child, 201, "Content-Type", image)
	b.do("PUT", "/v2/app/manifests/all", list, 201, "Content-Type", index)
	err := b.DB.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := b.records.Delete(ctx, tx, dispatchtest.Scope, "app", digest(child))
		return err
	})
	if err != registry.ErrReferenced {
		t.Errorf("deleting a list's image: %v", err)
	}
}

func TestOnlyKnownCallersAreServed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.do("GET", "/v2/", nil, 200)
	if got := text(b.do("GET", "/v2/none/manifests/1", nil, 404)); !strings.Contains(got, "NAME_UNKNOWN") {
		t.Errorf("a missing repository was answered by %s", got)
	}
	b.password = "wrong"
	b.do("GET", "/v2/", nil, 401)
	b.password, _, _ = b.tokens.Mint(b.Root(), -time.Second)
	if got := text(b.do("GET", "/v2/app/manifests/1", nil, 403)); !strings.Contains(got, "Your authorization token has expired. Reauthenticate and try again.") {
		t.Errorf("an old password was answered by %s", got)
	}
	b.password = ""
	if got := b.do("GET", "/v2/", nil, 401).Header.Get("WWW-Authenticate"); got != `Basic realm="https://`+host+`/",service="ecr.amazonaws.com"` {
		t.Errorf("WWW-Authenticate = %s", got)
	}
	b.do("GET", "/v2/app/manifests/1", nil, 401)
}

func TestMirrorIsReadWithoutPasswordAndNotWritten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.password = ""
	for _, h := range []string{"registry-1.docker.io", "index.docker.io"} {
		b.do("GET", "/v2/", nil, 200, "Host", h)
		b.do("GET", "/v2/library/postgres/manifests/16", nil, 200, "Host", h)
		b.do("POST", "/v2/library/postgres/blobs/uploads/", nil, 405, "Host", h)
	}
	b.do("GET", "/v2/docker.io/library/postgres/manifests/16", nil, 200, "Host", "127.0.0.1:4566")
	got := text(b.do("GET", "/v2/library/node/manifests/20", nil, 404, "Host", "registry-1.docker.io"))
	if !strings.Contains(got, "MANIFEST_UNKNOWN") || !strings.Contains(got, "penstock mirror add docker.io/library/node:20") {
		t.Errorf("a miss was answered by %s", got)
	}
}
