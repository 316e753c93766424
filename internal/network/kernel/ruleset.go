package kernel

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Ruleset is one nftables table of the family ip, whole.
type Ruleset struct {
	Table  string
	Sets   []Set
	Maps   []Map
	Chains []Chain
}

// Set is addresses, or pairs of a link and an address.
type Set struct {
	Name   string
	Addrs  []netip.Addr
	Pairs  []Pair // instead of Addrs
	Paired bool
}

// Pair is a link's name and the address it may send from.
type Pair struct {
	Link string
	Addr netip.Addr
}

// Map leads from an address to a chain (Jumps) or to an address (Addrs).
type Map struct {
	Name  string
	Jumps map[netip.Addr]string
	Addrs map[netip.Addr]netip.Addr
}

// Hook is where a base chain hangs.
type Hook string

// Hooks. Prerouting and Postrouting with NAT are for address translation.
const (
	NoHook         Hook = ""
	RawPrerouting  Hook = "filter prerouting -300"
	Input          Hook = "filter input 0"
	Forward        Hook = "filter forward 0"
	NATPrerouting  Hook = "nat prerouting -100"
	NATPostrouting Hook = "nat postrouting 100"
)

// Chain is rules in order. Drop is the policy of a base chain.
type Chain struct {
	Name  string
	Hook  Hook
	Drop  bool
	Rules []Rule
}

// State is a set of connection states.
type State uint32

// States of connections.
const (
	Invalid     State = 1
	Established State = 2
	Related     State = 4
	New         State = 8
)

// Rule is what a packet must match, all of it, and what then becomes of it.
type Rule struct {
	In, Out  string // links
	Linked   string // set of pairs: incoming link and source
	From, To Match
	State    State
	Protocol uint8 // 0 = any
	Ports    Range // of the destination; tcp and udp
	ICMP     *ICMP
	Do       Verdict
}

// Match is nothing, a range or a set.
type Match struct {
	Prefix netip.Prefix
	Set    string
}

// Range is ports; zero = all.
type Range struct{ First, Last uint16 }

// ICMP is a type and a code; -1 = any.
type ICMP struct{ Type, Code int }

// Verdict is what becomes of a packet.
type Verdict struct {
	Act  Act
	Name string // chain or map
	Addr netip.Addr
}

// Act is the kind of a verdict.
type Act string

// Acts. MapFrom and MapTo look the source or destination up in a map of jumps.
const (
	Accept     Act = "accept"
	Drop       Act = "drop"
	Jump       Act = "jump"
	Goto       Act = "goto"
	MapFrom    Act = "ip saddr vmap"
	MapTo      Act = "ip daddr vmap"
	SNAT       Act = "snat to"
	SNATMap    Act = "snat to ip saddr map"
	DNATMap    Act = "dnat to ip daddr map"
	Masquerade Act = "masquerade"
	ClampMSS   Act = "tcp option maxseg size set rt mtu"
)

// String is r as nft would nearly print it: for golden files and people.
func (r Ruleset) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table ip %s\n", r.Table)
	for _, s := range r.Sets {
		fmt.Fprintf(&b, "set %s {", s.Name)
		for _, a := range s.Addrs {
			fmt.Fprintf(&b, " %s", a)
		}
		for _, p := range s.Pairs {
			fmt.Fprintf(&b, " %s.%s", p.Link, p.Addr)
		}
		b.WriteString(" }\n")
	}
	for _, m := range r.Maps {
		fmt.Fprintf(&b, "map %s {", m.Name)
		for _, a := range sortedAddrs(m.Jumps) {
			fmt.Fprintf(&b, " %s: %s", a, m.Jumps[a])
		}
		for _, a := range sortedAddrs(m.Addrs) {
			fmt.Fprintf(&b, " %s: %s", a, m.Addrs[a])
		}
		b.WriteString(" }\n")
	}
	for _, c := range r.Chains {
		fmt.Fprintf(&b, "chain %s", c.Name)
		if c.Hook != NoHook {
			fmt.Fprintf(&b, " (%s, policy %s)", c.Hook, map[bool]string{true: "drop", false: "accept"}[c.Drop])
		}
		b.WriteString("\n")
		for _, rule := range c.Rules {
			fmt.Fprintf(&b, "\t%s\n", rule)
		}
	}
	return b.String()
}

func (r Rule) String() string {
	var w []string
	add := func(when bool, format string, args ...any) {
		if when {
			w = append(w, fmt.Sprintf(format, args...))
		}
	}
	add(r.In != "", "iif %s", r.In)
	add(r.Out != "", "oif %s", r.Out)
	add(r.Linked != "", "iif . saddr @%s", r.Linked)
	add(r.From != Match{}, "saddr %s", r.From)
	add(r.To != Match{}, "daddr %s", r.To)
	add(r.State != 0, "ct %s", r.State)
	add(r.Protocol != 0, "proto %d", r.Protocol)
	add(r.Ports != Range{}, "dport %d-%d", r.Ports.First, r.Ports.Last)
	if r.ICMP != nil {
		add(true, "icmp %d/%d", r.ICMP.Type, r.ICMP.Code)
	}
	add(true, "%s", r.Do.Act)
	add(r.Do.Name != "", "%s", r.Do.Name)
	add(r.Do.Addr.IsValid(), "%s", r.Do.Addr)
	return strings.Join(w, " ")
}

func (m Match) String() string {
	if m.Set != "" {
		return "@" + m.Set
	}
	return m.Prefix.String()
}

func (s State) String() string {
	var w []string
	for _, x := range []struct {
		s State
		n string
	}{{Invalid, "invalid"}, {Established, "established"}, {Related, "related"}, {New, "new"}} {
		if s&x.s != 0 {
			w = append(w, x.n)
		}
	}
	return strings.Join(w, ",")
}

func sortedAddrs[V any](m map[netip.Addr]V) []netip.Addr {
	out := make([]netip.Addr, 0, len(m))
	for a := range m {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b netip.Addr) int { return cmp.Or(a.Compare(b), 0) })
	return out
}
