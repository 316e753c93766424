package runner

import (
	"archive/tar"
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// later is the next build of the same project: a new container, the same objects.
func (s *server) later(c *protocol.Cache) *server {
	s.t.Helper()
	n := newServer(s.t)
	s.mu.Lock()
	defer s.mu.Unlock()
	n.objects, n.stored, n.plan.Cache = maps.Clone(s.objects), slices.Clone(s.stored), c
	return n
}

func s3Cache(key string, paths ...string) *protocol.Cache {
	return &protocol.Cache{Paths: paths, Bucket: "cache", Prefix: "p/", Key: key, Restore: true, Save: true}
}

func TestCacheTravelsToTheNextBuild(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	paths := []string{"deps/**/*", outside + "/tool", "$NONE*.lock"}
	first := newServer(t)
	first.plan.Cache = s3Cache("", paths...)
	log := first.build("mkdir -p deps/.bin "+outside+"/tool/sub", "echo one > deps/a; chmod 750 deps/a; ln -s ../a deps/.bin/a; echo two > "+outside+"/tool/sub/b; echo 1 > x.lock; echo no > other")
	wantIn(t, log, "> Downloading S3 cache...", "> Unable to download cache: NoSuchKey: The specified key does not exist.", "> Uploading S3 cache...")
	if got := first.stores(t); len(got) != 1 || got["cache/p/cache.tar.zst"] == "" {
		t.Fatalf("stored %v", slices.Collect(maps.Keys(got)))
	}
	if err := os.RemoveAll(filepath.Join(outside, "tool")); err != nil {
		t.Fatal(err)
	}
	second := first.later(s3Cache("", paths...))
	log = second.build("cat deps/.bin/a "+outside+"/tool/sub/b x.lock; stat -c %a deps/a; [ ! -e other ] && echo no more", "echo three > deps/c")
	wantIn(t, log, "> Unarchiving cache...", "> Restored 4 file(s) of cache cache.tar.zst", "one\ntwo\n1\n750\nno more")
	third := second.later(s3Cache("", paths...))
	wantIn(t, third.build("cat deps/c"), "three")
}

func TestSourceWinsOverTheCache(t *testing.T) {
	t.Parallel()
	first := newServer(t)
	first.plan.Cache = s3Cache("", "*")
	first.build("echo old > f; echo kept > g")
	second := first.later(s3Cache("", "*"))
	if err := os.MkdirAll(second.start.Sources[0].Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(second.start.Sources[0].Dir, "f"), []byte("new\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantIn(t, second.build("cat f g"), "new\nkept")
}

func TestFailedBuildKeepsNoCache(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.plan.Cache = s3Cache("", "*")
	s.build("echo bad > f; false")
	if got := s.stores(t); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
}

func TestCacheOfAKeyIsNeverChanged(t *testing.T) {
	t.Parallel()
	key := func(save bool, fallback ...string) *protocol.Cache {
		c := s3Cache("dep-$(codebuild-hash-files '*.lock')", "deps")
		c.Save, c.Fallback = save, fallback
		return c
	}
	const lock = "echo $VERSION > a.lock"
	first := newServer(t)
	first.plan.Cache = s3Cache("dep-1-$KIND", "deps")
	first.plan.Variables = []protocol.Variable{{Name: "KIND", Value: "x"}}
	first.build("mkdir deps; echo first > deps/f")
	again := first.later(s3Cache("dep-1-x", "deps"))
	wantIn(t, again.build("cat deps/f; echo changed > deps/f"), "first", "> Cache dep-1-x.tar.zst is there already and stays as it is")
	newer := again.later(s3Cache("dep-2-x", "deps"))
	wantIn(t, newer.build("ls deps || mkdir deps; echo second > deps/f"), "> Unable to download cache: NoSuchKey: The specified key does not exist.")

	// Nothing is kept by the key of these files; the newest whose key begins so is taken.
	fallen := newer.later(key(false, "none-", "dep-"))
	fallen.plan.Variables = []protocol.Variable{{Name: "VERSION", Value: "7"}}
	wantIn(t, fallen.build("cat deps/f", lock), "second", "> Restored 1 file(s) of cache dep-2-x.tar.zst")
	// Other paths are another cache.
	other := newer.later(s3Cache("dep-2-x", "deps", "more"))
	wantIn(t, other.build("ls deps || echo nothing"), "nothing")
}

func TestHashOfFilesIsTheirContent(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.plan.Variables = []protocol.Variable{{Name: "CODEBUILD_SRC_DIR", Value: s.start.Sources[0].Dir}}
	log := s.build("mkdir d; echo 1 > a.lock; echo 2 > d/b.lock; cd d",
		"ONE=$(codebuild-hash-files '**/*.lock'); TWO=$(codebuild-hash-files a.lock 'd/*.lock'); THREE=$(codebuild-hash-files a.lock)",
		`[ "$ONE" = "$TWO" ] && [ "$ONE" != "$THREE" ] && [ ${#ONE} = 64 ] && echo hashed`,
		"codebuild-hash-files '*.none' || echo none", "codebuild-breakpoint")
	wantIn(t, log, "hashed", "none", "codebuild-breakpoint: debug sessions are not supported, the build goes on")
}

func TestLocalCacheIsTheFolderItself(t *testing.T) {
	t.Parallel()
	kept, outside := t.TempDir(), t.TempDir()
	local := func(from *server) *server {
		n := from.later(&protocol.Cache{Paths: []string{"deps/**/*", outside + "/tool", "/", "file"}, Local: true})
		if err := os.Symlink(kept, filepath.Join(n.start.Root, localCache)); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(outside, "tool")); err != nil { // the next container has none
			t.Fatal(err)
		}
		return n
	}
	first := local(newServer(t))
	if err := os.MkdirAll(filepath.Join(first.start.Sources[0].Dir, "deps"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(first.start.Sources[0].Dir, "deps", "mine"), []byte("of the source\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	log := first.build("echo one > deps/a; echo two > " + outside + "/tool/b; cat deps/mine; false")
	wantIn(t, log, "of the source", "> Skipping cache path /: / holds the build itself: name a folder in it")
	if !strings.Contains(log, "> Symlinking: "+outside+"/tool => ") {
		t.Errorf("no link is told of:\n%s", log)
	}
	// The source lies elsewhere in each test; the container's folder is the same in all.
	second := local(first)
	wantIn(t, second.build("cat "+outside+"/tool/b"), "two")
}

func TestCacheWritesNothingOutsideItsTrees(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for _, name := range []string{"src/../escaped", "src//etc/escaped", "abs/../escaped", "other/escaped", "src", ""} {
		var archive bytes.Buffer
		z, err := zstd.NewWriter(&archive)
		if err != nil {
			t.Fatal(err)
		}
		w := tar.NewWriter(z)
		if err := errors.Join(w.WriteHeader(&tar.Header{Name: name, Size: 1, Mode: 0o644}), func() error { _, err := w.Write([]byte("x")); return err }(), w.Close(), z.Close()); err != nil {
			t.Fatal(err)
		}
		if n, err := readCache(&archive, home); err == nil {
			t.Errorf("%q: %d files restored", name, n)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(home)); err != nil || len(left) != 1 {
		t.Errorf("left beside the source: %v, %v", left, err)
	}
}

func TestKeptSourceIsBorrowedFrom(t *testing.T) {
	t.Parallel()
	repo, kept := t.TempDir(), t.TempDir()
	commit := func(text string) {
		t.Helper()
		script := "cd " + repo + "; [ -d .git ] || git init -q -b main; git config user.email a@b; git config user.name n; echo " + text + " > f; git add f; git commit -qm " + text
		if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	clone := func(s *server) *server {
		n := s.later(nil)
		n.start.KeepSource = true
		n.start.Sources[0].Kind, n.start.Sources[0].URL = protocol.FromGit, "file://"+repo
		if err := os.Symlink(kept, filepath.Join(n.start.Root, localCache)); err != nil {
			t.Fatal(err)
		}
		return n
	}
	commit("one")
	first := clone(newServer(t))
	log := first.build("cat f; ls .git/objects/info/alternates || echo all of it")
	wantIn(t, log, "one", "all of it")
	commit("two")
	second := clone(first)
	wantIn(t, second.build("cat f; git log --format=%s; git fsck --strict && [ -s .git/objects/info/alternates ] && echo borrowed"), "two\ntwo\none", "borrowed")
}
