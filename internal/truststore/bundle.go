package truststore

import (
	"bytes"
	"encoding/pem"
)

// Bundles are the files, below an image's root, in which distributions keep all
// certificates. The first that an image has is its system's.
var Bundles = []string{
	"etc/ssl/certs/ca-certificates.crt",                // Debian, Alpine, Arch
	"etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, Red Hat, Amazon Linux
	"etc/pki/tls/certs/ca-bundle.crt",                  // older of them
	"etc/ssl/ca-bundle.pem",                            // SUSE
	"var/lib/ca-certificates/ca-bundle.pem",            // what SUSE's links to
	"etc/ssl/cert.pem",                                 // Alpine's libressl
}

// What Add appends lies between these lines, so that Remove takes that and nothing
// else: who puts the same certificates into an image on purpose keeps them. Readers
// of PEM skip text between certificates.
const (
	begin = "# Penstock adds for this container only:\n"
	end   = "# End of what Penstock adds.\n"
)

// Add appends to a bundle what it lacks of certificates (PEM). Added twice is added once.
func Add(bundle, certificates []byte) []byte {
	out := bytes.Clone(Remove(bundle))
	var lacking []byte
	for _, c := range split(certificates) {
		if !bytes.Contains(out, bytes.TrimSpace(c)) {
			lacking = append(lacking, c...)
		}
	}
	if len(lacking) == 0 {
		return out
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return append(append(append(out, begin...), lacking...), end...)
}

// Remove takes out of a bundle what Add appended; the rest is as it was.
func Remove(bundle []byte) []byte {
	before, rest, found := bytes.Cut(bundle, []byte(begin))
	if !found {
		return bundle
	}
	_, after, found := bytes.Cut(rest, []byte(end))
	if !found {
		return bundle // somebody's edit took our end away: what is ours cannot be told
	}
	return append(bytes.Clone(before), Remove(after)...)
}

// split gives the certificates of a bundle one by one, each encoded anew: not every
// reader takes the headers that some bundles carry.
func split(bundle []byte) [][]byte {
	var out [][]byte
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			return out
		}
		if block.Type == "CERTIFICATE" || block.Type == "TRUSTED CERTIFICATE" {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
		}
	}
}
