package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func (b *Backend) netnsPath(pod string) string {
	return filepath.Join(b.cfg.Runtime, "pods", pod+".netns")
}

// mountNetNS binds the network namespace of pid to the pod's file, so that it can
// be named, and taken down in order, whatever becomes of the process.
func (b *Backend) mountNetNS(pod string, pid int) (string, error) {
	path, source := b.netnsPath(pod), fmt.Sprintf("/proc/%d/ns/net", pid)
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return "", fmt.Errorf("docker: making the folder of namespaces: %w", err)
	}
	want, err := os.Stat(source)
	if err != nil {
		return "", fmt.Errorf("docker: the pause container of pod %s ended at once: %w", pod, err)
	}
	have, err := os.Stat(path)
	if err == nil && os.SameFile(want, have) {
		return path, nil
	}
	if err := b.unmountNetNS(pod); err != nil {
		return "", err
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return "", fmt.Errorf("docker: making the namespace file of pod %s: %w", pod, err)
	}
	if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
		return "", fmt.Errorf("docker: binding the namespace of pod %s to %s (root is needed): %w", pod, path, err)
	}
	return path, nil
}

// unmountNetNS is done when there is nothing left.
func (b *Backend) unmountNetNS(pod string) error {
	path := b.netnsPath(pod)
	for {
		err := unix.Unmount(path, unix.MNT_DETACH)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			return fmt.Errorf("docker: unbinding the namespace of pod %s: %w", pod, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("docker: removing the namespace file of pod %s: %w", pod, err)
	}
	return nil
}
