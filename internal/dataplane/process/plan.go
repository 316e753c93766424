package process

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/socket"
	"github.com/penstock-ci/penstock/internal/network"
)

// Kinds of use of a socket.
const (
	useDNS      = "dns"
	useAPI      = "api"
	useLocal    = "local" // credentials and control
	useMetadata = "metadata"
	useHTTP     = "http"
	useTCP      = "tcp"
	useSite     = "site"
)

// use is what a socket is for.
type use struct {
	Kind     string
	VPC      string        // dns, local, metadata
	Listener string        // http, tcp
	Idle     time.Duration // http
}

var (
	resolverAddress = netip.MustParseAddr("169.254.169.253")
	localAddress    = netip.MustParseAddr("169.254.170.2")
	metadataAddress = netip.MustParseAddr("169.254.169.254")
	edge            = network.Place{Kind: "edge"}
)

// plan is the sockets that s asks for.
func plan(s dataplane.Snapshot) map[socket.Key]use {
	out := map[socket.Key]use{}
	add := func(net string, p network.Place, a netip.Addr, port uint16, u use) {
		out[socket.Key{Network: net, Place: p, Address: netip.AddrPortFrom(a, port)}] = u
	}
	if len(s.VPCs) > 0 {
		add("tcp", edge, dataplane.ServiceAddress, 443, use{Kind: useAPI})
		add("tcp", edge, dataplane.ServiceAddress, 80, use{Kind: useAPI})
	}
	for _, v := range s.VPCs {
		resolvers := []netip.Addr{resolverAddress}
		if len(v.CIDRs) > 0 {
			resolvers = append(resolvers, v.CIDRs[0].Masked().Addr().Next().Next())
		}
		for _, a := range resolvers {
			add("udp", v.Place(), a, 53, use{Kind: useDNS, VPC: v.ID})
			add("tcp", v.Place(), a, 53, use{Kind: useDNS, VPC: v.ID})
		}
		add("tcp", v.Place(), localAddress, 80, use{Kind: useLocal, VPC: v.ID})
		add("tcp", v.Place(), metadataAddress, 80, use{Kind: useMetadata, VPC: v.ID})
	}
	balancers := map[string]dataplane.Balancer{}
	for _, b := range s.Balancers {
		balancers[b.ID] = b
	}
	for _, l := range s.Listeners {
		b := balancers[l.Balancer]
		u := use{Kind: useHTTP, Listener: l.ID, Idle: b.Attributes.Idle}
		if l.Protocol == dataplane.TCP {
			u = use{Kind: useTCP, Listener: l.ID}
		}
		for _, f := range b.Fronts {
			add("tcp", f.Place, f.Address, l.Port, u)
		}
		if b.Loopback.IsValid() {
			add("tcp", socket.Host, b.Loopback, l.Port, u)
		}
	}
	if s.Site.IsValid() {
		add("tcp", socket.Host, s.Site.Addr(), s.Site.Port(), use{Kind: useSite})
	}
	return out
}

// keys are the sockets of a plan in one order.
func keys(p map[socket.Key]use) []socket.Key {
	return slices.SortedFunc(maps.Keys(p), func(a, b socket.Key) int { return cmp.Compare(a.String(), b.String()) })
}
