package process

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/splicing"
	"github.com/penstock-ci/penstock/internal/splice"
)

// splicer hands connections to the server, and holds them while it is away.
type splicer struct {
	socket  string
	hold    time.Duration
	clock   clock.Clock
	sources atomic.Pointer[map[netip.Addr]string] // VPC of a public address at the edge
}

// know takes the addresses of s.
func (s *splicer) know(snap dataplane.Snapshot) {
	m := map[netip.Addr]string{}
	for _, v := range snap.VPCs {
		for _, a := range v.Sources {
			m[a] = v.ID
		}
	}
	s.sources.Store(&m)
}

const (
	// firstLine is the time a client has to say what it wants.
	firstLine = time.Minute
	// retryFrom and retryTo pace the look for a server that is away.
	retryFrom = 10 * time.Millisecond
	retryTo   = 200 * time.Millisecond
)

// unavailable is the answer in plain HTTP where the server stayed away.
const unavailable = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// serve carries one connection to its end.
func (s *splicer) serve(ctx context.Context, c net.Conn, u use) {
	defer c.Close()
	h, head, err := s.header(c, u)
	if err != nil {
		return // the client said nothing, or left
	}
	up := s.connect(ctx)
	if up == nil {
		if h.Destination.Port() == 80 {
			_, _ = c.Write([]byte(unavailable)) // it may have left meanwhile
		}
		return
	}
	defer up.Close()
	if err := splice.Write(up, h); err != nil {
		return
	}
	if _, err := up.Write(head); err != nil {
		return
	}
	splicing.Both(c, up)
}

// header says where c came from; head is what was read of it to know that.
func (s *splicer) header(c net.Conn, u use) (h splice.Header, head []byte, err error) {
	h = splice.Header{VPC: u.VPC, Source: endpoint(c.RemoteAddr()), Destination: endpoint(c.LocalAddr())}
	switch u.Kind {
	case useAPI:
		h.Kind = splice.API
		h.VPC = (*s.sources.Load())[h.Source.Addr()]
	case useMetadata:
		h.Kind = splice.Metadata
	default:
		h.Kind = splice.Credentials
		if head, err = requestLine(c, s.clock.Now().Add(firstLine)); err != nil {
			return h, nil, err
		}
		if isControl(head) {
			h.Kind = splice.Control
		}
	}
	return h, head, nil
}

func endpoint(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// requestLine reads until the path's beginning is known; what was read is returned.
func requestLine(c net.Conn, until time.Time) ([]byte, error) {
	if err := c.SetReadDeadline(until); err != nil {
		return nil, err
	}
	r := bufio.NewReader(c)
	const enough = len("OPTIONS " + controlPath)
	for n := 1; n <= enough; n++ {
		b, err := r.Peek(n)
		if err != nil && len(b) < n {
			return nil, err
		}
		if method, path, ok := strings.Cut(string(b), " "); ok && (len(path) >= len(controlPath) || !strings.HasPrefix(controlPath, path)) || strings.ContainsAny(method, "\r\n") {
			break
		}
	}
	head, err := r.Peek(r.Buffered())
	if err != nil {
		return nil, err
	}
	return head, c.SetReadDeadline(time.Time{})
}

const controlPath = "/penstock/"

func isControl(head []byte) bool {
	_, path, _ := strings.Cut(string(head), " ")
	return strings.HasPrefix(path, controlPath)
}

// connect waits for the server as long as connections are held; nil if it stays away.
func (s *splicer) connect(ctx context.Context) net.Conn {
	ctx, cancel := context.WithTimeout(ctx, s.hold)
	defer cancel()
	var d net.Dialer
	for wait := retryFrom; ; wait = min(2*wait, retryTo) {
		c, err := d.DialContext(ctx, "unix", s.socket)
		if err == nil {
			return c
		}
		select {
		case <-s.clock.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}
