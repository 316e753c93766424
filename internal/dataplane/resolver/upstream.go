package resolver

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// forwardTimeout is below glibc's 5 s, so that the client hears SERVFAIL
	// instead of asking again.
	forwardTimeout = 4 * time.Second
	serverTimeout  = 2 * time.Second
)

// Upstream is the host's resolver, as its resolv.conf names it.
type Upstream struct {
	path string

	mu      sync.Mutex
	read    time.Time // of the file that servers came from
	servers []string
}

// NewUpstream reads path, /etc/resolv.conf, whenever it changed.
func NewUpstream(path string) *Upstream { return &Upstream{path: path} }

// Ask forwards q; the answer is SERVFAIL where no server gives one.
func (u *Upstream) Ask(ctx context.Context, q *dns.Msg) *dns.Msg {
	for _, server := range u.current() {
		for _, network := range []string{"udp", "tcp"} {
			c := dns.Client{Net: network, Timeout: serverTimeout}
			m, _, err := c.ExchangeContext(ctx, q, server)
			if err != nil {
				break
			}
			if !m.Truncated || network == "tcp" {
				m.Id = q.Id
				return m
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	m := new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
	m.RecursionAvailable = true
	return m
}

func (u *Upstream) current() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	st, err := os.Stat(u.path)
	if err != nil {
		return nil
	}
	if st.ModTime().Equal(u.read) {
		return u.servers
	}
	c, err := dns.ClientConfigFromFile(u.path)
	if err != nil {
		return nil
	}
	u.read, u.servers = st.ModTime(), nil
	for _, s := range c.Servers {
		// 169.254.169.253 would be ourselves, asked from outside any VPC.
		if a, err := netip.ParseAddr(s); err == nil && a != netip.AddrFrom4([4]byte{169, 254, 169, 253}) {
			u.servers = append(u.servers, net.JoinHostPort(s, c.Port))
		}
	}
	return u.servers
}
