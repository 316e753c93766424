package runner

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/penstock-ci/penstock/internal/truststore"
)

// layer holds the image's own bundles with Penstock's certificates, at their places,
// for one container of the build's Docker daemon. It lies between the image and what the
// container writes. A bundle mounted over would not do: the image's own tools replace
// it by renaming another file over it (update-ca-certificates), which a mount refuses.
type layer struct {
	dir   string // beside the folder of changes, so that it is on one file system with it and goes with it
	upper string // the folder of changes
}

func layerBeside(upper string) layer {
	return layer{dir: filepath.Join(filepath.Dir(upper), "penstock"), upper: upper}
}

func (l layer) files() string { return filepath.Join(l.dir, "files") }
func (l layer) work() string  { return filepath.Join(l.dir, "work") }

// system is the path of the system's bundle in the container; "" if the layer has
// none, and so is none.
func (l layer) system() string {
	for _, name := range truststore.Bundles {
		if _, err := os.Stat(filepath.Join(l.files(), name)); err == nil {
			return "/" + name
		}
	}
	return ""
}

// fill makes the layer of what the root file system has.
func (l layer) fill(rootfs string, certificates []byte) error {
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, dir := range []string{l.files(), l.work()} {
		if err := os.RemoveAll(dir); err != nil { // a container that is started again
			return fmt.Errorf("remove the layer of the last start: %w", err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, name := range truststore.Bundles {
		info, err := find(root, name)
		if err != nil {
			return err
		}
		if info == nil || !info.Mode().IsRegular() {
			continue // what a link leads to has a name of its own among the bundles
		}
		body, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		if err := l.put(root, name, truststore.Add(body, certificates), info); err != nil {
			return err
		}
	}
	if l.system() == "" {
		return nil
	}
	hashed, err := hashedFiles(root, certificates)
	if err != nil {
		return err
	}
	for name, body := range hashed {
		if err := l.put(root, name, body, nil); err != nil {
			return err
		}
	}
	return nil
}

// put writes a file of the layer. A folder in it hides the image's own attributes,
// so it gets the same ones.
func (l layer) put(root *os.Root, name string, body []byte, like fs.FileInfo) error {
	file := filepath.Join(l.files(), name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, body, 0o644); err != nil {
		return err
	}
	if like != nil {
		if err := copyAttributes(file, like); err != nil {
			return err
		}
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		info, err := root.Lstat(dir)
		if err != nil {
			return err
		}
		if err := copyAttributes(filepath.Join(l.files(), dir), info); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

func copyAttributes(file string, like fs.FileInfo) error {
	if st, ok := like.Sys().(*syscall.Stat_t); ok {
		if err := os.Lchown(file, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	if err := os.Chmod(file, like.Mode()); err != nil {
		return err
	}
	return os.Chtimes(file, time.Time{}, like.ModTime())
}

// forget takes out of the container's changes what came from the layer: who appends
// to a bundle, or changes its owner, has copied it. The container's processes have
// ended; the layer stays, for a restart goes on with the same mount.
func (l layer) forget() error {
	root, err := os.OpenRoot(l.upper)
	if err != nil {
		return fmt.Errorf("open the container's changes: %w", err)
	}
	defer root.Close()
	err = filepath.WalkDir(l.files(), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(l.files(), file)
		if err != nil {
			return err
		}
		ours, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return forgetFile(root, name, len(truststore.Remove(ours)) == 0)
	})
	if err != nil {
		return fmt.Errorf("take Penstock's certificates out of the container's changes: %w", err)
	}
	return nil
}

// forgetFile cleans one file of the changes. Of a file that only the layer had nothing
// is left, not even that it was deleted.
func forgetFile(root *os.Root, name string, only bool) error {
	info, err := find(root, name)
	if err != nil || info == nil {
		return err
	}
	deleted := info.Mode()&fs.ModeCharDevice != 0 // how an overlay keeps it
	if only && deleted {
		return root.Remove(name)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	body, err := root.ReadFile(name)
	if err != nil {
		return err
	}
	clean := truststore.Remove(body)
	switch {
	case only && len(clean) == 0:
		return root.Remove(name)
	case bytes.Equal(clean, body):
		return nil
	}
	if err := root.WriteFile(name, clean, info.Mode().Perm()); err != nil { // in place: owner and attributes stay
		return err
	}
	return root.Chtimes(name, time.Time{}, info.ModTime())
}
