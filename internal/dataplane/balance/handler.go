package balance

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/dataplane"
)

// Handler answers on the sockets of one listener.
func (b *Balance) Handler(listener string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := b.table.Load()
		l, ok := t.listeners[listener]
		if !ok {
			refuse(w, http.StatusServiceUnavailable)
			return
		}
		b.serve(w, r, t.balancers[l.Balancer], l)
	})
}

// Site answers on the host's one port for all balancers: NAME.elb.localhost is
// the listener on port 80, else the lowest; PORT.NAME.elb.localhost is any.
func (b *Balance) Site() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := b.table.Load()
		name := strings.ToLower(hostname(r.Host))
		name, _ = strings.CutSuffix(name, dataplane.SiteDomain)
		l, ok := pick(t.hosts[name], 0)
		if port, rest, cut := strings.Cut(name, "."); !ok && cut {
			if n, err := strconv.ParseUint(port, 10, 16); err == nil {
				l, ok = pick(t.hosts[rest], uint16(n))
			}
		}
		if !ok {
			refuse(w, http.StatusNotFound)
			return
		}
		b.serve(w, r, t.balancers[l.Balancer], l)
	})
}

// pick finds the HTTP listener of a port; 0 = the primary one.
func pick(ls []dataplane.Listener, port uint16) (dataplane.Listener, bool) {
	if port == 0 {
		return dataplane.Primary(ls)
	}
	for _, l := range ls {
		if l.Protocol == dataplane.HTTP && l.Port == port {
			return l, true
		}
	}
	return dataplane.Listener{}, false
}

func (b *Balance) serve(w http.ResponseWriter, r *http.Request, lb dataplane.Balancer, l dataplane.Listener) {
	if b.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		refuse(w, http.StatusBadGateway)
		return
	}
	h := &hop{balancer: lb, listener: l, client: netip.AddrPortFrom(client.Addr().Unmap(), client.Port())}
	rule, ok := choose(l.Rules, request{r, h.client.Addr()})
	switch a := rule.Action; {
	case !ok:
		refuse(w, http.StatusServiceUnavailable)
	case a.Fixed != nil:
		fixed(w, *a.Fixed)
	case a.Redirect != nil:
		redirect(w, r, *a.Redirect, l.Protocol, l.Port)
	case a.Forward != nil:
		b.forward(w, r, h, *a.Forward)
	default:
		refuse(w, http.StatusServiceUnavailable)
	}
}

func (b *Balance) forward(w http.ResponseWriter, r *http.Request, h *hop, f dataplane.Forward) {
	if h.pool = b.pool(share(f, r, h)); h.pool == nil {
		refuse(w, http.StatusServiceUnavailable)
		return
	}
	want(h, r)
	b.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), hopKey{}, h)))
}

func (b *Balance) pool(id string) *pool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pools[id]
}
