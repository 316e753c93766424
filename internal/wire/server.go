package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server serves AWS's protocols on any number of listeners.
type Server struct {
	cfg      Config
	services *directory
	verify   *verifier
	layouts  layouts
	http     *http.Server
}

// New makes a server; nothing listens yet.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, services: newDirectory(cfg.Services), verify: newVerifier(cfg.Credentials, cfg.Clock)}
	s.http = &http.Server{
		Handler:           s,
		ConnContext:       connContext,
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute, // SDKs keep idle connections for 90 s at most
		MaxHeaderBytes:    64 << 10,
	}
	return s
}

// Serve answers plain and TLS connections of l until Shutdown. It answers nil
// after one.
func (s *Server) Serve(l net.Listener) error {
	return s.serve(l, false)
}

// ServeSpliced answers connections that the data plane hands over: each begins
// with a splice.Header that says where it came from.
func (s *Server) ServeSpliced(l net.Listener) error {
	return s.serve(l, true)
}

func (s *Server) serve(l net.Listener, spliced bool) error {
	err := s.http.Serve(newSniffer(l, s.cfg.Certificates, spliced))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", l.Addr(), err)
}

// Shutdown closes the listeners, lets requests in flight finish, and cuts what is
// left when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("shut down: %w", err), s.http.Close())
	}
	return nil
}
