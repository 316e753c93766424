package identity

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/identity/policy"
)

func keyring(t testing.TB) (*Keyring, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyring.json")
	k, err := OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func TestSealedOpensInItsPlaceAlone(t *testing.T) {
	t.Parallel()
	k, path := keyring(t)
	sealed, err := k.Seal("arn v1", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := again.Open("arn v1", sealed); err != nil || string(v) != "secret" {
		t.Errorf("after a restart: got %q, %v", v, err)
	}
	if _, err := k.Open("arn v2", sealed); err == nil {
		t.Error("it opened in another place")
	}
	for i := range sealed {
		sealed[i] ^= 1
		if _, err := k.Open("arn v1", sealed); err == nil {
			t.Errorf("it opened with byte %d changed", i)
		}
		sealed[i] ^= 1
	}
}

func TestRotationKeepsOldValuesReadable(t *testing.T) {
	t.Parallel()
	k, path := keyring(t)
	sealed, err := k.Seal("a", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	minted, err := k.Mint(Claims{Account: DefaultAccount}, time.Unix(1, 0), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	derived, err := k.Derive("runner")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	if again, err := k.Derive("runner"); err != nil || string(again) != string(derived) {
		t.Errorf("derived bytes changed with the rotation, %v", err)
	}
	if v, err := k.Open("a", sealed); err != nil || string(v) != "v" {
		t.Errorf("old value: got %q, %v", v, err)
	}
	if _, secret, ok := k.OpenToken(minted.Token); !ok || secret != minted.Secret {
		t.Error("a session from before the rotation ended with it")
	}
	fresh, err := k.Rewrap(sealed)
	if err != nil {
		t.Fatal(err)
	}
	k.keys = k.keys[1:] // the old master key is gone
	if v, err := k.Open("a", fresh); err != nil || string(v) != "v" {
		t.Errorf("rewrapped value: got %q, %v", v, err)
	}
	if _, err := k.Open("a", sealed); err == nil {
		t.Error("a value under a missing key opened")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("keyring file: %v, %v", info.Mode(), err)
	}
}

func TestKeyringThatOthersCanReadIsRefused(t *testing.T) {
	t.Parallel()
	_, path := keyring(t)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeyring(path); err == nil {
		t.Error("it was opened")
	}
}

func TestEveryManagedPolicyParses(t *testing.T) {
	t.Parallel()
	all := ManagedPolicies()
	files, err := managedFiles.ReadDir("managed")
	if err != nil || len(all) != len(files) {
		t.Fatalf("%d of %d files are policies, %v", len(all), len(files), err)
	}
	for _, m := range all {
		if _, err := policy.Parse(policy.Identity, m.Document); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
	for _, l := range linked {
		if _, ok := Managed(lastName(l.Policy)); !ok {
			t.Errorf("%s has no policy %s", l.Name, l.Policy)
		}
		if _, err := policy.Parse(policy.Trust, l.role(DefaultAccount).Trust); err != nil {
			t.Errorf("%s: %v", l.Name, err)
		}
	}
}

// FuzzToken: no text opens but what was minted, and none panics.
func FuzzToken(f *testing.F) {
	k, _ := keyring(f)
	minted, err := k.Mint(Claims{Account: DefaultAccount}, time.Unix(1, 0), time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(minted.Token)
	f.Add("AQ==")
	f.Fuzz(func(t *testing.T, token string) {
		c, _, ok := k.OpenToken(token)
		if b, err := json.Marshal(c); ok && (err != nil || c.AccessKeyID != minted.AccessKeyID) {
			t.Errorf("%q opened as %s", token, b)
		}
	})
}
