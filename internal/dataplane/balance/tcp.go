package balance

import (
	"net"
	"net/http"

	"github.com/penstock-ci/penstock/internal/dataplane/splicing"
)

// ServeTCP forwards one connection of a TCP listener and returns at its end.
func (b *Balance) ServeTCP(listener string, c net.Conn) {
	defer c.Close()
	l := b.table.Load().listeners[listener]
	rule, ok := choose(l.Rules, request{Request: &http.Request{}})
	if !ok || rule.Action.Forward == nil {
		return
	}
	p := b.pool(draw(rule.Action.Forward.Pools))
	if p == nil {
		return
	}
	up, t := b.connect(p)
	if t == nil {
		return
	}
	defer b.release(p, t)
	defer up.Close()
	splicing.Both(c, up)
}

// connect tries target after target.
func (b *Balance) connect(p *pool) (net.Conn, *target) {
	var tried []*target
	for len(tried) < maxTries {
		t := p.acquire("", tried)
		if t == nil {
			return nil, nil
		}
		up, err := t.dial(b.ctx)
		if err == nil {
			return up, t
		}
		b.release(p, t)
		p.doubt(t)
		tried = append(tried, t)
	}
	return nil, nil
}
