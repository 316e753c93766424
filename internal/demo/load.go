package demo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
)

const (
	// requestTimeout is the client's patience with one request.
	requestTimeout = 2 * time.Second
	// workers × their pace is the load: 6 × 20 = 120 requests a second at most, so
	// that a busy machine still gives the fifty that the story asks for.
	workers = 6
	pace    = 50 * time.Millisecond
	// streamTime is above the application's eight seconds of /stream.
	streamTime = 20 * time.Second
	streamRows = 17
)

// Load is traffic to the site: new and kept-alive connections, GET and POST, and
// one streamed response after the other. It speaks HTTP over its own sockets: Go's
// client would send a request again on a fresh connection, and so hide a failure.
type Load struct {
	address, host string
	clock         clock.Clock

	sent, failed, streams atomic.Int64

	mu       sync.Mutex
	failures []string
	newest   string    // the newest version that an answer has shown
	answered time.Time // the last answer
	gap      time.Duration
	versions map[string]int
}

// maxFailures bounds what is shown; all are counted.
const maxFailures = 20

// NewLoad prepares traffic to the site host at address.
func NewLoad(address, host string, c clock.Clock) *Load {
	return &Load{address: address, host: host, clock: c, versions: map[string]int{}}
}

// Run sends until ctx ends; then it waits for the answers under way.
func (l *Load) Run(ctx context.Context) {
	l.mu.Lock()
	l.answered = l.clock.Now()
	l.mu.Unlock()
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() { l.work(ctx, i%2 == 0) })
	}
	all.Go(func() { l.stream(ctx) })
	all.Wait()
}

// work sends at its pace, on one kept-alive connection or on a new one each time.
func (l *Load) work(ctx context.Context, keep bool) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	var c *conn
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			c.close()
			return
		case <-tick.C:
		}
		method := "GET"
		if n%4 == 3 {
			method = "POST"
		}
		floor := l.version()
		version, next, err := l.request(c, method, keep)
		c = next
		l.note(method, floor, version, err)
	}
}

// conn is one connection to the site.
type conn struct {
	net.Conn
	r *bufio.Reader
}

func (c *conn) close() {
	if c != nil {
		c.Close() // nothing was written that could be lost
	}
}

// request sends one; the connection that may serve the next comes back, or nil.
func (l *Load) request(c *conn, method string, keep bool) (version string, _ *conn, err error) {
	deadline := l.clock.Now().Add(requestTimeout)
	if c == nil {
		raw, err := net.DialTimeout("tcp", l.address, requestTimeout)
		if err != nil {
			return "", nil, err
		}
		c = &conn{raw, bufio.NewReader(raw)}
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := c.SetDeadline(deadline); err != nil {
		return "", nil, err
	}
	res, err := c.send(method, "/", l.host, keep)
	if err != nil {
		return "", nil, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", nil, fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("%s: %s", res.Status, clip(string(body), 200))
	}
	if !keep || res.Close {
		c.close()
		c = nil
	}
	return res.Header.Get("X-Version"), c, nil
}

func (c *conn) send(method, path, host string, keep bool) (*http.Response, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: penstock-demo\r\n", method, path, host)
	if !keep {
		b.WriteString("Connection: close\r\n")
	}
	if method == "POST" {
		b.WriteString("Content-Type: text/plain\r\nContent-Length: 7\r\n\r\nvisitor")
	} else {
		b.WriteString("\r\n")
	}
	if _, err := io.WriteString(c, b.String()); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	res, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	return res, nil
}

// stream reads one streamed response after the other, so that one is always under way.
func (l *Load) stream(ctx context.Context) {
	for ctx.Err() == nil {
		floor := l.version()
		version, err := l.streamOne()
		l.note("stream", floor, version, err)
		l.streams.Add(1)
	}
}

func (l *Load) streamOne() (string, error) {
	raw, err := net.DialTimeout("tcp", l.address, requestTimeout)
	if err != nil {
		return "", err
	}
	c := &conn{raw, bufio.NewReader(raw)}
	defer c.close()
	if err := c.SetDeadline(l.clock.Now().Add(streamTime)); err != nil {
		return "", err
	}
	res, err := c.send("GET", "/stream", l.host, false)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", fmt.Errorf("read the stream after %d bytes: %w", len(body), err)
	}
	if rows := strings.Count(string(body), "\n"); res.StatusCode != http.StatusOK || rows != streamRows {
		return "", fmt.Errorf("%s with %d of %d lines", res.Status, rows, streamRows)
	}
	return res.Header.Get("X-Version"), nil
}

func (l *Load) version() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}

// note counts one answer. floor is the newest version that had been shown when
// the request was sent: an older answer means that versions went back.
func (l *Load) note(what, floor, version string, err error) {
	l.sent.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	if err == nil && version < floor {
		err = fmt.Errorf("version %s answered after version %s had", version, floor)
	}
	if err != nil {
		l.failed.Add(1)
		if len(l.failures) < maxFailures {
			l.failures = append(l.failures, fmt.Sprintf("%s %s: %v", now.Format("15:04:05.000"), what, err))
		}
		return
	}
	if what != "stream" { // a stream's end says nothing of the seconds before it, and the last one outlives the rest
		l.gap = max(l.gap, now.Sub(l.answered))
		l.answered = now
	}
	l.versions[version]++
	l.newest = max(l.newest, version)
}

// Verdict is what the load saw.
type Verdict struct {
	Sent, Failed, Streams int64
	Gap                   time.Duration // the longest time without an answer
	Versions              map[string]int
	Failures              []string
}

// Verdict is the count so far.
func (l *Load) Verdict() Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := Verdict{Sent: l.sent.Load(), Failed: l.failed.Load(), Streams: l.streams.Load(), Gap: l.gap, Versions: map[string]int{}, Failures: append([]string(nil), l.failures...)}
	for version, n := range l.versions {
		v.Versions[version] = n
	}
	return v
}

// Err is nil if nothing failed and no second passed without answers.
func (v Verdict) Err() error {
	if v.Failed > 0 {
		return fmt.Errorf("%d of %d requests failed:\n  %s", v.Failed, v.Sent, strings.Join(v.Failures, "\n  "))
	}
	if v.Gap > time.Second {
		return fmt.Errorf("the site gave no answer for %s", v.Gap.Round(time.Millisecond))
	}
	if v.Sent == 0 {
		return fmt.Errorf("no request was sent")
	}
	return nil
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}
