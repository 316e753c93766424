package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/penstock-ci/penstock/internal/truststore"
)

// Programs that do not ask the system have roots of their own: Python's packages and
// the AWS CLI, in these folders and at these places below.
var (
	packages = []string{
		"usr/lib/python3*/*-packages",
		"usr/local/lib/python3*/*-packages",
		"usr/local/aws-cli/v2/*/dist",
		"root/.pyenv/versions/*/lib/python3*/site-packages",
		"opt/*/lib/python3*/site-packages",
	}
	packageRoots = []string{"certifi", "pip/_vendor/certifi", "botocore", "awscli/botocore"}
)

// anchors are folders from which the image's own tools make the bundle anew: our
// certificates stay when a command runs them.
var anchors = []string{"usr/local/share/ca-certificates", "etc/pki/ca-trust/source/anchors"}

// trustFile is where the certificates lie for the nested daemon's wrapper, below
// the build's root.
const trustFile = "readonly/trust.pem"

// trust adds certificates (PEM) to the image's bundles below root, and returns the
// system's bundle.
func trust(root string, certificates []byte) (string, error) {
	var system string
	for _, name := range truststore.Bundles {
		file := filepath.Join(root, name)
		if _, err := os.Stat(file); err != nil {
			continue
		}
		if err := appendTo(file, certificates); err != nil {
			return "", err
		}
		if system == "" {
			system = file
		}
	}
	if system == "" {
		system = filepath.Join(root, truststore.Bundles[0])
		if err := os.MkdirAll(filepath.Dir(system), 0o755); err != nil {
			return "", fmt.Errorf("make the folder of the system's certificates: %w", err)
		}
		if err := appendTo(system, certificates); err != nil {
			return "", err
		}
	}
	if err := addHashed(root, certificates); err != nil {
		return "", fmt.Errorf("add Penstock's certificates to %s: %w", truststore.HashedFolder, err)
	}
	for _, folder := range packages {
		for _, name := range packageRoots {
			found, _ := filepath.Glob(filepath.Join(root, folder, name, "cacert.pem")) // only a bad pattern fails
			for _, file := range found {
				if err := appendTo(file, certificates); err != nil {
					return "", err
				}
			}
		}
	}
	for _, dir := range anchors {
		if fi, err := os.Stat(filepath.Join(root, dir)); err != nil || !fi.IsDir() {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, dir, "penstock.crt"), certificates, 0o644); err != nil {
			return "", fmt.Errorf("add Penstock's certificates to the system's: %w", err)
		}
	}
	return system, nil
}

// addHashed puts the certificates into OpenSSL's folder, if there is one.
func addHashed(root string, certificates []byte) error {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer dir.Close()
	files, err := hashedFiles(dir, certificates)
	for name, body := range files {
		if err := dir.WriteFile(name, body, 0o644); err != nil {
			return err
		}
	}
	return err
}

// hashedFiles are the certificates as files of OpenSSL's folder below root, under
// names that are free; none where that folder is a link: its programs read the bundle.
func hashedFiles(root *os.Root, certificates []byte) (map[string][]byte, error) {
	folder, err := find(root, truststore.HashedFolder)
	if err != nil || folder == nil || !folder.IsDir() {
		return nil, err
	}
	files := map[string][]byte{}
	for hash, body := range truststore.Hashed(certificates) {
		name, err := freeName(root, hash, body)
		if err != nil {
			return nil, err
		}
		files[name] = body
	}
	return files, nil
}

// freeName is the first of a hash's names that is not taken by another file.
func freeName(root *os.Root, hash string, body []byte) (string, error) {
	for n := 0; ; n++ {
		name := path.Join(truststore.HashedFolder, fmt.Sprintf("%s.%d", hash, n))
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		if have, err := root.ReadFile(name); err != nil || bytes.Equal(have, body) {
			return name, err
		}
	}
}

// find is what has that name, nil if nothing has. Links on the way are not followed.
func find(root *os.Root, name string) (info fs.FileInfo, err error) {
	parts := strings.Split(name, "/")
	for i := range parts {
		if i > 0 && !info.IsDir() {
			return nil, nil
		}
		info, err = root.Lstat(path.Join(parts[:i+1]...))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return info, nil
}

// appendTo adds certificates to a bundle once. A link is followed, so that links
// to one bundle stay one.
func appendTo(file string, certificates []byte) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", file, err)
	}
	added := truststore.Add(old, certificates)
	if bytes.Equal(added, old) {
		return nil
	}
	if err := os.WriteFile(file, added, 0o644); err != nil {
		return fmt.Errorf("add Penstock's certificates to %s: %w", file, err)
	}
	return nil
}

// trustJava adds the certificates to the key stores of the Java installations,
// with their own tool: the newer format is encrypted.
func trustJava(ctx context.Context, certificates []byte, tmp string) error {
	var stores []string
	for _, pattern := range []string{"/etc/ssl/certs/java/cacerts", "/usr/lib/jvm/*/lib/security/cacerts", "/usr/lib/jvm/*/jre/lib/security/cacerts", "/opt/*/lib/security/cacerts"} {
		found, _ := filepath.Glob(pattern) // only a bad pattern fails
		stores = append(stores, found...)
	}
	keytool, err := exec.LookPath("keytool")
	if len(stores) == 0 || err != nil {
		return nil
	}
	file := filepath.Join(tmp, "penstock-java.pem")
	defer os.Remove(file)
	done := map[string]bool{}
	for _, store := range stores {
		real, err := filepath.EvalSymlinks(store)
		if err != nil || done[real] {
			continue
		}
		done[real] = true
		for i, cert := range bytes.SplitAfter(certificates, []byte("-----END CERTIFICATE-----")) {
			if len(bytes.TrimSpace(cert)) == 0 {
				continue
			}
			if err := os.WriteFile(file, cert, 0o644); err != nil {
				return fmt.Errorf("add Penstock's certificates to Java's: %w", err)
			}
			out, err := exec.CommandContext(ctx, keytool, "-importcert", "-noprompt", "-trustcacerts", "-storepass", "changeit",
				"-alias", fmt.Sprintf("penstock-%d", i), "-file", file, "-keystore", real).CombinedOutput()
			if err != nil && !bytes.Contains(out, []byte("already exists")) {
				return fmt.Errorf("add Penstock's certificates to %s: %w: %s", real, err, bytes.TrimSpace(out))
			}
		}
	}
	return nil
}
