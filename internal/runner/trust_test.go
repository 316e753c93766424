package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const certificate = "-----BEGIN CERTIFICATE-----\nOURS\n-----END CERTIFICATE-----\n"

func put(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestBundlesAreMergedOnce(t *testing.T) {
	t.Parallel()
	for name, files := range map[string][]string{
		"Debian":     {"etc/ssl/certs/ca-certificates.crt"},
		"Red Hat":    {"etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"},
		"AWS CLI v2": {"etc/ssl/certs/ca-certificates.crt", "usr/local/aws-cli/v2/2.1/dist/awscli/botocore/cacert.pem"},
		"Python":     {"etc/ssl/cert.pem", "usr/lib/python3.11/site-packages/certifi/cacert.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, f := range files {
				put(t, filepath.Join(root, f), "THEIRS")
			}
			for range 2 {
				bundle, err := trust(root, []byte(certificate))
				if err != nil || bundle != filepath.Join(root, files[0]) {
					t.Fatalf("%s %v", bundle, err)
				}
			}
			for _, f := range files {
				b, _ := os.ReadFile(filepath.Join(root, f))
				if string(b) != "THEIRS\n"+certificate {
					t.Errorf("%s: %q", f, b)
				}
			}
		})
	}
}

func TestImageWithoutBundleGetsOne(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	bundle, err := trust(root, []byte(certificate))
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(bundle); string(b) != certificate {
		t.Errorf("%s: %q", bundle, b)
	}
}

func TestWrapperFindsTheBundleInEveryForm(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"containerd": {"--root", "/r", "--log", "/l", "create", "--bundle", "DIR", "--pid-file", "/p", "id"},
		"BuildKit":   {"--log=/l", "run", "--bundle=DIR", "--keep", "id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			config := put(t, filepath.Join(dir, "config.json"), `{"root":{"path":"rootfs"},"n":12345678901234567890,"process":{"env":["PATH=/bin","SSL_CERT_FILE=/mine"]}}`)
			called := false
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "DIR", dir)
			}
			verb, bundle, _ := asked(args)
			if bundle != dir || verb == "" {
				t.Fatalf("%s of %q", verb, bundle)
			}
			err := edit(config, func(c map[string]any) error {
				called = true
				return addVariables(c["process"].(map[string]any))
			})
			if err != nil || !called {
				t.Fatal(err)
			}
			b, _ := os.ReadFile(config)
			var got struct {
				N       json.Number
				Process struct{ Env []string }
			}
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatal(err)
			}
			env := got.Process.Env
			if got.N != "12345678901234567890" || !slices.Contains(env, "SSL_CERT_FILE=/mine") || !slices.Contains(env, "AWS_CA_BUNDLE="+insideBundle) || slices.Contains(env, "SSL_CERT_FILE="+insideBundle) {
				t.Errorf("%s", b)
			}
		})
	}
}
