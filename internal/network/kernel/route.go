package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Route leads to a link, through a next hop there if Via is valid; Link "" drops.
type Route struct {
	Table int // 0 = main
	To    netip.Prefix
	Link  string
	Via   netip.Addr
}

// Rule sends what comes from a range to a table.
type RouteRule struct {
	From     netip.Prefix
	Table    int
	Priority int
}

// ownProtocol marks our routes ("static" of iproute2 is 4; 112 is nobody's).
const ownProtocol = 112

// SetRoutes makes exactly these routes of ours be in the namespace; those whose
// link is not there, or not up, are left out: who brings it up adds its route. New
// ones come before old ones go.
func (n *Namespace) SetRoutes(want []Route) error {
	have, err := n.links.RouteListFiltered(unix.AF_INET, &netlink.Route{Protocol: ownProtocol, Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("list the routes of %s: %w", n, err)
	}
	old := map[string]netlink.Route{}
	for _, r := range have {
		old[key(&r)] = r
	}
	index := map[string]int{"": 0}
	kept := map[string]bool{}
	for _, r := range want {
		if _, ok := index[r.Link]; !ok {
			index[r.Link] = n.upIndex(r.Link)
		}
		if r.Link != "" && index[r.Link] == 0 {
			continue
		}
		k := r.kernel(index[r.Link])
		kept[place(k)] = true
		if _, ok := old[key(k)]; ok {
			continue
		}
		if err := n.links.RouteReplace(k); err != nil {
			return fmt.Errorf("route %s by %q in %s: %w", r.To, r.Link, n, err)
		}
	}
	for _, r := range have {
		if kept[place(&r)] {
			continue
		}
		if err := n.links.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("delete route %s in %s: %w", r.Dst, n, err)
		}
	}
	return nil
}

// AddRoute sets one route.
func (n *Namespace) AddRoute(r Route, link int) error {
	if err := n.links.RouteReplace(r.kernel(link)); err != nil {
		return fmt.Errorf("route %s by %q in %s: %w", r.To, r.Link, n, err)
	}
	return nil
}

func (r Route) kernel(link int) *netlink.Route {
	k := &netlink.Route{Table: r.Table, Dst: ipNet(r.To), LinkIndex: link, Protocol: ownProtocol, Family: unix.AF_INET}
	if r.Table == 0 {
		k.Table = unix.RT_TABLE_MAIN
	}
	switch {
	case r.Link == "":
		k.Type = unix.RTN_BLACKHOLE
	case r.Via.IsValid():
		k.Gw, k.Flags = r.Via.AsSlice(), int(netlink.FLAG_ONLINK)
		k.Type = unix.RTN_UNICAST
	default:
		k.Type, k.Scope = unix.RTN_UNICAST, netlink.SCOPE_LINK
	}
	return k
}

// place is what one route of a table is distinguished by; key also how it leads on.
func place(r *netlink.Route) string {
	to := "0.0.0.0/0"
	if r.Dst != nil {
		to = r.Dst.String()
	}
	return fmt.Sprintf("%d %s", r.Table, to)
}

func key(r *netlink.Route) string {
	kind := r.Type
	if kind == 0 {
		kind = unix.RTN_UNICAST
	}
	return fmt.Sprintf("%s %d %v %d", place(r), r.LinkIndex, r.Gw, kind)
}

// SetRules makes exactly these rules be there, besides the kernel's own three.
func (n *Namespace) SetRules(want []RouteRule) error {
	have, err := n.links.RuleList(unix.AF_INET)
	if err != nil {
		return fmt.Errorf("list the routing rules of %s: %w", n, err)
	}
	missing := map[RouteRule]bool{}
	for _, r := range want {
		missing[r] = true
	}
	var stale []netlink.Rule
	for _, r := range have {
		// local, main and default have their priorities from the kernel; ours come between main's and default's.
		if r.Priority <= unix.RT_TABLE_UNSPEC || r.Priority == 32766 || r.Priority == 32767 {
			continue
		}
		k := RouteRule{Table: r.Table, Priority: r.Priority}
		if r.Src != nil {
			a, _ := netip.AddrFromSlice(r.Src.IP.To4())
			ones, _ := r.Src.Mask.Size()
			k.From = netip.PrefixFrom(a, ones)
		}
		if missing[k] {
			delete(missing, k)
			continue
		}
		stale = append(stale, r)
	}
	for r := range missing {
		k := netlink.NewRule()
		k.Family, k.Table, k.Priority = unix.AF_INET, r.Table, r.Priority
		if r.From.IsValid() {
			k.Src = ipNet(r.From)
		}
		if err := n.links.RuleAdd(k); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add routing rule from %s in %s: %w", r.From, n, err)
		}
	}
	for _, r := range stale {
		if err := n.links.RuleDel(&r); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("delete routing rule from %s in %s: %w", r.Src, n, err)
		}
	}
	return nil
}

// ForgetFlows makes tracked connections of the addresses be unknown again, so that
// who gets an address next does not inherit them.
func (n *Namespace) ForgetFlows(addrs map[netip.Addr]bool) error {
	h, err := netlink.NewHandleAt(n.ns, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("open conntrack in %s: %w", n, err)
	}
	defer h.Close()
	if _, err := h.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, flowsOf(addrs)); err != nil {
		return fmt.Errorf("forget connections in %s: %w", n, err)
	}
	return nil
}

type flowsOf map[netip.Addr]bool

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (f flowsOf) MatchConntrackFlow(c *netlink.ConntrackFlow) bool {
	for _, ip := range [][]byte{c.Forward.SrcIP, c.Forward.DstIP, c.Reverse.SrcIP, c.Reverse.DstIP} {
		if a, ok := netip.AddrFromSlice(ip); ok && f[a.Unmap()] {
			return true
		}
	}
	return false
}
