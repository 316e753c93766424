// Package splicing joins two connections. The kernel moves the bytes where it can.
package splicing

import (
	"io"
	"net"
	"sync"
)

// Both copies in both directions until both have ended, passing on each side's
// end by itself: a client that has sent all may still be reading.
func Both(a, b net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() { one(a, b) })
	one(b, a)
	wg.Wait()
}

func one(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		// A broken direction breaks the other: neither end would learn of it else.
		to.Close()
		from.Close()
		return
	}
	if w, ok := to.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite() // the other side may be gone already
	}
}
