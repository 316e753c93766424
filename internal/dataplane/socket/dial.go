package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/penstock-ci/penstock/internal/network"
	"golang.org/x/sys/unix"
)

// DialError says that no connection came about, so nothing was sent.
type DialError struct {
	To  netip.AddrPort
	Err error
}

func (e *DialError) Error() string   { return fmt.Sprintf("connect to %s: %v", e.To, e.Err) }
func (e *DialError) Unwrap() error   { return e.Err }
func (e *DialError) Timeout() bool   { return errors.Is(e.Err, os.ErrDeadlineExceeded) }
func (e *DialError) Temporary() bool { return false }

// userTimeout is how long sent bytes may go unacknowledged: within one host the
// other side's kernel answers at once, so silence means that its namespace is gone.
const userTimeout = 3 * time.Second

// Dial connects by TCP from p. Only the making of the socket visits the
// namespace; the wait for the answer holds no thread.
func (n Namespaces) Dial(ctx context.Context, p network.Place, to netip.AddrPort) (net.Conn, error) {
	c, err := n.dial(ctx, p, to)
	if err != nil {
		return nil, &DialError{To: to, Err: err}
	}
	return c, nil
}

func (n Namespaces) dial(ctx context.Context, p network.Place, to netip.AddrPort) (net.Conn, error) {
	fd, err := n.make(p, func() (int, error) {
		return unix.Socket(family(to.Addr()), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	})
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds())); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), to.String())
	defer f.Close()
	if d, ok := ctx.Deadline(); ok {
		if err := f.SetWriteDeadline(d); err != nil {
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := connected(f); err != nil {
		return nil, errors.Join(context.Cause(ctx), err)
	}
	return net.FileConn(f)
}

// connected waits for the outcome of a connect under way.
func connected(f *os.File) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var outcome error
	err = rc.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			outcome = err
		case code != 0:
			outcome = unix.Errno(code)
		default:
			_, err := unix.Getpeername(int(fd))
			if errors.Is(err, unix.ENOTCONN) {
				return false
			}
			outcome = err
		}
		return true
	})
	return errors.Join(outcome, err)
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
