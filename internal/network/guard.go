package network

import (
	"net/netip"

	"github.com/penstock-ci/penstock/internal/network/kernel"
)

// sourceChain lets a link send only from its own address, and the uplink never
// from an address that lies inside.
func sourceChain(inside []netip.Prefix) kernel.Chain {
	c := kernel.Chain{Name: "sources", Hook: kernel.RawPrerouting, Drop: true}
	c.Rules = append(c.Rules, kernel.Rule{In: loopback, Do: accept()})
	for _, p := range inside {
		c.Rules = append(c.Rules, kernel.Rule{In: uplink, From: in(p.Masked()), Do: drop()})
	}
	c.Rules = append(c.Rules,
		kernel.Rule{In: uplink, From: in(netip.PrefixFrom(netip.AddrFrom4([4]byte{169, 254}), 16)), Do: drop()},
		kernel.Rule{In: uplink, Do: accept()},
		kernel.Rule{Linked: setLinks, Do: accept()})
	return c
}

// inputChain leaves open what the data plane listens on, to the inside only.
func inputChain(resolvers []netip.Addr) kernel.Chain {
	const dns, http = 53, 80
	c := kernel.Chain{Name: "input", Hook: kernel.Input, Drop: true, Rules: []kernel.Rule{
		{In: loopback, Do: accept()},
		{State: kernel.Established | kernel.Related, Do: accept()},
		{In: uplink, Do: drop()},
	}}
	for _, a := range resolvers {
		c.Rules = append(c.Rules,
			kernel.Rule{To: is(a), Protocol: protoUDP, Ports: kernel.Range{First: dns, Last: dns}, Do: accept()},
			kernel.Rule{To: is(a), Protocol: protoTCP, Ports: kernel.Range{First: dns, Last: dns}, Do: accept()})
	}
	for _, a := range []netip.Addr{credentials, metadata} {
		c.Rules = append(c.Rules, kernel.Rule{To: is(a), Protocol: protoTCP, Ports: kernel.Range{First: http, Last: http}, Do: accept()})
	}
	return c
}

// serviceResolver is the service namespace's base+2.
var serviceResolver = ServiceCIDR.Addr().Next().Next()

// servicePlan is the namespace of pods without a VPC. Their links are not in the
// plan, as the plane itself gives them addresses; nobody reaches a neighbour.
func servicePlan() VPCPlan {
	return VPCPlan{
		ID:      ServiceVPC,
		Locals:  append([]netip.Addr{ServiceCIDR.Addr().Next(), serviceResolver}, linkLocals...),
		Publics: []netip.Addr{servicePublic},
		Routes: []kernel.Route{
			{To: anywhere, Link: uplink, Via: upVia},
			{To: ServiceCIDR},
		},
		Rules: []kernel.RouteRule{{Table: mainTable, Priority: mainRule}},
		Filter: kernel.Ruleset{
			Table: table,
			Chains: []kernel.Chain{
				// rp_filter lets a link send from its own address only: its /32 route leads back to it.
				{Name: "sources", Hook: kernel.RawPrerouting, Rules: []kernel.Rule{{In: uplink, From: in(ServiceCIDR), Do: drop()}}},
				inputChain([]netip.Addr{resolver, serviceResolver}),
				{Name: "forward", Hook: kernel.Forward, Drop: true, Rules: []kernel.Rule{
					{State: kernel.Established | kernel.Related, Do: accept()},
					{State: kernel.Invalid, Do: drop()},
					{Out: uplink, From: in(ServiceCIDR), Do: accept()},
				}},
				{Name: "leaving", Hook: kernel.NATPostrouting, Rules: []kernel.Rule{{Out: uplink, Do: kernel.Verdict{Act: kernel.SNAT, Addr: servicePublic}}}},
			},
		},
	}
}

// hostLink is the edge's link to the host, seen from the edge.
const hostLink = "host"

// edgeFilter guards the edge: AWS's addresses answer on two ports, the host opens nothing.
func edgeFilter() kernel.Ruleset {
	const http, https = 80, 443
	return kernel.Ruleset{Table: table, Chains: []kernel.Chain{
		{Name: "input", Hook: kernel.Input, Drop: true, Rules: []kernel.Rule{
			{In: loopback, Do: accept()},
			{State: kernel.Established | kernel.Related, Do: accept()},
			{In: hostLink, Do: drop()},
			{To: is(ServiceAddress), Protocol: protoTCP, Ports: kernel.Range{First: http, Last: http}, Do: accept()},
			{To: is(ServiceAddress), Protocol: protoTCP, Ports: kernel.Range{First: https, Last: https}, Do: accept()},
		}},
		{Name: "forward", Hook: kernel.Forward, Rules: []kernel.Rule{
			{State: kernel.Established | kernel.Related, Do: accept()},
			{State: kernel.Invalid, Do: drop()},
			{In: hostLink, Do: drop()},
			{Do: kernel.Verdict{Act: kernel.ClampMSS}},
		}},
		{Name: "leaving", Hook: kernel.NATPostrouting, Rules: []kernel.Rule{{Out: hostLink, Do: kernel.Verdict{Act: kernel.Masquerade}}}},
	}}
}

// hostFilter is the host's own part: one masquerade, and nothing to the host itself.
func hostFilter(name, link string, edge netip.Prefix) kernel.Ruleset {
	return kernel.Ruleset{Table: name, Chains: []kernel.Chain{
		{Name: "input", Hook: kernel.Input, Rules: []kernel.Rule{
			{In: link, State: kernel.Established | kernel.Related, Do: accept()},
			{In: link, Do: drop()},
		}},
		{Name: "leaving", Hook: kernel.NATPostrouting, Rules: []kernel.Rule{{From: in(edge.Masked()), Do: kernel.Verdict{Act: kernel.Masquerade}}}},
	}}
}
