package authority

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/penstock-ci/penstock/internal/clock"
)

func open(t *testing.T, dir string) *CA {
	t.Helper()
	ca, err := Open(dir, clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestLeafIsTrustedByTheBundle(t *testing.T) {
	t.Parallel()
	ca := open(t, t.TempDir())
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.Bundle()) {
		t.Fatal("the bundle holds no certificate")
	}
	for _, name := range []string{"100000000001.dkr.ecr.us-east-1.amazonaws.com", "127.0.0.1", "localhost"} {
		leaf, err := ca.Leaf(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leaf.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if again, _ := ca.Leaf(name); again != leaf {
			t.Errorf("%s was signed twice", name)
		}
	}
}

func TestReopenedAuthorityIsTheSame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir)
	if string(open(t, dir).Bundle()) != string(first.Bundle()) {
		t.Error("a second start made another authority")
	}
	info, err := os.Stat(filepath.Join(dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v", info.Mode())
	}
}

func TestDamagedAuthoritySaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, clock.System{}); err == nil {
		t.Error("a damaged authority was opened")
	}
}

func TestOnlyTheOwnersAuthoritiesAreAdditional(t *testing.T) {
	t.Parallel()
	own, other := open(t, t.TempDir()), open(t, t.TempDir())
	dist, local := t.TempDir(), filepath.Join(t.TempDir(), "absent")
	bundle := filepath.Join(t.TempDir(), "bundle.crt")
	if err := os.WriteFile(filepath.Join(dist, "a.crt"), other.Bundle(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bundle, append(append([]byte{}, other.Bundle()...), own.Bundle()...), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := additional(bundle, dist, local)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(own.Bundle()) {
		t.Errorf("additional = %q", got)
	}
}
