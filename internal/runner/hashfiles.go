package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// CodeBuild's helper programs that a build finds on its PATH; they are this program.
const (
	hashFilesName  = "codebuild-hash-files"
	breakpointName = "codebuild-breakpoint"
)

// installHelpers makes the helpers' names, and puts their folder at the end of the PATH.
func (b *build) installHelpers() error {
	dir := filepath.Join(b.start.Root, "user", "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of the helper programs: %w", err)
	}
	for _, name := range []string{hashFilesName, breakpointName} {
		if err := os.Symlink(b.self, filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("link %s: %w", name, err)
		}
	}
	b.session.set("PATH", b.session.get("PATH")+":"+dir)
	return nil
}

// hashFiles prints one SHA-256 over the files of the source that the patterns name.
func hashFiles(patterns []string, w io.Writer) error {
	home := os.Getenv("CODEBUILD_SRC_DIR")
	if home == "" {
		home = "."
	}
	files, skipped, err := pick(home, patterns, nil, false)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no file matches %v", skipped)
	}
	slices.SortFunc(files, func(x, y picked) int { return strings.Compare(x.name, y.name) })
	all := sha256.New()
	for _, f := range files {
		r, err := os.Open(f.path)
		if err != nil {
			return err
		}
		one := sha256.New()
		_, err = io.Copy(one, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
		all.Write(one.Sum(nil))
	}
	_, err = fmt.Fprintln(w, hex.EncodeToString(all.Sum(nil)))
	return err
}
