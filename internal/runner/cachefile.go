package runner

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/klauspost/compress/zstd"
)

// A cache is a tar, compressed by zstd. The names of its files begin with the tree
// that they lie in: the source's or the whole machine's.
const (
	inSource  = "src"
	inMachine = "abs"
)

// keep finds the files that patterns name, by their names in the cache. A pattern
// that names a folder means all that is in it. Links are kept as links.
func keep(home string, patterns []string) ([]picked, error) {
	var out []picked
	seen := map[string]bool{}
	for _, p := range patterns {
		tree, root, rest := inSource, home, path.Clean(p)
		if path.IsAbs(rest) {
			tree, root, rest = inMachine, "/", strings.TrimPrefix(rest, "/")
		}
		if fi, err := os.Stat(filepath.Join(root, rest)); err == nil && fi.IsDir() {
			rest = path.Join(rest, "**/*")
		}
		names, err := doublestar.Glob(os.DirFS(root), rest, doublestar.WithFilesOnly(), doublestar.WithNoFollow())
		if err != nil {
			return nil, fmt.Errorf("path %s: %w", p, err)
		}
		for _, n := range names {
			if f := (picked{filepath.Join(root, n), path.Join(tree, n)}); !seen[f.name] {
				seen[f.name] = true
				out = append(out, f)
			}
		}
	}
	return out, nil
}

// writeCache writes files that may change or go while it reads them.
func writeCache(w io.Writer, files []picked) (err error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	t := tar.NewWriter(z)
	for _, f := range files {
		if err := writeCached(t, f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	return t.Close()
}

func writeCached(t *tar.Writer, f picked) error {
	fi, err := os.Lstat(f.path)
	if err != nil {
		return err
	}
	if fi.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(f.path)
		if err != nil {
			return err
		}
		return writeHeader(t, fi, f.name, target)
	}
	if !fi.Mode().IsRegular() {
		return nil // a socket or a pipe of a daemon
	}
	r, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer r.Close()
	if fi, err = r.Stat(); err != nil {
		return err
	}
	if err := writeHeader(t, fi, f.name, ""); err != nil {
		return err
	}
	// What the header promised: a file that has grown is cut, one that has shrunk is filled.
	_, err = io.CopyN(t, io.MultiReader(r, zeros{}), fi.Size())
	return err
}

func writeHeader(t *tar.Writer, fi fs.FileInfo, name, target string) error {
	h, err := tar.FileInfoHeader(fi, target)
	if err != nil {
		return err
	}
	h.Name, h.Format = name, tar.FormatPAX
	return t.WriteHeader(h)
}

// zeros reads as nothing but zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// readCache puts a cache's files where they were, and tells how many. A file that the
// source has stays the source's.
func readCache(r io.Reader, home string) (n int, err error) {
	z, err := zstd.NewReader(r)
	if err != nil {
		return 0, err
	}
	defer z.Close()
	t := tar.NewReader(z)
	for left := int64(maxUnpacked); ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if left -= h.Size; left < 0 || n > maxEntries {
			return n, fmt.Errorf("the cache has more than %d files or %d GiB", maxEntries, maxUnpacked>>30)
		}
		if err := restore(t, h, home); err != nil {
			return n, fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

func restore(r io.Reader, h *tar.Header, home string) error {
	tree, name, _ := strings.Cut(h.Name, "/")
	root := map[string]string{inSource: home, inMachine: "/"}[tree]
	if root == "" || !filepath.IsLocal(name) {
		return errors.New("no place in a cache")
	}
	file := filepath.Join(root, name)
	if _, err := os.Lstat(file); err == nil && tree == inSource {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if h.Typeflag == tar.TypeSymlink {
		return errors.Join(os.Symlink(h.Linkname, file), own(file, h))
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// The owner first: a new owner takes the set-user bits away.
	return errors.Join(own(file, h), os.Chmod(file, h.FileInfo().Mode()), os.Chtimes(file, h.ModTime, h.ModTime))
}

func own(file string, h *tar.Header) error {
	if os.Geteuid() != 0 {
		return nil // everything is this user's anyway
	}
	return os.Lchown(file, h.Uid, h.Gid)
}
