package network

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/network/kernel"
)

// Names of chains, sets and maps.
const (
	setLinks   = "links"    // who may send what
	mapOut     = "out"      // source → its groups' rules
	mapIn      = "in"       // destination → its groups' rules
	setPublic  = "p_"       // and a subnet: its sources that have a public address
	mapPublic  = "publics"  // private → public
	mapPrivate = "privates" // public → private
	chainIn    = "ingress"  // the source's groups have agreed
	chainUp    = "uplink"   // what leaves the VPC
)

func accept() kernel.Verdict           { return kernel.Verdict{Act: kernel.Accept} }
func drop() kernel.Verdict             { return kernel.Verdict{Act: kernel.Drop} }
func goTo(chain string) kernel.Verdict { return kernel.Verdict{Act: kernel.Goto, Name: chain} }
func in(p netip.Prefix) kernel.Match   { return kernel.Match{Prefix: p} }
func is(a netip.Addr) kernel.Match     { return in(netip.PrefixFrom(a, a.BitLen())) }

const (
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
)

// filter is the VPC's rules. A new connection passes: its link may send from its
// source → the source's groups → the destination's groups, or the uplink.
func (w world) filter() kernel.Ruleset {
	r := kernel.Ruleset{Table: table}
	r.Sets = append(r.Sets, w.links())
	r.Sets = append(r.Sets, w.publicSets()...)
	r.Sets = append(r.Sets, w.members()...)
	r.Maps = append(r.Maps, kernel.Map{Name: mapPublic, Addrs: map[netip.Addr]netip.Addr{}}, kernel.Map{Name: mapPrivate, Addrs: map[netip.Addr]netip.Addr{}})
	for _, i := range w.interfaces {
		if w.isPublic(i) {
			r.Maps[0].Addrs[i.Address] = i.Public
			r.Maps[1].Addrs[i.Public] = i.Address
		}
	}
	out, inward, combinations := w.combinations()
	r.Maps = append(r.Maps, out, inward)
	r.Chains = append(r.Chains, sourceChain(w.vpc.CIDRs), inputChain(w.resolvers()),
		kernel.Chain{Name: "forward", Hook: kernel.Forward, Drop: true, Rules: []kernel.Rule{
			{State: kernel.Established | kernel.Related, Do: accept()},
			{State: kernel.Invalid, Do: drop()},
			{In: uplink, Do: goTo(chainIn)},
			{Do: kernel.Verdict{Act: kernel.MapFrom, Name: mapOut}},
		}},
		kernel.Chain{Name: chainIn, Rules: []kernel.Rule{
			{Out: uplink, Do: goTo(chainUp)},
			{Do: kernel.Verdict{Act: kernel.MapTo, Name: mapIn}},
			{Do: drop()},
		}})
	up, snat := w.leaving()
	r.Chains = append(r.Chains, up, snat,
		kernel.Chain{Name: "arriving", Hook: kernel.NATPrerouting, Rules: []kernel.Rule{{In: uplink, Do: kernel.Verdict{Act: kernel.DNATMap, Name: mapPrivate}}}})
	r.Chains = append(r.Chains, combinations...)
	r.Chains = append(r.Chains, w.groupChains()...)
	return r
}

// resolvers are the resolver's addresses.
func (w world) resolvers() []netip.Addr {
	if len(w.vpc.CIDRs) == 0 {
		return []netip.Addr{resolver}
	}
	return []netip.Addr{resolver, w.vpc.CIDRs[0].Masked().Addr().Next().Next()}
}

func (w world) links() kernel.Set {
	s := kernel.Set{Name: setLinks, Paired: true}
	for _, i := range w.interfaces {
		if p, ok := w.ports[i.ID]; ok {
			s.Pairs = append(s.Pairs, kernel.Pair{Link: p.Link, Addr: i.Address})
		}
	}
	return s
}

// publicSets are, for each subnet, the interfaces that have a public address.
func (w world) publicSets() (sets []kernel.Set) {
	for _, sub := range w.subnets {
		s := kernel.Set{Name: setPublic + sub.ID}
		for _, i := range w.interfaces {
			if i.Subnet == sub.ID && w.isPublic(i) {
				s.Addrs = append(s.Addrs, i.Address)
			}
		}
		sets = append(sets, s)
	}
	return sets
}

// members are, for each group, the private addresses of the interfaces that carry it.
func (w world) members() []kernel.Set {
	sets := make([]kernel.Set, 0, len(w.groups))
	for _, id := range w.groupIDs() {
		s := kernel.Set{Name: "g_" + id}
		for _, i := range w.interfaces {
			if slices.Contains(i.Groups, id) {
				s.Addrs = append(s.Addrs, i.Address)
			}
		}
		sets = append(sets, s)
	}
	return sets
}

