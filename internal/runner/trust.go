package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Bundles of certificates that images have: the first that exists is the system's.
var systemBundles = []string{
	"etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Alpine, Arch
	"etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL, Amazon Linux
	"etc/pki/tls/certs/ca-bundle.crt",                  // older of them
	"etc/ssl/ca-bundle.pem",                            // SUSE
	"etc/ssl/cert.pem",                                 // Alpine's libressl
}

// ownBundles are those of programs that do not ask the system: certifi and
// botocore wherever Python or the AWS CLI may lie.
var ownBundles = []string{
	"usr/lib/python3*/*-packages/{certifi,botocore}/cacert.pem",
	"usr/local/lib/python3*/*-packages/{certifi,botocore}/cacert.pem",
	"usr/local/aws-cli/v2/*/dist/{certifi,botocore,awscli/botocore}/cacert.pem",
	"root/.pyenv/versions/*/lib/python3*/site-packages/{certifi,botocore}/cacert.pem",
	"opt/*/lib/python3*/site-packages/{certifi,botocore}/cacert.pem",
}

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
	for _, name := range systemBundles {
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
		system = filepath.Join(root, systemBundles[0])
		if err := os.MkdirAll(filepath.Dir(system), 0o755); err != nil {
			return "", fmt.Errorf("make the folder of the system's certificates: %w", err)
		}
		if err := appendTo(system, certificates); err != nil {
			return "", err
		}
	}
	for _, pattern := range ownBundles {
		for _, file := range alternatives(filepath.Join(root, pattern)) {
			if err := appendTo(file, certificates); err != nil {
				return "", err
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

// alternatives globs a pattern with one {a,b}.
func alternatives(pattern string) []string {
	open, end := strings.IndexByte(pattern, '{'), strings.IndexByte(pattern, '}')
	var out []string
	for _, word := range strings.Split(pattern[open+1:end], ",") {
		found, _ := filepath.Glob(pattern[:open] + word + pattern[end+1:]) // only a bad pattern fails
		out = append(out, found...)
	}
	return out
}

// appendTo adds certificates to a bundle once. A link is followed, so that links
// to one bundle stay one.
func appendTo(file string, certificates []byte) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if bytes.Contains(old, bytes.TrimSpace(certificates)) {
		return nil
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		old = append(old, '\n')
	}
	if err := os.WriteFile(file, append(old, certificates...), 0o644); err != nil {
		return fmt.Errorf("add Penstock's certificates to %s: %w", file, err)
	}
	return nil
}

// trustJava adds the certificates to the key stores of the Java installations,
// with their own tool: the newer format is encrypted.
func trustJava(ctx context.Context, certificates []byte, tmp string) error {
	var stores []string
	for _, p := range []string{"/etc/ssl/certs/java/cacerts", "/usr/lib/jvm/*/lib/security/cacerts", "/usr/lib/jvm/*/jre/lib/security/cacerts", "/opt/*/lib/security/cacerts"} {
		found, _ := filepath.Glob(p) // only a bad pattern fails
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
