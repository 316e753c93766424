package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/miekg/dns"
	"github.com/penstock-ci/penstock/internal/dataplane/socket"
)

// server is what answers on one socket.
type server struct {
	use   use
	inode uint64
	// leave stops accepting; what was accepted goes on. end ends that too.
	leave, end func()
}

// start answers on a duplicate of h.
func (p *process) start(h socket.Held, u use) (server, error) {
	s := server{use: u, inode: h.Inode}
	if h.Key.Network == "udp" {
		pc, err := net.FilePacketConn(h.File)
		if err != nil {
			return s, fmt.Errorf("serve %s: %w", h.Key, err)
		}
		return p.startDNS(s, &dns.Server{PacketConn: pc, Handler: p.names.For(u.VPC)}), nil
	}
	l, err := net.FileListener(h.File)
	if err != nil {
		return s, fmt.Errorf("serve %s: %w", h.Key, err)
	}
	switch u.Kind {
	case useDNS:
		return p.startDNS(s, &dns.Server{Listener: l, Handler: p.names.For(u.VPC)}), nil
	case useHTTP:
		return p.startHTTP(s, l, p.balance.Handler(u.Listener)), nil
	case useSite:
		return p.startHTTP(s, l, p.balance.Site()), nil
	case useTCP:
		return p.startTCP(s, l, func(c net.Conn) { p.balance.ServeTCP(u.Listener, c) }), nil
	}
	return p.startTCP(s, l, func(c net.Conn) { p.splicer.serve(p.ctx, c, u) }), nil
}

// lastAnswers is how long questions under way may take when a resolver's socket
// is given up: a forwarded one's limit and a little.
const lastAnswers = 5 * time.Second

func (p *process) startDNS(s server, d *dns.Server) server {
	started := make(chan struct{})
	d.NotifyStartedFunc = func() { close(started) }
	p.running.Go(func() {
		if err := d.ActivateAndServe(); err != nil && !errors.Is(err, net.ErrClosed) {
			p.Log.Warn("a resolver's socket ended", "error", err)
		}
	})
	<-started
	s.leave = func() {
		p.running.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
			defer cancel()
			_ = d.ShutdownContext(ctx) // only says that time ran out
		})
	}
	s.end = s.leave
	return s
}

const (
	defaultIdle = time.Minute
	// lastRequests is how long requests may go on when their listener is deleted.
	lastRequests = 30 * time.Second
)

func (p *process) startHTTP(s server, l net.Listener, h http.Handler) server {
	idle := s.use.Idle
	if idle == 0 {
		idle = defaultIdle
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.conns.add() // beside the connection's own: an upgraded one is no longer the server's
			defer p.conns.done()
			h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: idle, IdleTimeout: idle, MaxHeaderBytes: 64 << 10,
		ErrorLog: p.httpLog,
		ConnState: func(_ net.Conn, st http.ConnState) {
			switch st {
			case http.StateNew:
				p.conns.add()
			case http.StateClosed, http.StateHijacked:
				p.conns.done()
			}
		},
	}
	p.running.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
			p.Log.Warn("a listener ended", "error", err)
		}
	})
	s.leave = func() { l.Close() }
	s.end = func() {
		l.Close()
		p.running.Go(func() {
			ctx, cancel := context.WithTimeout(p.ctx, lastRequests)
			defer cancel()
			if srv.Shutdown(ctx) != nil {
				srv.Close()
			}
		})
	}
	return s
}

// acceptPause is the wait after a failed accept: out of descriptors, mostly.
const acceptPause = 20 * time.Millisecond

func (p *process) startTCP(s server, l net.Listener, serve func(net.Conn)) server {
	p.running.Go(func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				<-p.Clock.After(acceptPause)
				continue
			}
			p.conns.add()
			go func() {
				defer p.conns.done()
				serve(c)
			}()
		}
	})
	s.leave = func() { l.Close() }
	s.end = s.leave
	return s
}
