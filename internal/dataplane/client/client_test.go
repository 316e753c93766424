package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/process"
)

// asProcess makes this test binary the data plane's process.
const asProcess = "PENSTOCK_TEST_DATAPLANE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asProcess); dir != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		err := process.Main(ctx, process.Options{
			Run: dir, State: filepath.Join(dir, "state"), Netns: filepath.Join(dir, "netns"),
			Serve: filepath.Join(dir, "serve.sock"), Version: "test",
			Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if server := os.Getenv(askUDP); server != "" {
		if err := ask(server); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

type bundle struct {
	*Client
	dir string
}

// setup starts a client that keeps a process running.
func setup(t *testing.T) bundle {
	t.Helper()
	dir, err := os.MkdirTemp("", "plane") // short: a unix socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{
		Run: dir, Command: []string{"/usr/bin/env", asProcess + "=" + dir, exe},
		LogFile: filepath.Join(dir, "log"), Version: "test",
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("%s", b)
		}
	})
	return bundle{c, dir}
}

// site is a snapshot with one load balancer on the host and the given targets.
func site(t *testing.T, number uint64, targets ...dataplane.Target) (dataplane.Snapshot, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	return dataplane.Snapshot{
		Number: number, Site: port,
		Balancers: []dataplane.Balancer{{ID: "lb", Hosts: []string{"web"}}},
		Listeners: []dataplane.Listener{{ID: "l", Balancer: "lb", Protocol: dataplane.HTTP, Port: 80, Rules: []dataplane.Rule{
			{ID: "default", Action: dataplane.Action{Forward: &dataplane.Forward{Pools: []dataplane.Share{{Pool: "p", Weight: 1}}}}},
		}}},
		Pools: []dataplane.Pool{{
			ID: "p", Balancer: "lb", Protocol: dataplane.HTTP, Targets: targets,
			Check: dataplane.Check{Protocol: dataplane.HTTP, Path: "/", Interval: 5 * time.Second, Timeout: 2 * time.Second, Healthy: 2, Unhealthy: 2},
		}},
	}, port
}

func backend(t *testing.T, name string) (dataplane.Target, *httptest.Server) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/stream" {
			for i := range 20 {
				fmt.Fprintf(w, "%s %d\n", name, i)
				w.(http.Flusher).Flush()
				time.Sleep(50 * time.Millisecond)
			}
			return
		}
		fmt.Fprint(w, name)
	}))
	t.Cleanup(s.Close)
	return dataplane.Target{Address: netip.MustParseAddrPort(strings.TrimPrefix(s.URL, "http://"))}, s
}

// load asks the site again and again, on kept and on new connections.
type load struct {
	port   netip.AddrPort
	done   atomic.Int64
	failed atomic.Int64
	first  atomic.Value
	stop   chan struct{}
	wg     sync.WaitGroup
}

func startLoad(port netip.AddrPort) *load {
	l := &load{port: port, stop: make(chan struct{})}
	for i := range 4 {
		kept := i%2 == 0
		l.wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: !kept}, Timeout: 5 * time.Second}
			defer c.CloseIdleConnections()
			for n := 0; ; n++ {
				select {
				case <-l.stop:
					return
				default:
				}
				method, body := http.MethodGet, io.Reader(nil)
				if n%3 == 0 {
					method, body = http.MethodPost, io.MultiReader(strings.NewReader("x=1")) // no client retries
				}
				l.one(c, method, body)
			}
		})
	}
	return l
}

func (l *load) one(c *http.Client, method string, body io.Reader) {
	l.done.Add(1)
	r, _ := http.NewRequest(method, "http://"+l.port.String()+"/", body)
	r.Host = "web.elb.localhost"
	resp, err := c.Do(r)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode != 200 {
			err = fmt.Errorf("%s", resp.Status)
		}
	}
	if err != nil {
		l.failed.Add(1)
		l.first.CompareAndSwap(nil, err.Error())
	}
}

// more waits for n further requests.
func (l *load) more(n int64) {
	for until := l.done.Load() + n; l.done.Load() < until; {
		<-time.After(time.Millisecond)
	}
}

func (l *load) end() { close(l.stop); l.wg.Wait() }

// healthy waits for n healthy targets.
func healthy(t *testing.T, c *Client, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := map[netip.AddrPort]string{}
	err := c.Watch(ctx, func(r dataplane.Report) {
		seen[r.Target] = r.Health
		have := 0
		for _, h := range seen {
			if h == dataplane.Healthy {
				have++
			}
		}
		if have >= n {
			cancel()
		}
	})
	if err != nil || ctx.Err() != context.Canceled {
		t.Fatalf("targets are not healthy: %v %v", err, seen)
	}
}

