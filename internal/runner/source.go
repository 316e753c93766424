package runner

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// failure ends a phase by the user's doing.
type failure struct{ protocol.Context }

func (f *failure) Error() string { return f.Code + ": " + f.Message }

func clientError(format string, args ...any) error {
	return &failure{protocol.Context{Code: protocol.ClientError, Message: fmt.Sprintf(format, args...)}}
}

// bring puts a source into its folder and returns its commit or object version.
func (b *build) bring(ctx context.Context, src protocol.Source) (string, error) {
	if err := os.MkdirAll(src.Dir, 0o755); err != nil {
		return "", fmt.Errorf("make the source folder: %w", err)
	}
	switch src.Kind {
	case protocol.FromS3:
		if strings.HasSuffix(src.Key, "/") || src.Key == "" {
			return "", b.bringFolder(ctx, src)
		}
		return b.bringObject(ctx, src)
	case protocol.FromGit:
		return b.clone(ctx, src)
	}
	return "", nil
}

// bringObject downloads a zip and unpacks it.
func (b *build) bringObject(ctx context.Context, src protocol.Source) (string, error) {
	f, err := os.CreateTemp(b.tmp(), "source-*.zip")
	if err != nil {
		return "", fmt.Errorf("make room for the source: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	version, err := b.download(ctx, src.Bucket, src.Key, src.Version, f)
	if err != nil {
		return "", err
	}
	if err := unzip(f, src.Dir); err != nil {
		if errors.Is(err, zip.ErrFormat) {
			return "", clientError("error while downloading key %s, error: the object is not a zip archive", src.Key)
		}
		return "", clientError("error while unpacking key %s, error: %v", src.Key, err)
	}
	return version, nil
}

func (b *build) bringFolder(ctx context.Context, src protocol.Source) error {
	found, err := b.objects.list(ctx, src.Bucket, src.Key)
	if err != nil {
		return clientError("error while downloading key %s, error: %v", src.Key, err)
	}
	root, err := os.OpenRoot(src.Dir)
	if err != nil {
		return fmt.Errorf("open the source folder: %w", err)
	}
	defer root.Close()
	for _, o := range found {
		key := o.key
		name := strings.TrimPrefix(key, src.Key)
		if name == "" || strings.HasSuffix(name, "/") {
			continue
		}
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return clientError("error while downloading key %s, error: %v", key, err)
		}
		f, err := root.Create(name)
		if err != nil {
			return clientError("error while downloading key %s, error: %v", key, err)
		}
		_, err = b.download(ctx, src.Bucket, key, "", f)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// download writes an object to w, from the beginning again when it is cut off.
func (b *build) download(ctx context.Context, bucket, key, version string, w *os.File) (string, error) {
	for try := 1; ; try++ {
		body, v, err := b.objects.get(ctx, bucket, key, version)
		if err != nil {
			return "", clientError("error while downloading key %s, error: %v", key, err)
		}
		_, err = io.Copy(w, body)
		body.Close()
		if err == nil {
			return v, nil
		}
		if try == tries || ctx.Err() != nil {
			return "", clientError("error while downloading key %s, error: %v", key, err)
		}
		if _, err := w.Seek(0, io.SeekStart); err != nil {
			return "", fmt.Errorf("begin the download again: %w", err)
		}
		if err := w.Truncate(0); err != nil {
			return "", fmt.Errorf("begin the download again: %w", err)
		}
	}
}

// Bounds of an archive: what no source tree reaches, and a bomb does.
const (
	maxEntries  = 1 << 20
	maxUnpacked = 64 << 30
)

// unzip unpacks f below dir. Nothing is written outside of dir, whatever the names say.
func unzip(f *os.File, dir string) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	z, err := zip.NewReader(f, size)
	if err != nil {
		return err
	}
	if len(z.File) > maxEntries {
		return fmt.Errorf("the archive has more than %d entries", maxEntries)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	left := int64(maxUnpacked)
	for _, e := range z.File {
		if left -= int64(min(e.UncompressedSize64, maxUnpacked+1)); left < 0 {
			return fmt.Errorf("the archive unpacks to more than %d GiB", maxUnpacked>>30)
		}
		if err := unzipEntry(root, e); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	return nil
}

func unzipEntry(root *os.Root, e *zip.File) error {
	name := strings.TrimSuffix(strings.ReplaceAll(e.Name, `\`, "/"), "/")
	if name == "" || name == "." {
		return nil
	}
	if e.FileInfo().IsDir() {
		return root.MkdirAll(name, 0o755)
	}
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if e.Mode()&fs.ModeSymlink != 0 {
		target, err := io.ReadAll(io.LimitReader(r, 4<<10))
		if err != nil {
			return err
		}
		return root.Symlink(string(target), name)
	}
	mode := e.Mode().Perm()
	if mode == 0 {
		mode = 0o644 // an archive from a system without modes
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode|0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// clone brings a Git repository at the asked version; HEAD is detached there, as on CodeBuild.
func (b *build) clone(ctx context.Context, src protocol.Source) (string, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return "", clientError("the build image has no git, which is needed to download %s", src.URL)
	}
	args := []string{"clone", "--quiet", "--no-checkout"}
	if src.Depth > 0 {
		args = append(args, "--depth", fmt.Sprint(src.Depth), "--no-single-branch")
	}
	kept := b.keptSource(src)
	if _, err := os.Stat(kept); kept != "" && err == nil {
		args = append(args, "--reference", kept)
	}
	if out, err := b.git(ctx, git, "", append(args, src.URL, src.Dir)...); err != nil {
		return "", cloneError(out, err, src)
	}
	target, err := b.target(ctx, git, src)
	if err != nil {
		return "", err
	}
	if out, err := b.git(ctx, git, src.Dir, "checkout", "--quiet", "--detach", target); err != nil {
		return "", clientError("git checkout %s: %s", target, out)
	}
	if src.Submodules {
		if out, err := b.git(ctx, git, src.Dir, "submodule", "update", "--quiet", "--init", "--recursive"); err != nil {
			return "", clientError("git submodule update: %s", out)
		}
	}
	if kept != "" {
		b.keepSource(ctx, git, kept, src.Dir)
	}
	return target, nil
}

// target is the commit that the source's version names.
func (b *build) target(ctx context.Context, git string, src protocol.Source) (string, error) {
	names := []string{"refs/remotes/origin/HEAD", "HEAD"}
	if src.Ref != "" {
		short := strings.TrimPrefix(src.Ref, "refs/heads/")
		names = []string{"refs/remotes/origin/" + short, "refs/tags/" + src.Ref, src.Ref}
	}
	for pass := range 2 {
		for _, name := range names {
			out, err := b.git(ctx, git, src.Dir, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
			if err == nil {
				return strings.TrimPrefix(out, "--end-of-options\n"), nil
			}
		}
		if pass == 0 && src.Ref != "" {
			// A commit outside of what a shallow clone brought, or a ref of another kind.
			if _, err := b.git(ctx, git, src.Dir, "fetch", "--quiet", "origin", src.Ref); err == nil {
				names = append(names, "FETCH_HEAD")
			}
		}
	}
	return "", clientError("reference not found for primary source and source version %s", src.Ref)
}

// git runs git with the role's credentials for CodeCommit and returns what it printed.
func (b *build) git(ctx context.Context, git, dir string, args ...string) (string, error) {
	helper := "!'" + b.self + "' " + gitCredentialWord
	cmd := exec.CommandContext(ctx, git, append([]string{
		"-c", "credential.helper=" + helper, "-c", "credential.UseHttpPath=true",
		"-c", "safe.directory=*", "-c", "advice.detachedHead=false",
	}, args...)...)
	cmd.Dir = dir
	cmd.Env = setVariable(b.session.env, credentialsAddress, b.start.Credentials)
	cmd.Env = append(cmd.Env, "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func cloneError(out string, err error, src protocol.Source) error {
	if out == "" {
		out = err.Error()
	}
	where := "primary source"
	if src.ID != "" {
		where = "secondary source " + src.ID
	}
	switch {
	case strings.Contains(out, "could not read Username"), strings.Contains(out, "Authentication failed"), strings.Contains(out, "403"):
		return clientError("authentication required for %s and source version %s", where, src.Ref)
	case strings.Contains(out, "not found"):
		return clientError("repository not found for %s and source version %s", where, src.Ref)
	}
	return clientError("git clone of %s: %s", src.URL, out)
}
