// Package client is the server's side of the data plane's process: it starts and
// replaces it, gives it snapshots, reads its reports, and holds duplicates of its
// listening sockets so that a crash of it refuses nobody.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/process"
)

// Options say how the process is found and started.
type Options struct {
	Run     string   // folder of the unix sockets, the process's Options.Run
	Command []string // starts it: the binary and its arguments
	LogFile string   // where its output goes
	Version string   // of this binary: a process of another one is replaced
	Started func()   // called after the process was started anew, such as Publisher.Wake
	Clock   clock.Clock
	Log     *slog.Logger
}

// Client speaks to the process. It implements dataplane.Plane.
type Client struct {
	Options
	http     *http.Client
	hold     holder
	starting sync.Mutex // one start at a time
}

var _ dataplane.Plane = (*Client)(nil)

// New connects when it is first used.
func New(o Options) *Client {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Started == nil {
		o.Started = func() {}
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", process.Control(o.Run))
	}
	// A connection per request: the socket's path may lead to another process now.
	return &Client{Options: o, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

const (
	// again is the pause before another try while the process is replaced.
	again = 10 * time.Millisecond
	// patience is how long a request waits for a process that is being replaced or
	// started before the caller hears of it.
	patience = 5 * time.Second
)

// Apply brings s into force.
func (c *Client) Apply(ctx context.Context, s dataplane.Snapshot) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return c.persist(ctx, func() error {
		resp, err := c.do(ctx, http.MethodPut, "/snapshot", b)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}

// Status asks the process about itself.
func (c *Client) Status(ctx context.Context) (s process.Status, err error) {
	resp, err := c.do(ctx, http.MethodGet, "/status", nil)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// Stop ends the process and all it serves.
func (c *Client) Stop(ctx context.Context) error {
	resp, err := c.do(ctx, http.MethodPost, "/stop", nil)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Watch reads reports until ctx ends, from process after process.
func (c *Client) Watch(ctx context.Context, f func(dataplane.Report)) error {
	for ctx.Err() == nil {
		if err := c.watchOne(ctx, f); err != nil && ctx.Err() == nil {
			c.Log.Debug("the reports of the data plane broke off; asking again", "error", err)
		}
		select {
		case <-c.Clock.After(again):
		case <-ctx.Done():
		}
	}
	return nil
}

func (c *Client) watchOne(ctx context.Context, f func(dataplane.Report)) error {
	resp, err := c.do(ctx, http.MethodGet, "/reports", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	for {
		var r dataplane.Report
		if err := d.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		f(r)
	}
}

func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://dataplane"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, &awayError{err: err}
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what was read is told
	err = fmt.Errorf("the data plane answers %s to %s %s: %s", resp.Status, method, path, strings.TrimSpace(string(text)))
	if resp.StatusCode == http.StatusConflict {
		return nil, &awayError{err: err, moving: true}
	}
	return nil, err
}

// awayError: no process answers now, or one that is being replaced.
type awayError struct {
	err    error
	moving bool
}

func (e *awayError) Error() string { return "the data plane does not answer: " + e.err.Error() }
func (e *awayError) Unwrap() error { return e.err }

// persist repeats f while the process is away, for a while.
func (c *Client) persist(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := f()
		var away *awayError
		if err == nil || !errors.As(err, &away) {
			return err
		}
		select {
		case <-c.Clock.After(again):
		case <-ctx.Done():
			return err
		}
	}
}
