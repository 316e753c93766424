package balance

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strconv"
	"time"

	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/socket"
	"github.com/penstock-ci/penstock/internal/ids"
)

// hop is one request on its way through the load balancer.
type hop struct {
	balancer dataplane.Balancer
	listener dataplane.Listener
	client   netip.AddrPort
	pool     *pool
	wanted   string // the target that the client's cookie names
	cookies  []*http.Cookie
}

type hopKey struct{}

// errNoTarget answers 503.
var errNoTarget = errors.New("no target")

func (b *Balance) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:     forwarder{b},
		FlushInterval: -1, // a streamed response reaches the client as it comes
		BufferPool:    &buffers{},
		Rewrite:       rewrite,
		ModifyResponse: func(resp *http.Response) error {
			for _, c := range resp.Request.Context().Value(hopKey{}).(*hop).cookies {
				resp.Header.Add("Set-Cookie", c.String())
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { refuse(w, statusOf(err)) },
		ErrorLog:     b.proxyLog,
	}
}

func statusOf(err error) int {
	var timeout net.Error
	switch {
	case errors.Is(err, errNoTarget):
		return http.StatusServiceUnavailable
	case errors.As(err, &timeout) && timeout.Timeout():
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// rewrite sets what AWS sets: X-Forwarded-*, the trace id, and leaves the rest.
func rewrite(r *httputil.ProxyRequest) {
	h := r.In.Context().Value(hopKey{}).(*hop)
	r.Out.URL.Scheme, r.Out.URL.Host = "http", "target"
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	r.Out.Host = r.In.Host
	for _, name := range []string{"Forwarded", "X-Forwarded-Host"} {
		if v := r.In.Header.Values(name); len(v) > 0 {
			r.Out.Header[name] = v
		}
	}
	forwardedFor(r, h)
	r.Out.Header.Set("X-Forwarded-Proto", "http")
	r.Out.Header.Set("X-Forwarded-Port", strconv.Itoa(int(h.listener.Port)))
	if r.In.Header.Get("X-Amzn-Trace-Id") == "" {
		id := ids.Hex(32, "")
		r.Out.Header.Set("X-Amzn-Trace-Id", "Root=1-"+id[:8]+"-"+id[8:])
	}
}

func forwardedFor(r *httputil.ProxyRequest, h *hop) {
	const name = "X-Forwarded-For"
	client := h.client.Addr().String()
	if h.balancer.Attributes.ClientPort {
		client = h.client.String()
	}
	before := r.In.Header.Values(name)
	switch h.balancer.Attributes.ForwardedFor {
	case "remove":
	case "preserve":
		if len(before) > 0 {
			r.Out.Header[name] = before
		}
	default:
		if len(before) > 0 {
			client = before[len(before)-1] + ", " + client
		}
		r.Out.Header.Set(name, client)
	}
}

// forwarder chooses targets and tries another where that cannot do a thing twice.
type forwarder struct{ b *Balance }

// maxTries bounds the targets that one request may visit.
const maxTries = 4

func (f forwarder) RoundTrip(r *http.Request) (*http.Response, error) {
	h := r.Context().Value(hopKey{}).(*hop)
	replayable := isReplayable(r)
	keep(r)
	var tried []*target
	var last error = errNoTarget
	for len(tried) < maxTries {
		t := h.pool.acquire(h.wanted, tried)
		if t == nil {
			break
		}
		resp, err := send(r, t, replayable, idle(h.balancer))
		if err == nil {
			stick(h, t)
			resp.Body = counted(resp.Body, func() { f.b.release(h.pool, t) })
			return resp, nil
		}
		f.b.release(h.pool, t)
		last = err
		if r.Context().Err() != nil || !mayRetry(r, err, replayable) {
			break
		}
		var dial *socket.DialError
		if errors.As(err, &dial) {
			h.pool.doubt(t)
		}
		if r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
		tried = append(tried, t)
	}
	return nil, last
}

// send makes one try. The response must begin within the idle timeout.
func send(r *http.Request, t *target, replayable bool, idle time.Duration) (*http.Response, error) {
	transport := t.once
	if replayable {
		transport = t.again
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(idle, func() { cancel(errIdle{}) })
	out := r.Clone(ctx)
	out.URL.Host = t.addr.String()
	resp, err := transport.RoundTrip(out)
	if !timer.Stop() && err != nil && r.Context().Err() == nil {
		return nil, errIdle{}
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	// The context ends with the body: counted calls it by closing.
	resp.Body = counted(resp.Body, func() { cancel(nil) })
	return resp, nil
}

// errIdle: the target took the connection and then said nothing for too long.
type errIdle struct{}

func (errIdle) Error() string   { return "the target sent nothing within the idle timeout" }
func (errIdle) Timeout() bool   { return true }
func (errIdle) Temporary() bool { return false }

func idle(b dataplane.Balancer) time.Duration {
	if b.Attributes.Idle > 0 {
		return b.Attributes.Idle
	}
	return 60 * time.Second
}
