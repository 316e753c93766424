// Package balance is the load balancer: it chooses rules, pools and targets,
// forwards requests and connections, and watches the targets' health. The data
// plane's process gives it snapshots and the listening sockets.
package balance

import (
	"context"
	"log"
	"log/slog"
	"net"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/socket"
	"github.com/penstock-ci/penstock/internal/network"
)

// Balance holds all load balancers of one process.
type Balance struct {
	ns       socket.Namespaces
	clock    clock.Clock
	proxy    *httputil.ReverseProxy
	proxyLog *log.Logger
	table    atomic.Pointer[table]
	draining atomic.Bool // another process takes new connections: clients are to go there

	ctx    context.Context // of all checks; ends with Close
	cancel context.CancelFunc
	checks sync.WaitGroup

	mu     sync.Mutex
	number uint64
	pools  map[string]*pool
	before map[string]Health         // of targets known to an earlier process, by target key
	extra  map[string]map[string]int // requests in flight in processes being replaced: by process, by target key
	watch  map[chan struct{}]bool
}

// New checks and forwards nothing before Apply. before is the last known health
// of targets, by Key.
func New(ns socket.Namespaces, c clock.Clock, l *slog.Logger, before map[string]Health) *Balance {
	ctx, cancel := context.WithCancel(context.Background())
	b := &Balance{
		ns: ns, clock: c, ctx: ctx, cancel: cancel, before: before,
		proxyLog: slog.NewLogLogger(l.Handler(), slog.LevelDebug),
		pools:    map[string]*pool{}, extra: map[string]map[string]int{}, watch: map[chan struct{}]bool{},
	}
	b.proxy = b.newProxy()
	b.table.Store(newTable(dataplane.Snapshot{}))
	return b
}

// Key names a target of a pool in what processes tell one another.
func Key(pool string, addr netip.AddrPort) string { return pool + " " + addr.String() }

// table is the way from a listener or host name to rules.
type table struct {
	balancers map[string]dataplane.Balancer
	listeners map[string]dataplane.Listener
	hosts     map[string][]dataplane.Listener // of a balancer's name on the host's one port
}

func newTable(s dataplane.Snapshot) *table {
	t := &table{map[string]dataplane.Balancer{}, map[string]dataplane.Listener{}, map[string][]dataplane.Listener{}}
	of := map[string][]dataplane.Listener{}
	for _, l := range s.Listeners {
		t.listeners[l.ID] = l
		of[l.Balancer] = append(of[l.Balancer], l)
	}
	for _, b := range s.Balancers {
		t.balancers[b.ID] = b
		for _, host := range b.Hosts {
			if _, taken := t.hosts[strings.ToLower(host)]; !taken {
				t.hosts[strings.ToLower(host)] = of[b.ID]
			}
		}
	}
	return t
}

// Apply puts the balancers of s in force: when it returns, no request is being
// given to a target that drains.
func (b *Balance) Apply(s dataplane.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := newTable(s)
	seen := map[string]bool{}
	for _, spec := range s.Pools {
		seen[spec.ID] = true
		p := b.pools[spec.ID]
		if p == nil {
			p = &pool{targets: map[netip.AddrPort]*target{}, now: b.clock.Now}
			b.pools[spec.ID] = p
		}
		b.update(p, spec, t)
	}
	b.table.Store(t)
	for id, p := range b.pools {
		if !seen[id] {
			b.update(p, dataplane.Pool{ID: id}, t)
			delete(b.pools, id)
		}
	}
	b.before = nil
	b.number = s.Number
	b.tell()
}

// update brings one pool to its spec.
func (b *Balance) update(p *pool, spec dataplane.Pool, tab *table) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.spec
	p.spec = spec
	_, inUse := tab.balancers[spec.Balancer]
	moved := p.move(b.inodeOf(tab, spec.Balancer))
	recheck := old.Check != spec.Check || old.Balancer != spec.Balancer || moved
	wanted := map[netip.AddrPort]bool{}
	for _, ts := range spec.Targets {
		wanted[ts.Address] = true
		t := p.targets[ts.Address]
		if t == nil || t.spec.Drain && !ts.Drain {
			t = b.register(p, t, ts)
			b.startChecks(p, t, inUse)
			continue
		}
		t.spec = ts
		if recheck || t.checked != inUse {
			b.startChecks(p, t, inUse)
		}
	}
	for addr, t := range p.targets {
		if !wanted[addr] {
			t.close()
			delete(p.targets, addr)
		}
	}
	p.refresh()
}

