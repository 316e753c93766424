// Package socket makes sockets inside network namespaces, keeps the listening
// ones and hands them from process to process. The data plane's process uses it;
// so does the server, to hold duplicates. It never reads or writes a connection.
package socket

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/penstock-ci/penstock/internal/network"
	"golang.org/x/sys/unix"
)

// Host is the namespace of the process itself.
var Host = network.Place{}

// Namespaces finds the namespace of a place by its file below Root.
type Namespaces struct{ Root string }

// Inode identifies the namespace that p's file stands for now; 0 for the host.
func (n Namespaces) Inode(p network.Place) (uint64, error) {
	if p == Host {
		return 0, nil
	}
	var st unix.Stat_t
	if err := unix.Stat(p.Path(n.Root), &st); err != nil {
		return 0, fmt.Errorf("find namespace %s: %w", p.Path(n.Root), err)
	}
	return st.Ino, nil
}

// make runs f, which makes a socket, inside p.
func (n Namespaces) make(p network.Place, f func() (int, error)) (int, error) {
	if p == Host {
		return f()
	}
	type result struct {
		fd  int
		err error
	}
	done := make(chan result, 1)
	go func() {
		// The thread changes its namespace. It goes back to the pool only if it
		// came back; else it stays locked and ends with this goroutine.
		runtime.LockOSThread()
		fd, back, err := n.visit(p, f)
		if back {
			runtime.UnlockOSThread()
		}
		done <- result{fd, err}
	}()
	r := <-done
	return r.fd, r.err
}

func (n Namespaces) visit(p network.Place, f func() (int, error)) (fd int, back bool, err error) {
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return -1, true, fmt.Errorf("open the process's own network namespace: %w", err)
	}
	defer home.Close()
	there, err := os.Open(p.Path(n.Root))
	if err != nil {
		return -1, true, fmt.Errorf("open network namespace: %w", err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return -1, true, fmt.Errorf("enter network namespace %s: %w", there.Name(), err)
	}
	fd, err = f()
	if e := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); e != nil {
		return fd, false, errors.Join(err, fmt.Errorf("leave network namespace %s: %w", there.Name(), e))
	}
	return fd, true, err
}
