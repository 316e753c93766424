package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/penstock-ci/penstock/internal/admin"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/installation"
)

// Server is one installation's penstock serve.
type Server struct {
	Binary       string   // the penstock that serves
	Data         string   // its data folder; made if it is missing
	Log          string   // the file its log is appended to
	Listen, Site string   // addresses of the API and of the load balancers; empty: the usual ones, or free ones where another has them
	Engine       string   // address of the container engine; empty: as the environment says
	Args         []string // more arguments of serve

	process *exec.Cmd
}

// startTime bounds a start: the first one makes keys and namespaces.
const startTime = time.Minute

// Start runs the server and returns once it answers.
func (s *Server) Start() error {
	if err := s.choose(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.Log), 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	ready, told, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	s.process = exec.Command(s.Binary, append([]string{"serve", "--data", s.Data, "--listen", s.Listen, "--site", s.Site, "--ready-fd", "3"}, s.Args...)...)
	s.process.Stdout, s.process.Stderr, s.process.ExtraFiles = log, log, []*os.File{told}
	s.process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if s.Engine != "" {
		s.process.Env = append(os.Environ(), "DOCKER_HOST="+s.Engine)
	}
	err = s.process.Start()
	told.Close()
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	if err := ready.SetReadDeadline(clock.System{}.Now().Add(startTime)); err != nil {
		return err
	}
	if _, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		return errors.Join(fmt.Errorf("the server did not come up (%w): see %s", err, s.Log), s.Kill())
	}
	return nil
}

// choose takes the usual ports, or free ones where another server has them.
func (s *Server) choose() error {
	for _, a := range []struct {
		address *string
		usual   string
	}{{&s.Listen, "127.0.0.1:4566"}, {&s.Site, "127.0.0.1:4567"}} {
		if *a.address != "" {
			continue
		}
		l, err := net.Listen("tcp", a.usual)
		if err != nil {
			l, err = net.Listen("tcp", "127.0.0.1:0")
		}
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		*a.address = l.Addr().String()
	}
	return nil
}

// PID is the running server's process.
func (s *Server) PID() int { return s.process.Process.Pid }

// Kill is SIGKILL; it returns when the process is gone.
func (s *Server) Kill() error {
	if err := s.process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the server: %w", err)
	}
	return s.wait()
}

// wait returns when the process is gone, however it ended.
func (s *Server) wait() error {
	var ended *exec.ExitError
	if err := s.process.Wait(); err != nil && !errors.As(err, &ended) {
		return fmt.Errorf("wait for the server's end: %w", err)
	}
	return nil
}

// Operator speaks to the running server as its owner. The error is fs.ErrNotExist
// if the data folder holds no installation.
func (s *Server) Operator() (*admin.Client, error) {
	in, err := installation.Find(s.Data)
	if err != nil {
		return nil, err
	}
	return admin.NewClient(in.Data, in.Socket("admin")), nil
}

// Remove removes all that the installation made on this machine except its data
// folder, whether its server runs or not; a server that runs ends.
func (s *Server) Remove(ctx context.Context) error {
	in, err := installation.Find(s.Data)
	if err != nil {
		return err
	}
	operator := admin.NewClient(in.Data, in.Socket("admin"))
	err = operator.Remove(ctx)
	if errors.Is(err, admin.ErrNoServer) {
		// A server is what knows what there is: it is started once more.
		if err := s.Start(); err != nil {
			return fmt.Errorf("start the server to remove what it made: %w", err)
		}
		if err = operator.Remove(ctx); err != nil {
			return errors.Join(err, s.Kill())
		}
	}
	if err != nil {
		return err
	}
	if s.process != nil {
		if err := s.wait(); err != nil {
			return err
		}
	}
	return os.RemoveAll(in.Root())
}