// inodeOf is the namespace that a balancer's targets are dialled from; 0 if it is
// not there, or the host's.
func (b *Balance) inodeOf(tab *table, balancer string) uint64 {
	fronts := tab.balancers[balancer].Fronts
	if len(fronts) == 0 {
		return 0
	}
	inode, err := b.ns.Inode(fronts[0].Place)
	if err != nil {
		return 0
	}
	return inode
}

// move gives up connections that lie in a namespace which was made anew; the
// lock is held.
func (p *pool) move(inode uint64) (moved bool) {
	moved = p.inode != 0 && p.inode != inode
	p.inode = inode
	if moved {
		for _, t := range p.targets {
			t.idle()
		}
	}
	return moved
}

// register makes a target, new or again: a repeated registration of one that
// drains begins as a new one but keeps its count.
func (b *Balance) register(p *pool, old *target, spec dataplane.Target) *target {
	if old != nil {
		old.spec, old.health = spec, unknown
		old.idle() // the address may be another task's now
		return old
	}
	t := newTarget(p.spec.ID, b.ns, func() network.Place { return b.via(p) }, spec)
	if h, ok := b.before[Key(p.spec.ID, spec.Address)]; ok {
		t.health = h
	}
	p.targets[spec.Address] = t
	return t
}

// via is the namespace from which a pool's targets are dialled: its balancer's
// first interface, so that security groups see the balancer.
func (b *Balance) via(p *pool) network.Place {
	p.mu.Lock()
	id := p.spec.Balancer
	p.mu.Unlock()
	if fronts := b.table.Load().balancers[id].Fronts; len(fronts) > 0 {
		return fronts[0].Place
	}
	return socket.Host
}

// startChecks begins the checks of t anew; the pool's lock is held.
func (b *Balance) startChecks(p *pool, t *target, inUse bool) {
	t.stop()
	t.checked = inUse
	if !inUse || p.spec.Check.Interval <= 0 {
		return
	}
	ctx, cancel := context.WithCancel(b.ctx)
	t.stop = cancel
	check := p.spec.Check
	addr := t.addr
	if check.Port != 0 {
		addr = netip.AddrPortFrom(addr.Addr(), check.Port)
	}
	c := checker{
		check: check, target: addr, clock: b.clock,
		dial:   func(ctx context.Context) (net.Conn, error) { return b.ns.Dial(ctx, b.via(p), addr) },
		report: func(o outcome) { b.checked(ctx, p, t, o) },
		state: func() string {
			p.mu.Lock()
			defer p.mu.Unlock()
			return t.health.State
		},
	}
	b.checks.Go(func() { c.run(ctx) })
}

// checked records the outcome of a check.
func (b *Balance) checked(ctx context.Context, p *pool, t *target, o outcome) {
	p.mu.Lock()
	if ctx.Err() != nil {
		p.mu.Unlock()
		return
	}
	old := t.health
	t.health = judge(old, o, p.spec.Check)
	changed := old != t.health
	if changed {
		p.refresh()
	}
	p.mu.Unlock()
	if changed {
		b.mu.Lock()
		b.tell()
		b.mu.Unlock()
	}
}

// release ends a request on t.
func (b *Balance) release(p *pool, t *target) {
	if t.open.Add(-1) > 0 {
		return
	}
	p.mu.Lock()
	drained := t.spec.Drain
	p.mu.Unlock()
	if drained {
		b.mu.Lock()
		b.tell()
		b.mu.Unlock()
	}
}

// Drain makes every answer from now on end its client's connection, so that
// clients go to the process that took the sockets.
func (b *Balance) Drain() { b.draining.Store(true) }

// Close ends the checks.
func (b *Balance) Close() {
	b.cancel()
	b.checks.Wait()
}
