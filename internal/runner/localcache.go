package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// localCache is the folder, below the build's own, that outlives builds.
const localCache = "local-cache"

// linkCache puts links to kept folders in the place of those that paths name, as
// CodeBuild does: what the build writes there is kept as it is written. What a folder
// holds already (of the image, of the source) is copied over what was kept.
func (b *build) linkCache(ctx context.Context, paths []string) {
	for _, p := range paths {
		if err := b.linkFolder(ctx, folderOf(b.session.home, p)); err != nil {
			b.log.say("Skipping cache path %s: %v", p, err)
		}
	}
}

// folderOf is the folder of a cache path: what comes before its first wildcard.
func folderOf(home, p string) string {
	if i := strings.IndexAny(p, "*?[{"); i >= 0 {
		p = p[:strings.LastIndexByte(p[:i], '/')+1]
	}
	if !path.IsAbs(p) {
		p = path.Join(home, p)
	}
	return path.Clean(p)
}

func (b *build) linkFolder(ctx context.Context, folder string) error {
	if folder == "/" || strings.HasPrefix(b.session.home+"/", folder+"/") {
		return fmt.Errorf("%s holds the build itself: name a folder in it", folder)
	}
	kept := filepath.Join(b.start.Root, localCache, "custom", shortSum(folder), folder)
	b.log.say("MkdirAll: %s", kept)
	if err := os.MkdirAll(kept, 0o755); err != nil {
		return err
	}
	fi, err := os.Lstat(folder)
	switch {
	case err == nil && !fi.IsDir():
		return fmt.Errorf("%s is no folder: only folders can be kept", folder)
	case err == nil:
		if out, err := exec.CommandContext(ctx, "cp", "-a", folder+"/.", kept).CombinedOutput(); err != nil {
			return fmt.Errorf("copy %s: %w: %s", folder, err, out)
		}
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	b.log.say("Symlinking: %s => %s", folder, kept)
	return os.Symlink(kept, folder)
}

// keptSource is the repository in which the objects of a source are kept, "" where they
// are not: a shallow clone has no use for them.
func (b *build) keptSource(src protocol.Source) string {
	if !b.start.KeepSource || src.Depth > 0 {
		return ""
	}
	return filepath.Join(b.start.Root, localCache, "source", shortSum(src.URL)+".git")
}

// keepSource brings what a clone has got into the kept repository. The clone borrows
// from it, so that nothing is ever removed there.
func (b *build) keepSource(ctx context.Context, git, kept, clone string) {
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", kept},
		{"-C", kept, "-c", "gc.auto=0", "fetch", "--quiet", clone, "+refs/remotes/origin/*:refs/kept/*", "+refs/tags/*:refs/tags/*"},
	} {
		if out, err := b.git(ctx, git, "", args...); err != nil {
			b.log.say("Unable to keep the source for the builds to come: %s (%v)", out, err)
			return
		}
	}
}

func shortSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}
