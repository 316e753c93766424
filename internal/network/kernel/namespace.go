// Package kernel makes network namespaces and what lies in them: links, addresses,
// routes, neighbours, nftables. Package network calls it with a plan's parts; it knows no VPC and decides nothing.
package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/nftables"
	mdlayher "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is an open network namespace with netlink sockets in it.
type Namespace struct {
	path  string
	ns    netns.NsHandle
	links *netlink.Handle
	nft   *nftables.Conn
}

const nsfsMagic = 0x6e736673

// Exists tells whether path is the file of a namespace.
func Exists(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == nsfsMagic
}

// Ensure opens the namespace bound to path, making it, with sysctls, where it is not there.
func Ensure(path string, sysctls [][2]string) (n *Namespace, made bool, err error) {
	if !Exists(path) {
		if err := create(path, sysctls); err != nil {
			return nil, false, err
		}
		made = true
	}
	n, err = Open(path)
	return n, made, err
}

func create(path string, sysctls [][2]string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return fmt.Errorf("make the folder of namespaces: %w", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return fmt.Errorf("make the namespace file: %w", err)
	}
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace (root is needed): %w", err)
		}
		if err := writeSysctls(sysctls); err != nil {
			return err
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind the network namespace to %s: %w", path, err)
		}
		return nil
	})
}

// onThread runs f, which may change the namespace of its thread, on a thread of
// its own and brings that one back. One that does not come back ends with its goroutine.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("open the process's own network namespace: %w", err)
			return
		}
		defer home.Close()
		err = f()
		if e := netns.Set(home); e != nil {
			done <- errors.Join(err, fmt.Errorf("leave a network namespace: %w", e))
			return
		}
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// Open opens the namespace whose file is at path; "" is the process's own.
func Open(path string) (*Namespace, error) {
	n := &Namespace{path: path, ns: netns.None()}
	var err error
	if path == "" {
		n.ns, err = netns.Get()
	} else {
		n.ns, err = netns.GetFromPath(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", n, err)
	}
	if n.links, err = netlink.NewHandleAt(n.ns, unix.NETLINK_ROUTE); err != nil {
		n.Close()
		return nil, fmt.Errorf("open netlink in %s: %w", n, err)
	}
	return n, nil
}

// receiveBuffer holds the acknowledgements of a large batch.
const receiveBuffer = 8 << 20

// tables opens the nftables socket at its first use.
func (n *Namespace) tables() (*nftables.Conn, error) {
	if n.nft != nil {
		return n.nft, nil
	}
	c, err := nftables.New(nftables.WithNetNSFd(int(n.ns)), nftables.AsLasting(), nftables.WithSockOptions(func(c *mdlayher.Conn) error {
		return errors.Join(c.SetReadBuffer(receiveBuffer), c.SetWriteBuffer(receiveBuffer))
	}))
	if err != nil {
		return nil, fmt.Errorf("open nftables in %s: %w", n, err)
	}
	n.nft = c
	return c, nil
}

func (n *Namespace) String() string {
	if n.path == "" {
		return "the host"
	}
	return "namespace " + filepath.Base(n.path)
}

// Close gives the sockets back; the namespace stays.
func (n *Namespace) Close() {
	if n.links != nil {
		n.links.Close()
	}
	if n.nft != nil {
		_ = n.nft.CloseLasting()
	}
	if n.ns.IsOpen() {
		_ = n.ns.Close()
	}
}

// Inode tells namespaces apart.
func Inode(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("find network namespace %s: %w", path, err)
	}
	return st.Ino, nil
}

// Remove takes the namespace of path down once nothing else holds it; gone is success.
func Remove(path string) error {
	for {
		err := unix.Unmount(path, unix.MNT_DETACH)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			return fmt.Errorf("unbind network namespace %s: %w", path, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the namespace file %s: %w", path, err)
	}
	return nil
}

// Do runs f on a thread inside the namespace: for what only /proc/sys and sockets can do.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(n.ns); err != nil {
			return fmt.Errorf("enter %s: %w", n, err)
		}
		return f()
	})
}

// Sysctl writes settings inside the namespace, such as {"net/ipv4/ip_forward", "1"}.
func (n *Namespace) Sysctl(settings ...[2]string) error {
	return n.Do(func() error { return writeSysctls(settings) })
}

func writeSysctls(settings [][2]string) error {
	for _, s := range settings {
		err := os.WriteFile(filepath.Join("/proc/sys", s[0]), []byte(s[1]), 0o644)
		if errors.Is(err, fs.ErrNotExist) && len(s[0]) > 8 && s[0][:8] == "net/ipv6" {
			continue // a kernel without IPv6
		}
		if err != nil {
			return fmt.Errorf("set %s: %w", s[0], err)
		}
	}
	return nil
}
