package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/truststore"
)

// The certificate of package truststore's tests; its file in OpenSSL's folder is 54f4fd10.
const certificate = `-----BEGIN CERTIFICATE-----
MIIB8jCCAZegAwIBAgIUVp2Y9NPIAfsrt6z/1aPd3jIoF+EwCgYIKoZIzj0EAwIw
TTELMAkGA1UEBhMCREUxETAPBgNVBAoMCFBlbnN0b2NrMSswKQYDVQQDDCJQZW5z
dG9jayBsb2NhbCBhdXRob3JpdHkgb24gYS1ob3N0MCAXDTI2MTEyNjE1MTY1MFoY
DzIxMDkwMTE1MTUxNjUwWjBNMQswCQYDVQQGEwJERTERMA8GA1UECgwIUGVuc3Rv
Y2sxKzApBgNVBAMMIlBlbnN0b2NrIGxvY2FsIGF1dGhvcml0eSBvbiBhLWhvc3Qw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT3mveTQJ/Qy5zoRe2ARC7r7O6V6oqj
fgDM5KuUIOpUAtKBB0xo+3Ia6Q4Zq6XoTNn2u7dqZkv4cLOO7rQrwruto1MwUTAd
BgNVHQ4EFgQU4AU0a68Jj34LAcSFzHR/XnSeQzswHwYDVR0jBBgwFoAU4AU0a68J
j34LAcSFzHR/XnSeQzswDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBG
AiEAv4ddlwu+h7UKeXauz610wB/dDzuGbp1fi6cYM3Rfrj0CIQDQIB9OAkrR0lQp
Bag/4aIj0uWBnxMT7cinQiUut/Ot/Q==
-----END CERTIFICATE-----
`

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
		"Python":     {"etc/ssl/cert.pem", "usr/lib/python3.11/site-packages/certifi/cacert.pem", "usr/lib/python3.11/site-packages/pip/_vendor/certifi/cacert.pem"},
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
				if strings.Count(string(b), certificate) != 1 || string(truststore.Remove(b)) != "THEIRS\n" {
					t.Errorf("%s: %q", f, b)
				}
			}
			hashed := filepath.Join(root, "etc/ssl/certs/54f4fd10.0")
			if b, _ := os.ReadFile(hashed); strings.Contains(files[0], "etc/ssl/certs/") != strings.Contains(string(b), certificate) {
				t.Errorf("OpenSSL's folder has %q", b)
			}
			if _, err := os.Stat(strings.TrimSuffix(hashed, "0") + "1"); err == nil {
				t.Error("OpenSSL's folder has it twice")
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
	if b, _ := os.ReadFile(bundle); strings.Count(string(b), certificate) != 1 {
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
				addVariables(c["process"].(map[string]any), "/image/bundle")
				return nil
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
			if got.N != "12345678901234567890" || !slices.Contains(env, "SSL_CERT_FILE=/mine") || !slices.Contains(env, "AWS_CA_BUNDLE="+insideBundle) ||
				slices.Contains(env, "SSL_CERT_FILE=/image/bundle") || !slices.Contains(env, "CURL_CA_BUNDLE=/image/bundle") {
				t.Errorf("%s", b)
			}
		})
	}
}
