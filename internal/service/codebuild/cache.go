package codebuild

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/buildspec"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
	"github.com/penstock-ci/penstock/internal/store"
)

// Lease says which build has its project's local cache (one at a time, as on AWS,
// where a host runs one), and which one waits for it.
type Lease struct{ Build, Next string }

// layersFolder is the part of a local cache that a build's Docker daemon has.
const layersFolder = "docker"

// caches tells whether the build asks for a mode of local caching.
func (b Build) caches(mode string) bool {
	c := b.Asked.Cache
	return c != nil && op.Val(c.Type) == api.CacheTypeLocal && slices.Contains(c.Modes, mode)
}

// cache is what the runner keeps for the build's successors, and what the log says of it.
func (b Build) cache(spec buildspec.Cache, leased bool) (*protocol.Cache, []string) {
	switch kind := b.cacheType(); {
	case kind == api.CacheTypeNoCache && len(spec.Paths) > 0:
		return nil, []string{"Skip cache due to: no cache location configured in the project"}
	case kind == api.CacheTypeNoCache:
		return nil, nil
	case kind == api.CacheTypeLocal && !leased:
		return nil, []string{"Skip cache due to: another build of the project has it"}
	case kind == api.CacheTypeLocal && b.caches(api.CacheModeLocalDockerLayerCache) && !op.Val(b.Asked.Environment.PrivilegedMode):
		return nil, []string{"Skip cache of Docker layers due to: the build is not privileged"}
	case kind == api.CacheTypeLocal && !b.caches(api.CacheModeLocalCustomCache):
		return nil, nil
	case len(spec.Paths) == 0:
		return nil, []string{"Cache is not defined in the buildspec", "Skip cache due to: no paths specified to be cached"}
	case kind == api.CacheTypeLocal:
		return &protocol.Cache{Paths: spec.Paths, Local: true}, nil
	}
	bucket, prefix, _ := strings.Cut(objectPath(op.Val(b.Asked.Cache.Location)), "/")
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	// A namespace of the user's own is shared with other projects.
	prefix += op.Or(op.Opt(op.Val(b.Asked.Cache.CacheNamespace)), b.cacheID()) + "/"
	out := &protocol.Cache{
		Paths: spec.Paths, Bucket: bucket, Prefix: prefix, Key: spec.Key, Fallback: spec.Fallback,
		Restore: spec.Action != "save", Save: spec.Action != "restore",
	}
	if !strings.HasSuffix(b.Asked.Key, "alias/aws/s3") {
		out.KMSKey = b.Asked.Key
	}
	return out, nil
}

// cacheID is the project's; those of older releases have none.
func (b Build) cacheID() string { return op.Or(op.Opt(b.Asked.CacheID), b.Project) }

// lease gives the build its project's local cache, if no other build has it; "" is
// none. waits tells that the holder has ended and is about to give it back: the build
// is told then.
func (s *Service) lease(ctx context.Context, b Build) (folder string, waits bool, err error) {
	if b.cacheType() != api.CacheTypeLocal || s.CacheDir == "" {
		return "", false, nil
	}
	mine := false
	err = s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		mine, waits, err = askFor(ctx, tx, b)
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("lease the local cache of %s: %w", b.Project, err)
	}
	if !mine {
		return "", waits, nil
	}
	folder = s.cacheFolder(b.cacheID())
	if err := os.MkdirAll(filepath.Join(folder, layersFolder), 0o755); err != nil {
		return "", false, fmt.Errorf("make the folder of the local cache: %w", err)
	}
	return folder, false, nil
}

func askFor(ctx context.Context, tx store.Tx, b Build) (mine, waits bool, err error) {
	d, err := caches.Get(ctx, tx, b.Scope, b.Project)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, false, err
	}
	if holder := d.Value.Build; holder != "" && holder != b.ID() {
		h, err := builds.Get(ctx, tx, b.Scope, holder)
		switch {
		case errors.Is(err, store.ErrNotFound): // the database was restored
		case err != nil:
			return false, false, err
		case !h.Value.Complete() || d.Value.Next != "" && d.Value.Next != b.ID():
			return false, false, nil
		default:
			_, err = caches.Put(ctx, tx, b.Scope, b.Project, Lease{holder, b.ID()}, d.Version)
			return false, true, err
		}
	}
	_, err = caches.Put(ctx, tx, b.Scope, b.Project, Lease{b.ID(), d.Value.Next}, d.Version)
	return true, false, err
}

// leased tells whether the build has the local cache.
func (s *Service) leased(ctx context.Context, b Build) (mine bool, err error) {
	err = s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		d, err := caches.Get(ctx, r, b.Scope, b.Project)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		mine = d.Value.Build == b.ID()
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look who has the local cache of %s: %w", b.Project, err)
	}
	return mine, nil
}

// release gives the local cache back, to the build that waits for it.
func (s *Service) release(ctx context.Context, b Build) error {
	err := s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := caches.Get(ctx, tx, b.Scope, b.Project)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		holder, next := d.Value.Build, d.Value.Next
		switch b.ID() {
		case next:
			_, err = caches.Put(ctx, tx, b.Scope, b.Project, Lease{Build: holder}, d.Version)
			return err
		case holder:
			if next == "" {
				return caches.Delete(ctx, tx, b.Scope, b.Project, d.Version)
			}
			if _, err := caches.Put(ctx, tx, b.Scope, b.Project, Lease{Build: next}, d.Version); err != nil {
				return err
			}
			return s.Engine.Send(ctx, tx, machineID(b.Scope, next), engine.Event{Name: evPulling, At: s.Clock.Now()})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("give the local cache of %s back: %w", b.Project, err)
	}
	return nil
}

func (s *Service) cacheFolder(id string) string { return filepath.Join(s.CacheDir, id) }

// SweepCaches removes the local caches that nobody will ask for again: of projects
// deleted and caches invalidated, once no build runs that has one.
func (s *Service) SweepCaches(ctx context.Context) error {
	entries, err := os.ReadDir(s.CacheDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list local caches: %w", err)
	}
	wanted := map[string]bool{}
	err = s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		all, err := projects.List(ctx, r, store.Scope{}, store.Query{})
		if err != nil {
			return err
		}
		for _, d := range all {
			wanted[d.Value.CacheID] = true
		}
		running, err := builds.List(ctx, r, store.Scope{}, store.Query{Index: "running", Equal: "running"})
		for _, d := range running {
			wanted[d.Value.cacheID()] = true
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list who has local caches: %w", err)
	}
	for _, e := range entries {
		if wanted[e.Name()] {
			continue
		}
		if err := os.RemoveAll(s.cacheFolder(e.Name())); err != nil {
			return fmt.Errorf("remove a local cache: %w", err)
		}
	}
	return nil
}
