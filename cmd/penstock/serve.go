package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-ci/penstock/internal/admin"
	"github.com/penstock-ci/penstock/internal/op"
)

type serveCmd struct {
	Listen       string         `help:"Address of the AWS API; plain and TLS on the same port." default:"127.0.0.1:4566" env:"PENSTOCK_LISTEN"`
	Site         netip.AddrPort `help:"Loopback address on which every load balancer is reached by its name." default:"127.0.0.1:4567" env:"PENSTOCK_SITE"`
	Engine       string         `help:"Address of the Docker Engine." env:"DOCKER_HOST" placeholder:"URL"`
	Database     string         `help:"PostgreSQL in place of the data folder's SQLite." env:"PENSTOCK_DATABASE" placeholder:"DSN"`
	Expose       bool           `help:"Allow --listen beyond loopback."`
	NoAuth       bool           `help:"Take every request for the default account's root, unsigned. For tinkering; loopback only."`
	NoPrivileged bool           `help:"Refuse privileged builds and containers: they are root on this host in effect."`
	Places       int            `help:"Builds that run at once; 0 is twice the cores."`
	Ready        int            `help:"Pods kept ready, so that a start is quicker." default:"2"`
	Poll         time.Duration  `help:"How often an action that waits for a fact looks by itself: a net, not the way." default:"30s"`
	ReadyFD      int            `help:"File descriptor that gets a line once the server answers." hidden:""`
	Verbose      bool           `help:"Log every request." short:"v"`
}

// stopTime is how long requests in flight may take when the server stops.
const stopTime = 10 * time.Second

func (cmd *serveCmd) Run(ctx context.Context, c *cli) error {
	if err := cmd.check(); err != nil {
		return err
	}
	level := slog.LevelInfo
	if cmd.Verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	s, err := open(ctx, cmd, c.Data, log)
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: the disk of %s is full: make room there, then start the server again", err, c.Data)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err := s.close(); err != nil {
			log.Error("close", "error", err)
		}
	}()
	return s.run(ctx)
}

// check refuses what would open the machine to others by mistake.
func (cmd *serveCmd) check() error {
	host, _, err := net.SplitHostPort(cmd.Listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", cmd.Listen, err)
	}
	ip := net.ParseIP(host)
	isLoopback := host == "localhost" || ip != nil && ip.IsLoopback()
	switch {
	case isLoopback:
		return nil
	case cmd.NoAuth:
		return fmt.Errorf("--no-auth takes everybody for root and so binds loopback only: drop it, or --listen %s", cmd.Listen)
	case !cmd.Expose:
		return fmt.Errorf("--listen %s is reached by others than this machine: add --expose if that is meant", cmd.Listen)
	}
	return nil
}

// listen takes the server's addresses, before it makes anything on the machine: who
// cannot answer leaves nothing behind.
func (s *server) listen(context.Context) (err error) {
	if s.listener, err = net.Listen("tcp", s.cmd.Listen); err != nil {
		return fmt.Errorf("listen on %s: %w (another server may have it: choose another address with --listen)", s.cmd.Listen, err)
	}
	s.endpoint = s.listener.Addr().String()
	s.closers = append(s.closers, func() error {
		if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil // the API's end has closed it
	})
	if err := s.checkSite(); err != nil {
		return err
	}
	return s.in.MakeRoot()
}

// run starts what works by itself, and serves until ctx ends.
func (s *server) run(ctx context.Context) error {
	spliced, err := listenUnix(s.in.Socket("serve"))
	if err != nil {
		return err
	}
	operator, err := admin.Listen(s.in.Socket("admin"))
	if err != nil {
		return errors.Join(err, spliced.Close())
	}
	// Services stop after the requests: a request may wait for one of them.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, work := errgroup.WithContext(work)
	s.start(work)
	defer s.rest()
	front := s.front()
	group.Go(func() error { return front.Serve(s.listener) })
	group.Go(func() error { return front.ServeSpliced(spliced) })
	desk := s.desk()
	group.Go(func() error { return ignoreClosed(desk.Serve(operator)) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-s.ended:
		case <-work.Done():
		}
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		defer stop()
		return errors.Join(front.Shutdown(grace), desk.Shutdown(grace))
	})
	s.log.Info("penstock answers", "endpoint", "http://"+s.endpoint, "data", s.in.Data, "installation", s.in.ID)
	if err := s.ready(); err != nil {
		s.log.Warn("tell that the server is ready", "error", err)
	}
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// checkSite refuses a site address that another program has. The data plane listens
// there and would try for ever; where it runs already, the address is its own.
func (s *server) checkSite() error {
	if c, err := net.Dial("unix", s.in.Socket("dataplane")); err == nil {
		return c.Close()
	}
	l, err := net.Listen("tcp", s.cmd.Site.String())
	if err != nil {
		return fmt.Errorf("listen on %s for the sites: %w (another server may have it: choose another address with --site)", s.cmd.Site, err)
	}
	return l.Close()
}

// loop is something that works until its context ends.
type loop struct {
	name string
	run  func(context.Context) error
}

// Pauses before a loop that failed is started again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
)

// start runs all loops; rest ends them and waits.
func (s *server) start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, l := range s.loops {
		running.Go(func() { s.keep(ctx, l) })
	}
	s.rest = func() { cancel(); running.Wait() }
}

// keep runs l, again after a pause when it fails: one part that fails, such as an
// Engine that restarts, must not end the others.
func (s *server) keep(ctx context.Context, l loop) {
	pause := firstPause
	for {
		begun := s.clock.Now()
		err := l.run(ctx)
		if ctx.Err() != nil {
			return
		}
		if s.clock.Now().Sub(begun) > lastPause {
			pause = firstPause
		}
		s.log.Error("a part of the server failed and is started again", "part", l.name, "pause", pause, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-s.clock.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// ready tells the parent process, which waits for it.
func (s *server) ready() error {
	if s.cmd.ReadyFD == 0 {
		return nil
	}
	f := os.NewFile(uintptr(s.cmd.ReadyFD), "ready")
	_, err := fmt.Fprintln(f, s.endpoint)
	return errors.Join(err, f.Close())
}

// root is whom --no-auth takes every request for.
func (s *server) root(account string) *op.Caller {
	if !s.cmd.NoAuth {
		return nil
	}
	c := &op.Caller{ARN: "arn:aws:iam::" + account + ":root", PrincipalID: account}
	c.Account = account
	return c
}
