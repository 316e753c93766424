package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/splice"
)

// handshake is the byte that every TLS connection begins with; no HTTP method does.
const handshake = 0x16

// firstByte bounds how long a connection may stay silent: idle pools of SDKs open
// connections ahead, so it is not small.
const firstByte = 2 * time.Minute

// sniffer is a listener that looks at each connection's beginning, off the accept
// loop: the data plane's header, then TLS or plain.
type sniffer struct {
	net.Listener
	tls     *tls.Config
	spliced bool
	ready   chan net.Conn
	failed  chan error
	open    context.Context // ends with the listener
	end     context.CancelFunc
	conns   sync.WaitGroup
}

func newSniffer(l net.Listener, cert func(*tls.ClientHelloInfo) (*tls.Certificate, error), spliced bool) *sniffer {
	s := &sniffer{Listener: l, spliced: spliced, ready: make(chan net.Conn), failed: make(chan error, 1)}
	s.open, s.end = context.WithCancel(context.Background())
	if cert != nil {
		s.tls = &tls.Config{GetCertificate: cert, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	}
	go s.run()
	return s
}

func (s *sniffer) run() {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			var temporary interface{ Temporary() bool }
			if errors.As(err, &temporary) && temporary.Temporary() {
				select { // out of descriptors: http.Server would wait as well
				case <-time.After(10 * time.Millisecond):
					continue
				case <-s.open.Done():
				}
			}
			s.failed <- err
			return
		}
		s.conns.Go(func() { s.sniff(c) })
	}
}

func (s *sniffer) sniff(c net.Conn) {
	stop := context.AfterFunc(s.open, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	p, err := s.begin(c)
	if err != nil || !stop() {
		c.Close() // nothing was said: there is no one to answer
		return
	}
	select {
	case s.ready <- p:
	case <-s.open.Done():
		c.Close()
	}
}

func (s *sniffer) begin(c net.Conn) (net.Conn, error) {
	if err := c.SetReadDeadline(time.Now().Add(firstByte)); err != nil {
		return nil, err
	}
	p := &conn{Conn: c, r: bufio.NewReader(c)}
	if s.spliced {
		h, err := splice.Read(p.r)
		if err != nil {
			return nil, err
		}
		p.header = &h
	}
	first, err := p.r.Peek(1)
	if err != nil {
		return nil, err
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if first[0] == handshake && s.tls != nil {
		return tls.Server(p, s.tls), nil
	}
	return p, nil
}

// Accept gives the next connection whose beginning is known.
func (s *sniffer) Accept() (net.Conn, error) {
	select {
	case c := <-s.ready:
		return c, nil
	case err := <-s.failed:
		return nil, err
	}
}

// Close ends listening and waits for the connections that have not begun.
func (s *sniffer) Close() error {
	err := s.Listener.Close()
	s.end()
	s.conns.Wait()
	return err
}

// conn is a connection whose first bytes were looked at.
type conn struct {
	net.Conn
	r      *bufio.Reader
	header *splice.Header
}

func (c *conn) Read(b []byte) (int, error) {
	if c.r == nil {
		return c.Conn.Read(b)
	}
	n, err := c.r.Read(b)
	if c.r.Buffered() == 0 {
		c.r = nil // from here on straight from the connection
	}
	return n, err
}

// CloseWrite lets http.Server end an answer to a request whose body it did not read
// without a reset that would lose the answer.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

type connKey struct{}

func connContext(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// Spliced is the header that the data plane put in front of the request's
// connection; nil for connections of the ordinary port.
func Spliced(ctx context.Context) *splice.Header {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		return c.header
	}
	return nil
}

// Origin is where the request's connection came from.
func Origin(ctx context.Context) op.Origin {
	if h := Spliced(ctx); h != nil {
		return op.Origin{Address: h.Source.Addr().Unmap(), VPC: h.VPC}
	}
	if c, ok := ctx.Value(connKey{}).(net.Conn); ok {
		if a, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
			return op.Origin{Address: a.Addr().Unmap()}
		}
	}
	return op.Origin{}
}