func TestThirtyUpgradesUnderLoadFailNoRequest(t *testing.T) {
	b := setup(t)
	one, _ := backend(t, "one")
	two, _ := backend(t, "two")
	s, port := site(t, 1, one, two)
	if err := b.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	healthy(t, b.Client, 2)
	l := startLoad(port)
	stream := make(chan error, 1)
	go func() { stream <- readStream(port) }()
	for range 30 {
		if err := b.Upgrade(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.more(100)
	}
	l.end()
	if err := <-stream; err != nil {
		t.Errorf("the streamed response across upgrades: %v", err)
	}
	t.Logf("%d requests, %d failed", l.done.Load(), l.failed.Load())
	if l.failed.Load() > 0 {
		t.Fatalf("%d of %d requests failed, first: %v", l.failed.Load(), l.done.Load(), l.first.Load())
	}
}

func readStream(port netip.AddrPort) error {
	r, err := http.NewRequest(http.MethodGet, "http://"+port.String()+"/stream", nil)
	if err != nil {
		return err
	}
	r.Host = "web.elb.localhost"
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && strings.Count(string(body), "\n") != 20 {
		err = fmt.Errorf("cut short: %q", body)
	}
	return err
}

func TestAKilledProcessComesBackAndRefusesNobody(t *testing.T) {
	b := setup(t)
	one, _ := backend(t, "one")
	s, port := site(t, 1, one)
	if err := b.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	healthy(t, b.Client, 1)
	var worst time.Duration
	for range 5 {
		st, err := b.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held(t, b.Client, port)
		if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		c, err := net.Dial("tcp", port.String()) // refused if nobody held the socket
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: web.elb.localhost\r\nConnection: close\r\n\r\n")
		answer, err := io.ReadAll(c)
		c.Close()
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
			t.Fatalf("%q %v", answer, err)
		}
		t.Logf("answered after %v", time.Since(begin))
		worst = max(worst, time.Since(begin))
		waitOther(t, b.Client, st.PID)
	}
	t.Logf("answered again after at most %v", worst)
}

// TestACallerThatLeavesStartsNothing: a second process would come up once the first one
// was stopped.
func TestACallerThatLeavesStartsNothing(t *testing.T) {
	c := New(Options{Run: t.TempDir(), Command: []string{"/bin/false"}, LogFile: filepath.Join(t.TempDir(), "log")})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.EnsureRunning(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left is told %v", err)
	}
}

// held waits until the client holds a duplicate of the socket at port.
func held(t *testing.T, c *Client, port netip.AddrPort) {
	t.Helper()
	for t.Context().Err() == nil {
		c.hold.mu.Lock()
		for k := range c.hold.held {
			if k.Address == port {
				c.hold.mu.Unlock()
				return
			}
		}
		c.hold.mu.Unlock()
		<-time.After(time.Millisecond)
	}
}

func waitOther(t *testing.T, c *Client, old int) {
	t.Helper()
	for t.Context().Err() == nil {
		if s, err := c.Status(t.Context()); err == nil && s.PID != old {
			return
		}
		<-time.After(time.Millisecond)
	}
}

func TestADrainCountsWhatAReplacedProcessHasOpen(t *testing.T) {
	b := setup(t)
	one, _ := backend(t, "one")
	two, _ := backend(t, "two")
	s, port := site(t, 1, one)
	if err := b.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	healthy(t, b.Client, 1)
	stream := make(chan error, 1)
	go func() { stream <- readStream(port) }()
	await(t, b.Client, one, func(r dataplane.Report) bool { return r.Open == 1 })
	for range 2 { // the one that holds the stream is two processes back
		if err := b.Upgrade(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	one.Drain = true
	s.Number, s.Pools[0].Targets = 2, []dataplane.Target{one, two}
	if err := b.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	await(t, b.Client, one, func(r dataplane.Report) bool {
		if r.Drain && r.Open == 0 {
			select {
			case err := <-stream:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(time.Second): // the report may be ahead of the reader
				t.Error("the drain ended before the stream")
			}
			return true
		}
		return false
	})
}

// await waits for a report of a target that f accepts.
func await(t *testing.T, c *Client, target dataplane.Target, f func(dataplane.Report) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := false
	err := c.Watch(ctx, func(r dataplane.Report) {
		if !seen && r.Target == target.Address && f(r) {
			seen = true
			cancel()
		}
	})
	if err != nil || !seen {
		t.Fatalf("no such report: %v", err)
	}
}
