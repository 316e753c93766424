package runner

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// picked is a file of an artifact: where it lies and what it is called in the artifact.
type picked struct{ path, name string }

// pick finds the files that patterns name below base; what exclude names is left
// out. skipped are the patterns that matched nothing.
func pick(base string, patterns, exclude []string, flatten bool) (files []picked, skipped []string, err error) {
	seen := map[string]bool{}
	for _, p := range patterns {
		found, err := match(base, p)
		if err != nil {
			return nil, nil, err
		}
		n := len(files)
		for _, f := range found {
			if isExcluded(f.name, exclude) {
				continue
			}
			if flatten {
				f.name = path.Base(f.name)
				files = slices.DeleteFunc(files, func(o picked) bool { return o.name == f.name })
				seen[f.name] = false
			}
			if !seen[f.name] {
				seen[f.name] = true
				files = append(files, f)
			}
		}
		if len(found) == 0 && n == len(files) {
			skipped = append(skipped, p)
		}
	}
	return files, skipped, nil
}

// match finds the files of one pattern. An absolute one is looked up from the
// root; its files keep their names below the base where they lie there.
func match(base, pattern string) ([]picked, error) {
	pattern = path.Clean(filepath.ToSlash(pattern))
	root := base
	if path.IsAbs(pattern) {
		if rel, ok := strings.CutPrefix(pattern, strings.TrimSuffix(base, "/")+"/"); ok {
			pattern = rel
		} else {
			root, pattern = "/", strings.TrimPrefix(pattern, "/")
		}
	} else if pattern == ".." || strings.HasPrefix(pattern, "../") {
		return match(base, path.Join(base, pattern))
	}
	names, err := doublestar.Glob(os.DirFS(root), pattern, doublestar.WithFilesOnly())
	if err != nil {
		return nil, clientError("invalid artifact path %s: %v", pattern, err)
	}
	out := make([]picked, 0, len(names))
	for _, n := range names {
		out = append(out, picked{filepath.Join(root, n), n})
	}
	return out, nil
}

func isExcluded(name string, exclude []string) bool {
	for _, e := range exclude {
		if ok, err := doublestar.Match(strings.TrimPrefix(e, "./"), name); ok && err == nil {
			return true
		}
	}
	return false
}

// bases are the folders that a base-directory names: one, or those that a wildcard matches.
func bases(home, base string) ([]string, error) {
	if base == "" || base == "." {
		return []string{home}, nil
	}
	full := base
	if !path.IsAbs(base) {
		full = path.Join(home, base)
	}
	found, err := doublestar.FilepathGlob(full)
	if err != nil {
		return nil, clientError("invalid base directory path %s: %v", base, err)
	}
	found = slices.DeleteFunc(found, func(f string) bool {
		fi, err := os.Stat(f)
		return err != nil || !fi.IsDir()
	})
	if len(found) == 0 {
		return nil, clientError("no matching base directory path found for %s", base)
	}
	return found, nil
}

// isSymlink tells whether f is one, for enable-symlinks.
func isSymlink(f string) bool {
	fi, err := os.Lstat(f)
	return err == nil && fi.Mode()&fs.ModeSymlink != 0
}
