package authority

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// The bundle that the host trusts, and the authorities that Debian's
// ca-certificates package itself brings: what is in the first and not in the
// second was added by the host's owner (a company proxy, say).
const (
	hostBundle  = "/etc/ssl/certs/ca-certificates.crt"
	debianRoots = "/usr/share/ca-certificates"
	localRoots  = "/usr/local/share/ca-certificates"
)

// HostAdditional is the certificates, PEM, that the host trusts beyond its
// distribution's own. Containers that reach outside through the host need them
// too. It is empty on a host that has no such bundle.
func HostAdditional() ([]byte, error) { return additional(hostBundle, debianRoots, localRoots) }

func additional(bundle, distribution, local string) ([]byte, error) {
	known := map[[32]byte]bool{}
	var out bytes.Buffer
	if err := each(distribution, func(b *pem.Block) { known[sha256.Sum256(b.Bytes)] = true }); err != nil {
		return nil, err
	}
	add := func(b *pem.Block) {
		sum := sha256.Sum256(b.Bytes)
		if !known[sum] {
			known[sum] = true
			// Without the headers that some bundles carry: not every reader takes them.
			out.Write(pem.EncodeToMemory(&pem.Block{Type: b.Type, Bytes: b.Bytes}))
		}
	}
	if err := each(local, add); err != nil {
		return nil, err
	}
	if len(known) == 0 {
		return nil, nil // not Debian: nothing to compare with
	}
	all, err := os.ReadFile(bundle)
	if os.IsNotExist(err) {
		return out.Bytes(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the host's certificates: %w", err)
	}
	blocks(all, add)
	return out.Bytes(), nil
}

// each calls f with every certificate in the files below dir.
func each(dir string, f func(*pem.Block)) error {
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		blocks(b, f)
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("read the certificates in %s: %w", dir, err)
	}
	return nil
}

func blocks(b []byte, f func(*pem.Block)) {
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return
		}
		if block.Type == "CERTIFICATE" || block.Type == "TRUSTED CERTIFICATE" {
			f(block)
		}
	}
}
