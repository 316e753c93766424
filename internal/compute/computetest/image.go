package computetest

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// ShellRoot is a small root file system with a shell and programs of this machine
// ("sleep", "cat", …), as a tar to import as an image: tests need no registry.
func ShellRoot(programs ...string) ([]byte, error) {
	files := map[string]string{} // in the image → here
	for _, name := range append([]string{"sh"}, programs...) {
		path, err := exec.LookPath(name)
		if err != nil {
			return nil, fmt.Errorf("computetest: %w", err)
		}
		files["bin/"+name] = path
		if err := addLibraries(files, path); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	t := tar.NewWriter(&out)
	for _, dir := range []string{"tmp", "etc", "root"} {
		if err := t.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
			return nil, err
		}
	}
	passwd := []byte("root:x:0:0:root:/root:/bin/sh\n")
	if err := add(t, "etc/passwd", passwd, 0o644); err != nil {
		return nil, err
	}
	for to, from := range files {
		body, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		if err := add(t, to, body, 0o755); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), t.Close()
}

func add(t *tar.Writer, name string, body []byte, mode int64) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(body))}); err != nil {
		return err
	}
	_, err := t.Write(body)
	return err
}

var libraryFolders = []string{"/lib64", "/usr/lib64", "/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib"}

// addLibraries adds the loader and the libraries of a program, at the paths where
// the loader looks for them.
func addLibraries(files map[string]string, path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("computetest: %s: %w", path, err)
	}
	defer f.Close()
	if p := slices.IndexFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }); p >= 0 {
		name := make([]byte, f.Progs[p].Filesz)
		if _, err := f.Progs[p].ReadAt(name, 0); err != nil {
			return fmt.Errorf("computetest: %s: %w", path, err)
		}
		loader := string(bytes.TrimRight(name, "\x00"))
		files[loader[1:]] = loader
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("computetest: %s: %w", path, err)
	}
	for _, lib := range libraries {
		if _, done := files["lib/"+lib]; done {
			continue
		}
		for _, dir := range libraryFolders {
			found := filepath.Join(dir, lib)
			if _, err := os.Stat(found); err == nil {
				files["lib/"+lib] = found
				if err := addLibraries(files, found); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}
