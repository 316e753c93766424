package socket

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/penstock-ci/penstock/internal/network"
	"golang.org/x/sys/unix"
)

// Key names a listening socket.
type Key struct {
	Network string // tcp, udp
	Place   network.Place
	Address netip.AddrPort
}

func (k Key) String() string {
	return fmt.Sprintf("%s %s in %s-%s", k.Network, k.Address, k.Place.Kind, k.Place.ID)
}

// backlog is how many connections wait while the process is replaced or
// restarted: 300 ms at 10,000 a second. The kernel caps it at net.core.somaxconn.
const backlog = 4096

// open makes the socket. Its address need not be there yet (IP_FREEBIND): the
// order in which network and data plane act does not matter.
func (n Namespaces) open(k Key) (*os.File, error) {
	kind := unix.SOCK_STREAM
	if k.Network == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := n.make(k.Place, func() (int, error) {
		return unix.Socket(family(k.Address.Addr()), kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", k, err)
	}
	if err := bind(fd, k); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen on %s: %w", k, err)
	}
	return os.NewFile(uintptr(fd), k.String()), nil
}

func bind(fd int, k Key) error {
	if k.Network == "tcp" {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
	}
	if k.Place != Host {
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_FREEBIND, 1); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, sockaddr(k.Address)); err != nil {
		return err
	}
	if k.Network == "udp" {
		return nil
	}
	return unix.Listen(fd, backlog)
}