func (w world) groupIDs() []string {
	ids := make([]string, 0, len(w.groups))
	for id := range w.groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// combinations makes one chain per set of groups that interfaces carry: allowed is what any of them allows.
func (w world) combinations() (out, inward kernel.Map, chains []kernel.Chain) {
	out = kernel.Map{Name: mapOut, Jumps: map[netip.Addr]string{}}
	inward = kernel.Map{Name: mapIn, Jumps: map[netip.Addr]string{}}
	done := map[string]bool{}
	for _, i := range w.interfaces {
		if _, ok := w.ports[i.ID]; !ok {
			continue
		}
		groups := slices.DeleteFunc(slices.Sorted(slices.Values(i.Groups)), func(g string) bool { return w.groups[g].ID == "" })
		name := strings.Join(groups, "_")
		out.Jumps[i.Address], inward.Jumps[i.Address] = "o_"+name, "i_"+name
		if done[name] {
			continue
		}
		done[name] = true
		for _, direction := range []string{"o_", "i_"} {
			c := kernel.Chain{Name: direction + name}
			if len(groups) == 1 {
				continue // the group's own chain has the name
			}
			for _, g := range groups {
				c.Rules = append(c.Rules, kernel.Rule{Do: kernel.Verdict{Act: kernel.Jump, Name: direction + g}})
			}
			c.Rules = append(c.Rules, kernel.Rule{Do: drop()})
			chains = append(chains, c)
		}
	}
	return out, inward, chains
}

// groupChains end without a verdict, so that the next group of a combination is
// asked; where a group stands alone the forward chain's policy drops.
func (w world) groupChains() (chains []kernel.Chain) {
	for _, id := range w.groupIDs() {
		out, inward := kernel.Chain{Name: "o_" + id}, kernel.Chain{Name: "i_" + id}
		for _, r := range w.groups[id].Rules {
			k, ok := w.groupRule(r)
			switch {
			case !ok:
			case r.Egress:
				k.Do = goTo(chainIn)
				out.Rules = append(out.Rules, k)
			default:
				k.Do = accept()
				inward.Rules = append(inward.Rules, k)
			}
		}
		chains = append(chains, out, inward)
	}
	return chains
}

// groupRule is what r matches; not ok where it can match nothing here.
func (w world) groupRule(r Rule) (kernel.Rule, bool) {
	var k kernel.Rule
	var peer kernel.Match
	switch {
	case r.Group != "":
		if w.groups[r.Group].ID == "" {
			return k, false
		}
		peer = kernel.Match{Set: "g_" + r.Group}
	case !r.Peer.IsValid() || !r.Peer.Addr().Is4():
		return k, false // IPv6 is off in VPCs
	case r.Peer.Bits() > 0:
		peer = in(r.Peer.Masked())
	}
	if r.Egress {
		k.To = peer
	} else {
		k.From = peer
	}
	switch r.Protocol {
	case "-1":
	case "tcp", "udp", "6", "17":
		k.Protocol = protoTCP
		if r.Protocol == "udp" || r.Protocol == "17" {
			k.Protocol = protoUDP
		}
		if r.From >= 0 && (r.From > 0 || r.To < 65535) {
			k.Ports = kernel.Range{First: uint16(r.From), Last: uint16(r.To)}
		}
	case "icmp", "1":
		k.Protocol = protoICMP
		if r.From >= 0 {
			k.ICMP = &kernel.ICMP{Type: r.From, Code: r.To}
		}
	default:
		n, err := strconv.Atoi(r.Protocol)
		if err != nil || n <= 0 || n > 255 {
			return k, false
		}
		k.Protocol = uint8(n)
	}
	return k, true
}

// leaving is who may leave by the uplink, and as which public address: by subnet,
// the longest route first, as routing itself decides.
func (w world) leaving() (up, snat kernel.Chain) {
	up, snat = kernel.Chain{Name: chainUp}, kernel.Chain{Name: "leaving", Hook: kernel.NATPostrouting}
	for _, s := range w.subnets {
		routes := slices.Clone(w.tables[s.Table].Routes)
		slices.SortStableFunc(routes, func(a, b Route) int {
			return cmp.Or(cmp.Compare(b.To.Bits(), a.To.Bits()), a.To.Addr().Compare(b.To.Addr()))
		})
		for _, r := range routes {
			if !w.leadsOut(r) {
				continue
			}
			from, to := in(s.CIDR.Masked()), in(r.To.Masked())
			if r.To.Bits() == 0 {
				to = kernel.Match{}
			}
			if r.By == ToNAT {
				up.Rules = append(up.Rules, kernel.Rule{From: from, To: to, Do: accept()})
				snat.Rules = append(snat.Rules, kernel.Rule{Out: uplink, From: from, To: to, Do: kernel.Verdict{Act: kernel.SNAT, Addr: w.nats[r.Via].Public}})
				continue
			}
			// Without a public address of its own nothing passes an internet gateway,
			// and a shorter route of the subnet must not catch it.
			up.Rules = append(up.Rules, kernel.Rule{From: kernel.Match{Set: setPublic + s.ID}, To: to, Do: accept()}, kernel.Rule{From: from, To: to, Do: drop()})
			snat.Rules = append(snat.Rules, kernel.Rule{Out: uplink, From: from, To: to, Do: kernel.Verdict{Act: kernel.SNATMap, Name: mapPublic}})
		}
	}
	up.Rules = append(up.Rules, kernel.Rule{Do: drop()})
	return up, snat
}
