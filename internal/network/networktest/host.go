package networktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/network/kernel"
)

// Host is a namespace to listen and to probe in.
type Host struct {
	Name, Path string
	Addr       netip.Addr
	NS         *kernel.Namespace
	t          testing.TB
}

// Bind gives a Host that was not made here its test.
func (h *Host) Bind(t testing.TB) { h.t = t }

// Serve answers every TCP connection to a:port with the address it came from, and echoes what it is sent.
func (h *Host) Serve(a netip.Addr, port uint16) {
	h.t.Helper()
	var l net.Listener
	err := h.NS.Do(func() (err error) {
		l, err = net.Listen("tcp4", netip.AddrPortFrom(a, port).String())
		return err
	})
	if err != nil {
		h.t.Fatalf("listen in %s: %v", h.Name, err)
	}
	h.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprintf(c, "%s\n", c.RemoteAddr().(*net.TCPAddr).IP)
				_, _ = io.Copy(c, c)
			}()
		}
	}()
}

// ServeUDP echoes datagrams.
func (h *Host) ServeUDP(a netip.Addr, port uint16) {
	h.t.Helper()
	var l net.PacketConn
	err := h.NS.Do(func() (err error) {
		l, err = net.ListenPacket("udp4", netip.AddrPortFrom(a, port).String())
		return err
	})
	if err != nil {
		h.t.Fatalf("listen in %s: %v", h.Name, err)
	}
	h.t.Cleanup(func() { l.Close() })
	go func() {
		b := make([]byte, 65536)
		for {
			n, from, err := l.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = l.WriteTo(b[:n], from)
		}
	}()
}

// Patience is how long a probe waits that is expected to fail, Enough one that is
// expected to succeed (it takes a millisecond on an idle machine).
const (
	Patience = 300 * time.Millisecond
	Enough   = 10 * time.Second
)

// Dial connects from h.
func (h *Host) Dial(network string, a netip.Addr, port uint16, wait time.Duration) (c net.Conn, err error) {
	ctx, cancel := context.WithTimeout(h.t.Context(), wait)
	defer cancel()
	err = h.NS.Do(func() error {
		var d net.Dialer
		c, err = d.DialContext(ctx, network, netip.AddrPortFrom(a, port).String())
		return err
	})
	return c, err
}

// Reach connects by TCP and tells as whom the other side sees h.
func (h *Host) Reach(a netip.Addr, port uint16, wait time.Duration) (as netip.Addr, err error) {
	c, err := h.Dial("tcp4", a, port, wait)
	if err != nil {
		return as, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(Enough)); err != nil {
		return as, err
	}
	var text string
	if _, err := fmt.Fscanln(c, &text); err != nil {
		return as, err
	}
	return netip.ParseAddr(text)
}

// Echo sends a datagram of size bytes, again until one comes back.
func (h *Host) Echo(a netip.Addr, port uint16, size int, wait time.Duration) error {
	c, err := h.Dial("udp4", a, port, wait)
	if err != nil {
		return err
	}
	defer c.Close()
	for end := time.Now().Add(wait); ; {
		if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
			return err
		}
		if _, err := c.Write(make([]byte, size)); err != nil {
			return err
		}
		n, err := c.Read(make([]byte, size+1))
		if err == nil && n != size {
			err = fmt.Errorf("%d bytes came back of %d", n, size)
		}
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// Outside makes the internet: a host at 198.51.100.1 behind the edge of the
// installation whose runtime folder is root.
func Outside(t testing.TB, root string) *Host {
	t.Helper()
	edge, err := kernel.Open(root + "/netns/edge")
	if err != nil {
		t.Fatal(err)
	}
	path := root + "/pods/outside.netns"
	ns, _, err := kernel.Ensure(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	here, there := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.254")
	t.Cleanup(func() {
		if err := errors.Join(edge.Delete("outside"), kernel.Remove(path)); err != nil {
			t.Error(err)
		}
		ns.Close()
		edge.Close()
	})
	mtu, err := edge.MTU("host")
	if err != nil {
		t.Fatal(err)
	}
	if err := edge.Connect(kernel.Cable{Name: "outside", Peer: "eth0", MTU: mtu}, ns); err != nil {
		t.Fatal(err)
	}
	up := func(n *kernel.Namespace, link string, a netip.Addr) int {
		if err := n.SetAddresses(link, []netip.Prefix{netip.PrefixFrom(a, 24)}); err != nil {
			t.Fatal(err)
		}
		index, err := n.Up(link)
		if err != nil {
			t.Fatal(err)
		}
		return index
	}
	up(edge, "outside", there)
	if _, err := ns.Up("lo"); err != nil {
		t.Fatal(err)
	}
	index := up(ns, "eth0", here)
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if err := ns.AddRoute(kernel.Route{To: all, Link: "eth0", Via: there}, index); err != nil {
		t.Fatal(err)
	}
	return &Host{Name: "outside", Path: path, Addr: here, NS: ns, t: t}
}
