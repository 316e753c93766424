package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute"
)

// bundlePaths are where distributions keep their certificates in one file. Those
// that are links in an image are left alone: what they point to is listed too.
var bundlePaths = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Alpine
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Red Hat, Amazon Linux
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/cert.pem",
	"/etc/ssl/ca-bundle.pem", // SUSE
	"/var/lib/ca-certificates/ca-bundle.pem",
}

// javaPaths are Java's; the image's JAVA_HOME is tried too.
var javaPaths = []string{
	"/etc/ssl/certs/java/cacerts",
	"/etc/pki/ca-trust/extracted/java/cacerts",
	"/opt/java/openjdk/lib/security/cacerts",
}

// trustedFile is a bundle of an image with our certificates added.
type trustedFile struct {
	Path    string // in the container
	Host    string // the computed copy
	InImage bool   // the image has such a file
	Java    bool   `json:",omitzero"`
}

func (f trustedFile) read() ([]byte, error) {
	body, err := os.ReadFile(f.Host)
	if err != nil {
		return nil, fmt.Errorf("docker: reading the computed bundle for %s: %w", f.Path, err)
	}
	return body, nil
}

// bundleOf is the PEM file that a container's tools are pointed at; "" for none.
func bundleOf(c compute.Container, trusted []trustedFile) string {
	for _, f := range trusted {
		if !f.Java && (f.InImage || !c.ReadOnlyRoot) {
			return f.Path
		}
	}
	return ""
}

// trust computes bundles once per image and set of certificates, in a folder
// <data>/trust/<key>, so that starting a container costs only putting them in.
type trust struct {
	b     *Backend
	locks keyedLocks
}

func (t *trust) start(b *Backend) { t.b = b }

// trusted gives the bundles of a container that asks for them.
func (b *Backend) trusted(ctx context.Context, c compute.Container, image string) ([]trustedFile, error) {
	if !c.TrustCA || b.cfg.Trust == nil {
		return nil, nil
	}
	added := b.cfg.Trust()
	sum := sha256.Sum256(append([]byte(image+"\x00"), added...))
	key := hex.EncodeToString(sum[:12])
	defer b.trust.locks.lock(key)()
	dir := filepath.Join(b.cfg.Data, "trust", key)
	body, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return b.trust.compute(ctx, image, key, dir, added)
	}
	if err != nil {
		return nil, fmt.Errorf("docker: reading the bundles of image %s: %w", image, err)
	}
	var files []trustedFile
	if err := json.Unmarshal(body, &files); err != nil {
		return nil, fmt.Errorf("docker: the bundles of image %s are damaged (remove %s): %w", image, dir, err)
	}
	return files, nil
}

// compute reads the image's bundles through a container that never starts.
func (t *trust) compute(ctx context.Context, image, key, dir string, added []byte) ([]trustedFile, error) {
	name := t.b.prefix() + "." + key + ".scratch"
	_, err := t.b.client().ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: name,
		Config: &container.Config{
			Image: image, Entrypoint: []string{"/none"},
			Labels: map[string]string{LabelInstallation: t.b.cfg.Installation, labelRole: roleScratch},
		},
		HostConfig: &container.HostConfig{NetworkMode: "none"},
	})
	if err != nil && !errdefs.IsConflict(err) {
		return nil, fmt.Errorf("docker: making a container to read the certificates of image %s: %w", image, err)
	}
	files, err := t.fill(ctx, name, dir, added)
	if err := errors.Join(err, t.b.removeContainer(ctx, name)); err != nil {
		return nil, err
	}
	body, err := json.Marshal(files)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "index.json"), body, 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("docker: keeping the bundles of image %s: %w", image, err)
	}
	return files, nil
}

func (t *trust) fill(ctx context.Context, name, dir string, added []byte) ([]trustedFile, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("docker: making the folder of bundles: %w", err)
	}
	var files []trustedFile
	var widest []byte
	keep := func(path string, body []byte, inImage, java bool) error {
		f := trustedFile{Path: path, Host: filepath.Join(dir, fmt.Sprint(len(files))), InImage: inImage, Java: java}
		files = append(files, f)
		return os.WriteFile(f.Host, body, 0o644)
	}
	for _, path := range bundlePaths {
		body, found, err := t.b.readFile(ctx, name, path)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		merged := mergePEM(body, added)
		if len(merged) > len(widest) {
			widest = merged
		}
		if err := keep(path, merged, true, false); err != nil {
			return nil, err
		}
	}
	if len(files) == 0 { // an image without certificates trusts these alone
		widest = mergePEM(nil, added)
		if err := keep(bundlePaths[0], widest, false, false); err != nil {
			return nil, err
		}
	}
	for _, path := range t.javaPaths(ctx, name) {
		_, found, err := t.b.readFile(ctx, name, path)
		if err != nil {
			return nil, err
		}
		if found {
			if err := keep(path, javaKeystore(widest), true, true); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

func (t *trust) javaPaths(ctx context.Context, name string) []string {
	paths := javaPaths
	c, found, err := t.b.inspect(ctx, name)
	if err != nil || !found {
		return paths // best effort
	}
	for _, e := range c.Config.Env {
		if home, ok := strings.CutPrefix(e, "JAVA_HOME="); ok {
			paths = append(paths[:len(paths):len(paths)], home+"/lib/security/cacerts", home+"/jre/lib/security/cacerts")
		}
	}
	return paths
}

// readFile reads a regular file of a container; links and what lacks are not found.
func (b *Backend) readFile(ctx context.Context, name, path string) ([]byte, bool, error) {
	r, err := b.client().CopyFromContainer(ctx, name, client.CopyFromContainerOptions{SourcePath: path})
	if errdefs.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("docker: reading %s of container %s: %w", path, name, err)
	}
	defer r.Content.Close()
	t := tar.NewReader(r.Content)
	h, err := t.Next()
	if err != nil {
		return nil, false, fmt.Errorf("docker: reading %s of container %s: %w", path, name, err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil, false, nil
	}
	body, err := io.ReadAll(io.LimitReader(t, 16<<20))
	if err != nil {
		return nil, false, fmt.Errorf("docker: reading %s of container %s: %w", path, name, err)
	}
	return body, true, nil
}

// mergePEM adds what is not there yet.
func mergePEM(have, added []byte) []byte {
	out := bytes.TrimRight(have, "\n")
	for _, block := range pemBlocks(added) {
		if !bytes.Contains(have, bytes.TrimSpace(block)) {
			out = append(append(out, '\n'), bytes.TrimSpace(block)...)
		}
	}
	return append(bytes.TrimLeft(out, "\n"), '\n')
}
