package docker

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/truststore"
)

// javaPaths are Java's; the image's JAVA_HOME is tried too.
var javaPaths = []string{
	"/etc/ssl/certs/java/cacerts",
	"/etc/pki/ca-trust/extracted/java/cacerts",
	"/opt/java/openjdk/lib/security/cacerts",
}

// trustVariables point programs with roots of their own at the bundle that has ours.
var trustVariables = []string{"AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"}

// trusted is what of an image is replaced so that it trusts our certificates.
type trusted struct {
	Files  []trustedFile // the system's bundle first
	Bundle string        // its path in the container
	Set    []string      // those of trustVariables that the image sets itself
}

// trustedFile is a file of an image with our certificates added.
type trustedFile struct {
	Path string // in the container
	Host string // the computed copy
}

func (f trustedFile) read() ([]byte, error) {
	body, err := os.ReadFile(f.Host)
	if err != nil {
		return nil, fmt.Errorf("docker: reading the computed bundle for %s: %w", f.Path, err)
	}
	return body, nil
}

// trust computes bundles once per image and set of certificates, in a folder
// <data>/trust/<key>, so that starting a container costs only putting them in.
type trust struct {
	b     *Backend
	locks keyedLocks
}

func (t *trust) start(b *Backend) { t.b = b }

// indexFormat is part of the key, so that what an earlier release computed is not read.
const indexFormat = "2"

// trusted gives the files of a container that asks for them.
func (b *Backend) trusted(ctx context.Context, c compute.Container, image string) (trusted, error) {
	var out trusted
	if !c.TrustCA || b.cfg.Trust == nil {
		return out, nil
	}
	added := b.cfg.Trust()
	sum := sha256.Sum256(append([]byte(indexFormat+"\x00"+image+"\x00"), added...))
	key := hex.EncodeToString(sum[:12])
	defer b.trust.locks.lock(key)()
	dir := filepath.Join(b.cfg.Data, "trust", key)
	body, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return b.trust.compute(ctx, image, key, dir, added)
	}
	if err != nil {
		return out, fmt.Errorf("docker: reading the bundles of image %s: %w", image, err)
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("docker: the bundles of image %s are damaged (remove %s): %w", image, dir, err)
	}
	return out, nil
}

// compute reads the image's bundles through a container that never starts.
func (t *trust) compute(ctx context.Context, image, key, dir string, added []byte) (trusted, error) {
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
		return trusted{}, fmt.Errorf("docker: making a container to read the certificates of image %s: %w", image, err)
	}
	f := filling{b: t.b, container: name, dir: dir, added: added}
	err = f.fill(ctx)
	if err := errors.Join(err, t.b.removeContainer(ctx, name)); err != nil {
		return trusted{}, err
	}
	body, err := json.Marshal(f.out)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "index.json"), body, 0o644)
	}
	if err != nil {
		return trusted{}, fmt.Errorf("docker: keeping the bundles of image %s: %w", image, err)
	}
	return f.out, nil
}

// filling computes the files of one image.
type filling struct {
	b              *Backend
	container, dir string
	added          []byte
	out            trusted
	widest         []byte // the bundle with the most roots
}

func (f *filling) fill(ctx context.Context) error {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return fmt.Errorf("docker: making the folder of bundles: %w", err)
	}
	c, found, err := f.b.inspect(ctx, f.container)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("docker: the container %s that shows an image's certificates is gone", f.container)
	}
	bundles, java := f.places(c.Config.Env)
	if err := f.bundles(ctx, bundles); err != nil {
		return err
	}
	if err := f.hashed(ctx); err != nil {
		return err
	}
	for _, path := range java {
		_, found, err := f.b.readFile(ctx, f.container, path)
		if err != nil {
			return err
		}
		if found {
			if err := f.keep(path, truststore.Java(f.widest)); err != nil {
				return err
			}
		}
	}
	return nil
}

// places are where certificates may lie in an image with that environment: what it
// names in its own variables counts, too.
func (f *filling) places(env []string) (bundles, java []string) {
	for _, name := range truststore.Bundles {
		bundles = append(bundles, "/"+name)
	}
	java = slices.Clone(javaPaths)
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if name == "JAVA_HOME" {
			java = append(java, value+"/lib/security/cacerts", value+"/jre/lib/security/cacerts")
		}
		if !slices.Contains(trustVariables, name) {
			continue
		}
		f.out.Set = append(f.out.Set, name)
		if path.IsAbs(value) && !slices.Contains(bundles, value) {
			bundles = append(bundles, value)
		}
	}
	return bundles, java
}

// bundles adds the certificates to those that the image has; one without any trusts
// these alone.
func (f *filling) bundles(ctx context.Context, paths []string) error {
	for _, path := range paths {
		body, found, err := f.b.readFile(ctx, f.container, path)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		merged := truststore.Add(body, f.added)
		if len(merged) > len(f.widest) {
			f.widest = merged
		}
		if err := f.keep(path, merged); err != nil {
			return err
		}
	}
	if len(f.out.Files) == 0 {
		f.widest = truststore.Add(nil, f.added)
		if err := f.keep(paths[0], f.widest); err != nil {
			return err
		}
	}
	f.out.Bundle = f.out.Files[0].Path
	return nil
}

// hashed adds the certificates to OpenSSL's folder, if the image has it.
func (f *filling) hashed(ctx context.Context) error {
	const folder = "/" + truststore.HashedFolder
	mode, found, err := f.b.stat(ctx, f.container, folder)
	if err != nil || !found || !mode.IsDir() {
		return err
	}
	for hash, body := range truststore.Hashed(f.added) {
		path, taken := "", true
		for n := 0; taken; n++ {
			path = fmt.Sprintf("%s/%s.%d", folder, hash, n)
			if _, taken, err = f.b.stat(ctx, f.container, path); err != nil {
				return err
			}
		}
		if err := f.keep(path, body); err != nil {
			return err
		}
	}
	return nil
}

func (f *filling) keep(path string, body []byte) error {
	t := trustedFile{Path: path, Host: filepath.Join(f.dir, fmt.Sprint(len(f.out.Files)))}
	if err := os.WriteFile(t.Host, body, 0o644); err != nil {
		return fmt.Errorf("docker: keeping a bundle: %w", err)
	}
	f.out.Files = append(f.out.Files, t)
	return nil
}

// stat is the mode of what has that path in a container; a link is one.
func (b *Backend) stat(ctx context.Context, name, path string) (fs.FileMode, bool, error) {
	r, err := b.client().ContainerStatPath(ctx, name, client.ContainerStatPathOptions{Path: path})
	if errdefs.IsNotFound(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("docker: looking for %s in container %s: %w", path, name, err)
	}
	return r.Stat.Mode, true, nil
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
