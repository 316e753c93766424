package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
)

// errGone means that the server knows no such build, or that it has ended: there
// is nobody to work for.
var errGone = errors.New("the build has ended or is unknown")

// Pauses between two tries. The data plane holds a connection while the server is
// away, so these only matter when it is away too.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// requestTimeout is above the 60 s for which the data plane holds a connection.
const requestTimeout = 90 * time.Second

// client speaks to the control address and repeats until it is answered.
type client struct {
	base, token string
	clock       clock.Clock
	http        *http.Client
}

func newHTTP() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // link-local and in-VPC names only
	return &http.Client{Transport: t}
}

// get asks until it is answered or ctx ends.
func (c *client) get(ctx context.Context, path string, out any) error {
	return c.repeat(ctx, http.MethodGet, path, nil, out)
}

// post sends in until it is answered or ctx ends.
func (c *client) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return c.repeat(ctx, http.MethodPost, path, body, out)
}

func (c *client) repeat(ctx context.Context, method, path string, body []byte, out any) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := c.once(ctx, method, path, body, out)
		if err == nil || errors.Is(err, errGone) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s %s: %w (last: %w)", method, path, ctx.Err(), err)
		case <-c.clock.After(pause):
		}
	}
}

func (c *client) once(ctx context.Context, method, path string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
			return fmt.Errorf("decode the answer: %w", err)
		}
		return nil
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusGone, http.StatusBadRequest:
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // only to be shown
		return fmt.Errorf("%s %s: %s: %s: %w", method, path, resp.Status, bytes.TrimSpace(text), errGone)
	}
	return fmt.Errorf("%s %s: %s", method, path, resp.Status)
}
