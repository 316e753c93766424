package codebuild

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
	"github.com/penstock-ci/penstock/internal/store"
)

// cached makes a project with a cache.
func (w *world) cached(name, spec string, privileged bool, c api.ProjectCache) {
	w.t.Helper()
	in := goodProject(name)
	in.Source.Buildspec, in.Cache = new(spec), &c
	in.Environment.Image, in.Environment.PrivilegedMode = new("aws/codebuild/standard:7.0"), new(privileged)
	if _, err := op.Call(w.t.Context(), w.aws, w.aws.Root(), api.CreateProject, in); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) cacheID(name string) string {
	w.t.Helper()
	var id string
	err := w.aws.DB.View(w.t.Context(), func(ctx context.Context, r store.Reader) error {
		d, err := projects.Get(ctx, r, dispatchtest.Scope, name)
		id = d.Value.CacheID
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// leaseOf is who has a project's local cache.
func (w *world) leaseOf(name string) Lease {
	w.t.Helper()
	var l Lease
	err := w.aws.DB.View(w.t.Context(), func(ctx context.Context, r store.Reader) error {
		d, err := caches.Get(ctx, r, dispatchtest.Scope, name)
		l = d.Value
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func TestCacheIsWhereTheProjectSays(t *testing.T) {
	t.Parallel()
	const section = "cache: {paths: [a, b]}\n"
	s3 := func(location, namespace string) api.ProjectCache {
		return api.ProjectCache{Type: new("S3"), Location: &location, CacheNamespace: op.Opt(namespace)}
	}
	local := func(modes ...string) api.ProjectCache { return api.ProjectCache{Type: new("LOCAL"), Modes: modes} }
	w := newWorld(t, &nopPods{}, "")
	w.Places = 20
	for name, tc := range map[string]struct {
		cache api.ProjectCache
		spec  string
		want  *protocol.Cache // ID stands for the project's own namespace
		note  string
	}{
		"bucket":                 {s3("store", ""), section, &protocol.Cache{Bucket: "store", Prefix: "ID/", Restore: true, Save: true}, ""},
		"bucket-and-prefix":      {s3("store/a/b/", ""), section, &protocol.Cache{Bucket: "store", Prefix: "a/b/ID/", Restore: true, Save: true}, ""},
		"shared":                 {s3("store/a", "team"), section, &protocol.Cache{Bucket: "store", Prefix: "a/team/", Restore: true, Save: true}, ""},
		"with-a-key":             {s3("store", ""), "cache: {paths: [a, b], key: k-$X, fallback-keys: [k-], action: restore}\n", &protocol.Cache{Bucket: "store", Prefix: "ID/", Key: "k-$X", Fallback: []string{"k-"}, Restore: true}, ""},
		"without-paths":          {s3("store", ""), "", nil, "Cache is not defined in the buildspec\nSkip cache due to: no paths specified to be cached"},
		"without-a-cache":        {api.ProjectCache{Type: new("NO_CACHE")}, section, nil, "Skip cache due to: no cache location configured in the project"},
		"local":                  {local("LOCAL_CUSTOM_CACHE"), section, &protocol.Cache{Local: true}, ""},
		"local-source":           {local("LOCAL_SOURCE_CACHE"), section, nil, ""},
		"layers-without-a-right": {local("LOCAL_DOCKER_LAYER_CACHE"), section, nil, "Skip cache of Docker layers due to: the build is not privileged"},
	} {
		w.cached(name, echoSpec, false, tc.cache)
		p := w.planOf(w.startOf(&api.StartBuildInput{ProjectName: new(name)}), echoSpec+tc.spec)
		if tc.want != nil {
			tc.want.Paths, tc.want.Prefix = []string{"a", "b"}, strings.Replace(tc.want.Prefix, "ID", w.cacheID(name), 1)
		}
		if !reflect.DeepEqual(p.Cache, tc.want) || strings.Join(p.Notes, "\n") != tc.note || p.Refusal != nil {
			t.Errorf("%s: %+v, want %+v; %q, %+v", name, p.Cache, tc.want, p.Notes, p.Refusal)
		}
	}
	in := goodProject("nowhere")
	in.Cache = &api.ProjectCache{Type: new("S3")}
	_, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.CreateProject, in)
	wantError(t, err, "InvalidInputException: Invalid cache: location is required for cache type S3")
}

func TestInvalidatedCacheBeginsEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.cached("pp", echoSpec, false, api.ProjectCache{Type: new("LOCAL"), Modes: []string{"LOCAL_CUSTOM_CACHE"}})
	b := w.startOf(&api.StartBuildInput{ProjectName: new("pp")})
	before := w.cacheID("pp")
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.InvalidateProjectCache, &api.InvalidateProjectCacheInput{ProjectName: new("pp")}); err != nil {
		t.Fatal(err)
	}
	after := w.cacheID("pp")
	if before == after || before == "" {
		t.Fatalf("%q became %q", before, after)
	}
	kept := func() bool {
		t.Helper()
		if err := w.SweepCaches(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(filepath.Join(w.CacheDir, before))
		return err == nil
	}
	if !kept() {
		t.Error("the cache was removed below a running build")
	}
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.StopBuild, &api.StopBuildInput{Id: new(b.ID())}); err != nil {
		t.Fatal(err)
	}
	w.await(b.ID(), Build.Complete)
	if kept() {
		t.Error("the cache is still there")
	}
	_, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.InvalidateProjectCache, &api.InvalidateProjectCacheInput{ProjectName: new("none")})
	wantError(t, err, "ResourceNotFoundException: Project cannot be found: arn:aws:codebuild:us-east-1:100000000001:project/none")
}

// One build at a time has the local cache; one that comes while it is given back waits
// for it, one that comes earlier does without.
func TestLocalCacheHasOneBuildAtATime(t *testing.T) {
	t.Parallel()
	pods := &nopPods{held: make(chan struct{})}
	w := newWorld(t, pods, "")
	w.cached("pp", echoSpec, true, api.ProjectCache{Type: new("LOCAL"), Modes: []string{"LOCAL_CUSTOM_CACHE", "LOCAL_DOCKER_LAYER_CACHE"}})
	mounts := func(b Build) map[string]string {
		out := map[string]string{}
		for _, m := range pods.asked(b.pod()).Containers[0].Mounts {
			out[m.Path] = m.HostPath + m.Volume
		}
		return out
	}
	folder := filepath.Join(w.CacheDir, w.cacheID("pp"))
	first := w.startOf(&api.StartBuildInput{ProjectName: new("pp")})
	if m := mounts(first); m["/codebuild/local-cache"] != folder || m["/var/lib/docker"] != filepath.Join(folder, "docker") {
		t.Errorf("the first: %v", m)
	}
	second := w.startOf(&api.StartBuildInput{ProjectName: new("pp")})
	if m := mounts(second); m["/codebuild/local-cache"] != "" || m["/var/lib/docker"] != "docker" {
		t.Errorf("the second, beside it: %v", m)
	}
	if p := w.planOf(second, echoSpec+"cache: {paths: x}\n"); p.Cache != nil || len(p.Notes) != 1 || p.Notes[0] != "Skip cache due to: another build of the project has it" {
		t.Errorf("the second: %+v, %q", p.Cache, p.Notes)
	}
	w.report(first, protocol.Report{Phase: "DOWNLOAD_SOURCE"}, protocol.Report{State: protocol.Failed})
	w.await(first.ID(), Build.Complete) // its container is not gone yet
	third := *w.startBuild("pp").Id
	w.await(third, func(Build) bool { return w.leaseOf("pp") == Lease{first.ID(), third} })
	if got := pods.asked("build-" + strings.TrimPrefix(third, "pp:")); got.Name != "" {
		t.Error("the third started before the first was gone")
	}
	close(pods.held)
	b := w.await(third, func(b Build) bool { return b.Provisioned })
	if m := mounts(b); m["/codebuild/local-cache"] != folder {
		t.Errorf("the third: %v", m)
	}
	var start protocol.Start
	w.speak(b, protocol.StartPath, w.token(b.Scope, b.ID()), nil, &start)
	if !start.KeepLayers || start.KeepSource {
		t.Errorf("the third is told %+v", start)
	}
}
