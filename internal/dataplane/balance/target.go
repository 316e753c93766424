package balance

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/socket"
	"github.com/penstock-ci/penstock/internal/network"
)

// target is one address of a pool, from its registration to its end.
type target struct {
	pool string
	addr netip.AddrPort
	dial func(ctx context.Context) (net.Conn, error)
	stop context.CancelFunc // of its checks

	open  atomic.Int64
	total atomic.Uint64

	// again carries replayable requests on long-lived connections. once carries
	// those that must not be sent twice: a target that closes a connection just
	// as such a request goes out makes it fail, so idle ones are given up early.
	again, once *http.Transport

	// Guarded by the pool's lock.
	spec    dataplane.Target
	health  Health
	checked bool      // by a checker: its pool is in use
	suspect time.Time // a connect failed: others first until then
}

const (
	// dialTimeout is short because a target that is gone answers nothing, and
	// another one is tried in its stead; within one host a connect takes < 1 ms.
	dialTimeout = time.Second
	idleAgain   = 30 * time.Second
	idleOnce    = time.Second
	perTarget   = 256 // idle connections kept
	suspicion   = time.Second
)

func newTarget(pool string, ns socket.Namespaces, via func() network.Place, spec dataplane.Target) *target {
	t := &target{pool: pool, addr: spec.Address, spec: spec, health: unknown, stop: func() {}}
	t.dial = func(ctx context.Context) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		return ns.Dial(ctx, via(), t.addr)
	}
	t.again, t.once = t.transport(idleAgain), t.transport(idleOnce)
	return t
}

func (t *target) transport(idle time.Duration) *http.Transport {
	return &http.Transport{
		DialContext:           func(ctx context.Context, _, _ string) (net.Conn, error) { return t.dial(ctx) },
		DisableCompression:    true,
		MaxIdleConns:          perTarget,
		MaxIdleConnsPerHost:   perTarget,
		IdleConnTimeout:       idle,
		ExpectContinueTimeout: time.Second,
		WriteBufferSize:       16 << 10,
		ReadBufferSize:        16 << 10,
	}
}

// close ends checks and idle connections; requests in flight go on.
func (t *target) close() {
	t.stop()
	t.idle()
}

// idle gives up the connections that carry no request.
func (t *target) idle() {
	t.again.CloseIdleConnections()
	t.once.CloseIdleConnections()
}
