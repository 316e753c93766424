package balance

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dataplane"
)

// checker looks at one target until its context ends.
type checker struct {
	check  dataplane.Check
	target netip.AddrPort
	dial   func(ctx context.Context) (net.Conn, error)
	clock  clock.Clock
	report func(outcome)
	state  func() string
}

// hurry is how soon a new target that does not answer yet is looked at again;
// it doubles up to the interval. AWS waits the interval, and a rollout with it.
const hurry = 100 * time.Millisecond

// run checks at once, then by the interval. While the target is new, looks in
// between count when they pass; failures count once an interval, as on AWS.
func (c checker) run(ctx context.Context) {
	next, wait := c.clock.Now(), hurry
	for ctx.Err() == nil {
		o := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		now := c.clock.Now()
		due := !now.Before(next)
		if due {
			next = now.Add(c.check.Interval)
		}
		if due || o.Passed {
			c.report(o)
		}
		sleep := next.Sub(now)
		if c.state() == dataplane.Initial {
			sleep = min(sleep, wait)
			wait *= 2
		}
		select {
		case <-c.clock.After(sleep):
		case <-ctx.Done():
		}
	}
}

func (c checker) once(ctx context.Context) outcome {
	ctx, cancel := context.WithTimeout(ctx, c.check.Timeout)
	defer cancel()
	conn, err := c.dial(ctx)
	if err != nil {
		return verdict(ctx, err)
	}
	defer conn.Close()
	if c.check.Protocol != dataplane.HTTP {
		return passed
	}
	status, err := c.get(ctx, conn)
	if err != nil {
		return verdict(ctx, err)
	}
	if !matches(c.check.Codes, status) {
		return mismatch(status)
	}
	return passed
}

func verdict(ctx context.Context, err error) outcome {
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return timedOut
	}
	return failed
}

// get asks on a connection of its own, as AWS's health checker does.
func (c checker) get(ctx context.Context, conn net.Conn) (status int, err error) {
	t := &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		DisableKeepAlives: true,
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.target.String()+c.check.Path, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	resp, err := t.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if err != nil && ctx.Err() == nil {
		err = nil // the status is the answer; a body cut short does not change it
	}
	return resp.StatusCode, err
}
