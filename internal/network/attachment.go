package network

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/penstock-ci/penstock/internal/network/kernel"
)

// Attachment is a pod's place in the network.
type Attachment struct {
	Interface, Pod, NetNS, Tag, VPC string
	Address                         netip.Addr
	Port                            Port
	Inode                           uint64 // of the namespace at NetNS
}

// key is the interface, which one pod has at a time, or the pod where it has none.
func (a Attachment) key() string {
	if a.Interface != "" {
		return a.Interface
	}
	sum := sha256.Sum256([]byte(a.Pod))
	return "pod-" + hex.EncodeToString(sum[:8])
}

// attachments are files below the runtime root: as lasting as the namespaces they
// tell of, and without a database write on a pod's way to its start.
type attachments struct {
	mu    sync.Mutex
	dir   string
	all   map[string]Attachment
	taken map[netip.Addr]string // in the service namespace, by key
	next  netip.Addr
}

func (s *attachments) load(root string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir, s.all, s.taken = filepath.Join(root, "attached"), map[string]Attachment{}, map[netip.Addr]string{}
	s.next = serviceResolver
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of attachments: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*.json"))
	if err != nil {
		return fmt.Errorf("list the attachments: %w", err)
	}
	for _, f := range files {
		var a Attachment
		b, err := os.ReadFile(f)
		if err == nil {
			err = json.Unmarshal(b, &a)
		}
		if err != nil {
			return fmt.Errorf("read attachment %s: %w", f, err)
		}
		if inode, err := kernel.Inode(a.NetNS); err != nil || inode != a.Inode {
			if err := os.Remove(f); err != nil {
				return fmt.Errorf("forget an attachment whose pod is gone: %w", err)
			}
			continue
		}
		s.all[a.key()] = a
		if a.VPC == ServiceVPC {
			s.taken[a.Address] = a.key()
		}
	}
	return nil
}

func (s *attachments) get(key string) (Attachment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.all[key]
	return a, ok
}

func (s *attachments) of(vpc string) (out []Attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.all {
		if a.VPC == vpc {
			out = append(out, a)
		}
	}
	return out
}

// routes are those to the pods of the service namespace, which no plan knows.
func (s *attachments) routes(vpc string) (out []kernel.Route) {
	if vpc != ServiceVPC {
		return nil
	}
	for _, a := range s.of(vpc) {
		out = append(out, kernel.Route{To: netip.PrefixFrom(a.Address, 32), Link: a.Port.Link})
	}
	return out
}

func (s *attachments) put(a Attachment) error {
	b, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode attachment of %s: %w", a.Pod, err)
	}
	file := filepath.Join(s.dir, a.key()+".json")
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		return fmt.Errorf("write attachment of %s: %w", a.Pod, err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("write attachment of %s: %w", a.Pod, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[a.key()] = a
	return nil
}

func (s *attachments) remove(a Attachment) error {
	err := os.Remove(filepath.Join(s.dir, a.key()+".json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the attachment of %s: %w", a.Pod, err)
	}
	s.mu.Lock()
	delete(s.all, a.key())
	s.mu.Unlock()
	s.release(a)
	return nil
}

// release gives back the address that service reserved.
func (s *attachments) release(a Attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, kept := s.all[a.key()]; !kept && s.taken[a.Address] == a.key() {
		delete(s.taken, a.Address)
	}
}

// service is the pod's port in the service namespace: the one it has, or a new
// one. Addresses are used in turn, so that a late packet meets nobody.
func (s *attachments) service(pod string) (Port, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := Attachment{Pod: pod}.key()
	if a, ok := s.all[key]; ok {
		return a.Port, nil
	}
	for range 1 << (32 - ServiceCIDR.Bits()) {
		s.next = s.next.Next()
		if !ServiceCIDR.Contains(s.next.Next()) { // the last one is the broadcast address
			s.next = serviceResolver.Next()
		}
		if s.taken[s.next] == "" {
			s.taken[s.next] = key
			return Port{
				Link: linkOf("e", key), Address: netip.PrefixFrom(s.next, ServiceCIDR.Bits()), Gateway: ServiceCIDR.Addr().Next(),
			}, nil
		}
	}
	return Port{}, errors.New("every address of the service network is in use")
}
