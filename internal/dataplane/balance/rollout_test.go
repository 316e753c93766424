package balance

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/socket"
)

// task is a backend that answers with its version.
func task(t testing.TB, version int) (*httptest.Server, netip.AddrPort) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/stream" {
			for range 20 {
				fmt.Fprintln(w, version)
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
			return
		}
		fmt.Fprint(w, version)
	}))
	t.Cleanup(s.Close)
	return s, netip.MustParseAddrPort(strings.TrimPrefix(s.URL, "http://"))
}

// front is a Balance behind one HTTP server.
type front struct {
	*Balance
	url    string
	number uint64
}

func start(t testing.TB) *front {
	t.Helper()
	b := New(socket.Namespaces{}, clock.System{}, slog.New(slog.DiscardHandler), nil)
	t.Cleanup(b.Close)
	s := httptest.NewServer(b.Handler("l"))
	t.Cleanup(s.Close)
	return &front{Balance: b, url: s.URL}
}

func (f *front) apply(targets ...dataplane.Target) {
	f.number++
	f.Apply(dataplane.Snapshot{
		Number:    f.number,
		Balancers: []dataplane.Balancer{{ID: "lb"}},
		Listeners: []dataplane.Listener{{ID: "l", Balancer: "lb", Protocol: dataplane.HTTP, Port: 80, Rules: []dataplane.Rule{
			{Action: dataplane.Action{Forward: &dataplane.Forward{Pools: []dataplane.Share{{Pool: "p", Weight: 1}}}}},
		}}},
		Pools: []dataplane.Pool{{
			ID: "p", Balancer: "lb", Protocol: dataplane.HTTP, Targets: targets,
			Check: dataplane.Check{Protocol: dataplane.HTTP, Path: "/", Interval: 5 * time.Second, Timeout: 2 * time.Second, Healthy: 2, Unhealthy: 2},
		}},
	})
}

// until waits for a report on addr that f accepts.
func (f *front) until(t *testing.T, addr netip.AddrPort, ok func(dataplane.Report) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := false
	err := f.Watch(ctx, func(r dataplane.Report) error {
		if r.Target == addr && ok(r) {
			seen = true
			cancel()
		}
		return nil
	})
	if err != nil || !seen {
		t.Fatalf("no such report of %s: %v", addr, err)
	}
}

func isHealthy(r dataplane.Report) bool { return r.Health == dataplane.Healthy }
func isIdle(r dataplane.Report) bool    { return r.Drain && r.Open == 0 }

// visitor asks until stop; versions it sees must not go back.
type visitors struct {
	stop    chan struct{}
	wg      sync.WaitGroup
	done    atomic.Int64
	newest  atomic.Int64
	mu      sync.Mutex
	problem string
}

func (v *visitors) fail(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.problem == "" {
		v.problem = fmt.Sprintf(format, args...)
	}
}

func visit(url string) *visitors {
	v := &visitors{stop: make(chan struct{})}
	for i := range 4 {
		v.wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}, Timeout: 5 * time.Second}
			defer c.CloseIdleConnections()
			for n := 0; ; n++ {
				select {
				case <-v.stop:
					return
				default:
					v.once(c, url, n%3 == 0)
				}
			}
		})
	}
	return v
}

func (v *visitors) once(c *http.Client, url string, post bool) {
	newest := v.newest.Load()
	method, body := http.MethodGet, io.Reader(nil)
	if post {
		method, body = http.MethodPost, io.MultiReader(strings.NewReader("a=1")) // chunked: no retries anywhere
	}
	r, _ := http.NewRequest(method, url, body)
	resp, err := c.Do(r)
	if err != nil {
		v.fail("%v", err)
		return
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	var version int64
	if _, scanErr := fmt.Sscan(string(b), &version); err != nil || scanErr != nil || resp.StatusCode != 200 {
		v.fail("%s %v %q", resp.Status, err, b)
		return
	}
	v.done.Add(1)
	if version < newest {
		v.fail("version %d after %d", version, newest)
	}
	for version > newest && !v.newest.CompareAndSwap(newest, version) {
		newest = v.newest.Load()
	}
}

func TestARolloutFailsNoRequestAndNeverGoesBack(t *testing.T) {
	t.Parallel()
	f := start(t)
	began := time.Now()
	s1, a1 := task(t, 1)
	s2, a2 := task(t, 1)
	old1, old2 := dataplane.Target{Address: a1, Wave: "one", Registered: began}, dataplane.Target{Address: a2, Wave: "one", Registered: began}
	f.apply(old1, old2)
	f.until(t, a1, isHealthy)
	f.until(t, a2, isHealthy)
	v := visit(f.url)
	stream := make(chan string, 1)
	go func() {
		resp, err := http.Get(f.url + "/stream")
		if err != nil {
			stream <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		stream <- fmt.Sprint(strings.Count(string(b), "1\n"), err)
	}()
	time.Sleep(50 * time.Millisecond) // the stream has begun, on the old version
	_, a3 := task(t, 2)
	_, a4 := task(t, 2)
	new1, new2 := dataplane.Target{Address: a3, Wave: "two", Registered: began.Add(1)}, dataplane.Target{Address: a4, Wave: "two", Registered: began.Add(1)}
	f.apply(old1, old2, new1, new2)
	f.until(t, a3, isHealthy)
	old1.Drain = true
	f.apply(old1, old2, new1, new2)
	f.until(t, a1, isIdle)
	s1.Close()
	f.until(t, a4, isHealthy)
	old2.Drain = true
	f.apply(old2, new1, new2)
	f.until(t, a2, isIdle)
	s2.Close()
	f.apply(new1, new2)
	close(v.stop)
	v.wg.Wait()
	if v.problem != "" {
		t.Errorf("after %d requests: %s", v.done.Load(), v.problem)
	}
	if v.newest.Load() != 2 {
		t.Errorf("nobody saw version 2 in %d requests", v.done.Load())
	}
	if got := <-stream; got != "20 <nil>" {
		t.Errorf("the streamed response: %s", got)
	}
}

func TestADeadTargetFailsNoReplayableRequest(t *testing.T) {
	t.Parallel()
	f := start(t)
	s1, a1 := task(t, 1)
	_, a2 := task(t, 1)
	f.apply(dataplane.Target{Address: a1}, dataplane.Target{Address: a2})
	f.until(t, a1, isHealthy)
	f.until(t, a2, isHealthy)
	for n := range 200 {
		if n == 50 {
			s1.CloseClientConnections()
			s1.Listener.Close()
		}
		resp, err := http.Get(f.url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("request %d: %s", n, resp.Status)
		}
	}
}

func TestWithoutTargetsTheAnswerIs503(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.apply()
	resp, err := http.Get(f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 503 {
		t.Errorf("got %s", resp.Status)
	}
}

func BenchmarkRequest(b *testing.B) {
	f := start(b)
	s, a := task(b, 1)
	f.apply(dataplane.Target{Address: a})
	for name, url := range map[string]string{"balanced": f.url, "direct": s.URL} {
		b.Run(name, func(b *testing.B) {
			c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					resp, err := c.Get(url)
					if err != nil {
						b.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}
