package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Keyring seals secrets at rest. Its file lies outside the database, mode 0600,
// and holds several master keys: the newest seals, all of them open. Every
// sealed value has a data key of its own, wrapped by a master key, so that a
// rotation re-wraps 60 bytes and never the value.
type Keyring struct {
	path string
	mu   sync.RWMutex
	keys []masterKey // oldest first
}

type masterKey struct {
	ID  string `json:"id"` // 8 hex digits, part of every sealed value
	Key []byte `json:"key"`

	wrap, token cipher.AEAD
	secret      []byte // derives the secrets of session keys
}

const (
	sealVersion = 1
	keyIDSize   = 4
	nonceSize   = 12
	keySize     = 32
	wrappedSize = nonceSize + keySize + 16
)

// OpenKeyring reads the file, or makes it with one key at first use.
func OpenKeyring(path string) (*Keyring, error) {
	k := &Keyring{path: path}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return k, k.Rotate()
	}
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("keyring %s is readable by others (mode %v): run chmod 600 on it", path, info.Mode().Perm())
	}
	var keys []masterKey
	if err := json.Unmarshal(b, &keys); err != nil || len(keys) == 0 {
		return nil, fmt.Errorf("keyring %s is damaged: restore it from a backup, without it no secret can be read: %w", path, err)
	}
	for i := range keys {
		if err := keys[i].prepare(); err != nil {
			return nil, fmt.Errorf("keyring %s, key %s: %w", path, keys[i].ID, err)
		}
	}
	k.keys = keys
	return k, nil
}

// Rotate adds a key, which seals from now on.
func (k *Keyring) Rotate() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := masterKey{Key: make([]byte, keySize)}
	id := make([]byte, keyIDSize)
	rand.Read(m.Key)
	rand.Read(id)
	m.ID = hex.EncodeToString(id)
	if err := m.prepare(); err != nil {
		return err
	}
	keys := append(append([]masterKey{}, k.keys...), m)
	if err := writeKeys(k.path, keys); err != nil {
		return fmt.Errorf("write keyring: %w", err)
	}
	k.keys = keys
	return nil
}

// writeKeys replaces the file whole: a crash leaves the old or the new one.
func writeKeys(path string, keys []masterKey) error {
	b, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (m *masterKey) prepare() error {
	if len(m.Key) != keySize || len(m.ID) != 2*keyIDSize {
		return errors.New("key has the wrong length")
	}
	var err error
	if m.wrap, err = m.aead("wrap"); err != nil {
		return err
	}
	if m.token, err = m.aead("session token"); err != nil {
		return err
	}
	m.secret, err = hkdf.Key(sha256.New, m.Key, nil, "session secret", keySize)
	return err
}

func (m *masterKey) aead(purpose string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, m.Key, nil, purpose, keySize)
	if err != nil {
		return nil, err
	}
	return gcm(key)
}

func gcm(key []byte) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// Seal encrypts value for the place that aad names (an ARN and a version):
// moved elsewhere it does not open.
func (k *Keyring) Seal(aad string, value []byte) ([]byte, error) {
	m := k.newest()
	data := make([]byte, keySize)
	rand.Read(data)
	c, err := gcm(data)
	if err != nil {
		return nil, err
	}
	out := m.header()
	out = seal(m.wrap, out, data, nil)
	return seal(c, out, value, []byte(aad)), nil
}

// Open decrypts what Seal made with the same aad.
func (k *Keyring) Open(aad string, sealed []byte) ([]byte, error) {
	m, rest, err := k.find(sealed)
	if err != nil {
		return nil, err
	}
	if len(rest) < wrappedSize {
		return nil, errDamaged
	}
	data, err := open(m.wrap, rest[:wrappedSize], nil)
	if err != nil {
		return nil, err
	}
	c, err := gcm(data)
	if err != nil {
		return nil, err
	}
	return open(c, rest[wrappedSize:], []byte(aad))
}

// Rewrap wraps sealed's data key with the newest master key; the value itself stays.
func (k *Keyring) Rewrap(sealed []byte) ([]byte, error) {
	m, rest, err := k.find(sealed)
	if err != nil {
		return nil, err
	}
	if len(rest) < wrappedSize {
		return nil, errDamaged
	}
	data, err := open(m.wrap, rest[:wrappedSize], nil)
	if err != nil {
		return nil, err
	}
	n := k.newest()
	return append(seal(n.wrap, n.header(), data, nil), rest[wrappedSize:]...), nil
}

var errDamaged = errors.New("sealed value is damaged or was sealed for another place")

// Derive is a secret of 32 bytes for one purpose, from the oldest key, so that it
// stays the same when keys are added.
func (k *Keyring) Derive(purpose string) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return hkdf.Key(sha256.New, k.keys[0].Key, nil, "penstock derived: "+purpose, keySize)
}

func (k *Keyring) newest() *masterKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return &k.keys[len(k.keys)-1]
}

func (k *Keyring) find(sealed []byte) (*masterKey, []byte, error) {
	if len(sealed) < 1+keyIDSize || sealed[0] != sealVersion {
		return nil, nil, errDamaged
	}
	id := hex.EncodeToString(sealed[1 : 1+keyIDSize])
	k.mu.RLock()
	defer k.mu.RUnlock()
	for i := range k.keys {
		if k.keys[i].ID == id {
			return &k.keys[i], sealed[1+keyIDSize:], nil
		}
	}
	return nil, nil, fmt.Errorf("sealed under key %s, which is not in the keyring %s", id, k.path)
}

func (m *masterKey) header() []byte {
	id, _ := hex.DecodeString(m.ID) // checked by prepare's callers: eight hex digits
	return append([]byte{sealVersion}, id...)
}

func seal(c cipher.AEAD, out, value, aad []byte) []byte {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	return c.Seal(append(out, nonce...), nonce, value, aad)
}

func open(c cipher.AEAD, b, aad []byte) ([]byte, error) {
	if len(b) < nonceSize {
		return nil, errDamaged
	}
	v, err := c.Open(nil, b[:nonceSize], b[nonceSize:], aad)
	if err != nil {
		return nil, errDamaged
	}
	return v, nil
}
