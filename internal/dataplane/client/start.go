package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/penstock-ci/penstock/internal/dataplane/process"
)

// EnsureRunning returns when a process of this version answers: the one there
// is, a new one, or one that has replaced another version.
func (c *Client) EnsureRunning(ctx context.Context) error {
	c.starting.Lock()
	defer c.starting.Unlock()
	s, err := c.settled(ctx)
	var away *awayError
	switch {
	case errors.As(err, &away):
		c.Log.Info("starting the data plane")
		return c.start(ctx, 0)
	case err != nil:
		return err
	case s.Version != c.Version:
		c.Log.Info("replacing the data plane", "from", s.Version, "to", c.Version)
		return c.start(ctx, s.PID)
	}
	return nil
}

// Upgrade replaces the process whatever its version.
func (c *Client) Upgrade(ctx context.Context) error {
	c.starting.Lock()
	defer c.starting.Unlock()
	s, err := c.settled(ctx)
	if err != nil {
		return err
	}
	return c.start(ctx, s.PID)
}

// settled is the status after a handover that may be under way.
func (c *Client) settled(ctx context.Context) (s process.Status, err error) {
	err = c.persist(ctx, func() error {
		s, err = c.Status(ctx)
		var away *awayError
		if errors.As(err, &away) && !away.moving {
			return away.err // none answers: it is to be started, not waited for
		}
		return err
	})
	if ctx.Err() != nil {
		return s, context.Cause(ctx) // who asked has left: that says nothing of the process
	}
	if err != nil {
		return s, &awayError{err: err}
	}
	return s, nil
}

// startTimeout is far above the tens of milliseconds that a start takes; a
// machine may be busy with builds.
const startTimeout = 30 * time.Second

// start starts a process and waits until it answers in the stead of old.
func (c *Client) start(ctx context.Context, old int) error {
	ended, err := c.spawn()
	if err != nil {
		return err
	}
	// A process that was started is waited for even if the caller goes: who stops
	// the data plane next must find it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	for {
		s, err := c.Status(ctx)
		if err == nil && s.PID != old {
			c.Started()
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("the data plane ended at its start (%w); see %s", err, c.LogFile)
		case <-c.Clock.After(again / 5):
		case <-ctx.Done():
			return fmt.Errorf("the data plane does not answer; see %s: %w", c.LogFile, context.Cause(ctx))
		}
	}
}

// spawn starts the process in a session of its own, so that it outlives the
// server and the server's terminal.
func (c *Client) spawn() (ended <-chan error, err error) {
	out, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the data plane's log: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(c.Command[0], c.Command[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the data plane: %w", err)
	}
	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err == nil {
			err = errors.New("exit status 0")
		}
		done <- err
	}()
	return done, nil
}

// Run keeps a process running and holds duplicates of its sockets, until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	stop, err := c.hold.listen(process.Holder(c.Options.Run))
	if err != nil {
		return err
	}
	defer stop()
	pause := again
	for ctx.Err() == nil {
		if err := c.EnsureRunning(ctx); err != nil && ctx.Err() == nil {
			c.Log.Error("the data plane is not running; trying again", "error", err)
			select {
			case <-c.Clock.After(pause):
			case <-ctx.Done():
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = again
		// It returns when the process is gone or has been replaced.
		if err := c.hold.follow(ctx, process.Sockets(c.Options.Run)); err != nil && ctx.Err() == nil {
			c.Log.Debug("no longer following the data plane's sockets", "error", err)
		}
	}
	return nil
}
