// Package authority is the local certificate authority: made at first start, it
// signs the AWS host names that Penstock serves. The server asks it for
// certificates; builds and tasks get its bundle. Its key never leaves the folder.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
)

const (
	rootYears = 10
	// leafLife is below the 398 days that clients accept, and short enough that a
	// copied certificate ends by itself; a leaf is made again in the last third.
	leafLife = 90 * 24 * time.Hour
	// skew is for containers and clients whose clocks run behind.
	skew = time.Hour
	// maxLeaves bounds the cache: names come from clients.
	maxLeaves = 4096
)

// CA is the authority of one installation.
type CA struct {
	cert  *x509.Certificate
	pem   []byte
	key   *ecdsa.PrivateKey
	clock clock.Clock

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

// Open reads the authority in dir, or makes it there: ca.pem, and ca.key with mode 0600.
func Open(dir string, c clock.Clock) (*CA, error) {
	ca := &CA{clock: c, leaves: map[string]*tls.Certificate{}}
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	if _, err := os.Stat(keyFile); os.IsNotExist(err) {
		if err := create(dir, certFile, keyFile, c.Now()); err != nil {
			return nil, fmt.Errorf("make the certificate authority in %s: %w", dir, err)
		}
	}
	var err error
	if ca.pem, err = os.ReadFile(certFile); err != nil {
		return nil, fmt.Errorf("read the certificate authority: %w", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority's key: %w", err)
	}
	pair, err := tls.X509KeyPair(ca.pem, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("the certificate authority in %s is damaged (remove ca.pem and ca.key to make a new one): %w", dir, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key in %s is not an ECDSA key", keyFile)
	}
	ca.cert, ca.key = pair.Leaf, key
	return ca, nil
}

// Bundle is the authority's certificate, PEM.
func (ca *CA) Bundle() []byte { return ca.pem }

// TLS is a server configuration that makes a certificate for whatever name is asked for.
func (ca *CA) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: ca.Certificate,
	}
}

// Certificate answers a handshake: by server name, or for the address that was called.
func (ca *CA) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := hello.ServerName
	if name == "" && hello.Conn != nil {
		if host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String()); err == nil {
			name = host
		}
	}
	if name == "" {
		name = "localhost"
	}
	return ca.Leaf(name)
}

// Leaf is a certificate for one host name or IP address.
func (ca *CA) Leaf(name string) (*tls.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	now := ca.clock.Now()
	if c, ok := ca.leaves[name]; ok && now.Before(c.Leaf.NotAfter.Add(-leafLife/3)) {
		return c, nil
	}
	c, err := ca.sign(name, now)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %q: %w", name, err)
	}
	if len(ca.leaves) >= maxLeaves {
		clear(ca.leaves)
	}
	ca.leaves[name] = c
	return c, nil
}

func (ca *CA) sign(name string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: clip(name)},
		NotBefore:    now.Add(-skew),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	if name == "localhost" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, ca.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// create writes the certificate first: the key's presence is what says that the
// authority is whole.
func create(dir, certFile, keyFile string, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: clip("Penstock local authority on " + host), Organization: []string{"Penstock"}},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.AddDate(rootYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := write(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return err
	}
	return write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600)
}

// write makes the file appear whole or not at all.
func write(name string, b []byte, mode os.FileMode) error {
	tmp := name + ".new"
	if err := os.WriteFile(tmp, b, mode); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

// clip keeps a common name within X.509's 64 characters; clients read the SAN.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64]
	}
	return s
}

func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[0] &= 0x7f // positive
	return new(big.Int).SetBytes(b)
}
