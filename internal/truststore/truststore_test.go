package truststore

import (
	"bytes"
	"encoding/pem"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	theirs = "-----BEGIN CERTIFICATE-----\nVEhFSVJT\n-----END CERTIFICATE-----\n"
	ours   = "-----BEGIN CERTIFICATE-----\nT1VSUw==\n-----END CERTIFICATE-----\n"
)

func TestWhatIsAddedIsRemovedAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, bundle := range map[string]string{
		"a bundle":                        theirs,
		"none":                            "",
		"ours, put there by its owner":    theirs + ours,
		"text around":                     "# a name\n" + theirs + "# the end\n",
		"ours, and theirs after it again": string(Add([]byte(theirs), []byte(ours))) + theirs,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clean := string(Remove([]byte(bundle)))
			added := Add([]byte(bundle), []byte(ours))
			if n := bytes.Count(added, []byte(ours)); n != 1 {
				t.Errorf("ours is there %d times:\n%s", n, added)
			}
			if again := Add(added, []byte(ours)); !bytes.Equal(again, added) {
				t.Errorf("added twice:\n%s", again)
			}
			if got := string(Remove(added)); got != clean || strings.Contains(got, "Penstock") {
				t.Errorf("after the removal:\n%s\nwas:\n%s", got, clean)
			}
		})
	}
}

func TestABundleWithoutALastNewlineStaysReadable(t *testing.T) {
	t.Parallel()
	added := Add([]byte(strings.TrimSpace(theirs)), []byte(ours))
	if n := len(split(added)); n != 2 {
		t.Errorf("%d certificates in\n%s", n, added)
	}
}

// The expected names are what `openssl x509 -subject_hash` printed.
func TestHashedNamesAreOpenSSLs(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("testdata/subjects.pem")
	if err != nil {
		t.Fatal(err)
	}
	files := Hashed(append([]byte(ours), body...)) // ours here is no certificate
	got := slices.Sorted(maps.Keys(files))
	if want := []string{"3384d5d3", "54f4fd10"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	for name, file := range files {
		if n := len(split(file)); n != 1 || len(Remove(file)) != 0 {
			t.Errorf("%s holds %d certificates", name, n)
		}
	}
}

func TestJavaReadsTheKeyStore(t *testing.T) {
	t.Parallel()
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		t.Skip("SKIPPED: no Java on this machine")
	}
	body, err := os.ReadFile("testdata/subjects.pem")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cacerts")
	if err := os.WriteFile(file, Java(body), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(keytool, "-list", "-rfc", "-keystore", file, "-storepass", "changeit").Output()
	if err != nil {
		t.Fatalf("keytool: %v\n%s", err, out)
	}
	block, _ := pem.Decode(body)
	if got, _ := pem.Decode(out[bytes.Index(out, []byte("-----BEGIN")):]); got == nil || !bytes.Equal(got.Bytes, block.Bytes) {
		t.Errorf("keytool lists\n%s", out)
	}
}
