package network

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/internal/network/kernel"
)

// Plan is what the kernel shall hold. It is computed from records alone.
type Plan struct {
	Number uint64
	VPCs   []VPCPlan // sorted by ID; the service namespace among them
}

// VPCPlan is one namespace, whole.
type VPCPlan struct {
	ID      string
	Locals  []netip.Addr // on lo
	Ports   []Port       // one per interface that can be attached
	Routes  []kernel.Route
	Rules   []kernel.RouteRule
	Publics []netip.Addr // that the edge leads here
	Filter  kernel.Ruleset
}

// Port is an interface as its VPC sees it.
type Port struct {
	Interface string
	Link      string       // in the VPC's namespace
	Address   netip.Prefix // with the subnet's mask
	Gateway   netip.Addr   // the subnet's
	MAC       string       // of eth0
	IsOwn     bool         // has a namespace of its own
}

// Names of links inside a VPC's namespace.
const (
	uplink   = "up"
	loopback = "lo"
)

// table is the name of the nftables table inside our own namespaces.
const table = "penstock"

// MakePlan computes the plan of s.
func MakePlan(s State) Plan {
	p := Plan{Number: s.Number, VPCs: []VPCPlan{servicePlan()}}
	for _, v := range s.VPCs {
		p.VPCs = append(p.VPCs, planVPC(newWorld(s, v)))
	}
	slices.SortFunc(p.VPCs, func(a, b VPCPlan) int { return cmp.Compare(a.ID, b.ID) })
	return p
}

// world is one VPC's records.
type world struct {
	vpc        VPC
	subnets    []Subnet
	interfaces []Interface
	groups     map[string]Group
	subnet     map[string]Subnet
	tables     map[string]RouteTable
	gateways   map[string]bool
	nats       map[string]NAT
	ports      map[string]Port // by interface
}

func newWorld(s State, v VPC) world {
	w := world{vpc: v, groups: map[string]Group{}, subnet: map[string]Subnet{}, tables: map[string]RouteTable{}, gateways: map[string]bool{}, nats: map[string]NAT{}, ports: map[string]Port{}}
	for _, x := range s.Subnets {
		if x.VPC == v.ID {
			w.subnets = append(w.subnets, x)
			w.subnet[x.ID] = x
		}
	}
	for _, x := range s.Tables {
		if x.VPC == v.ID {
			w.tables[x.ID] = x
		}
	}
	for _, x := range s.Gateways {
		if x.VPC == v.ID {
			w.gateways[x.ID] = true
		}
	}
	for _, x := range s.NATs {
		if x.VPC == v.ID {
			w.nats[x.ID] = x
		}
	}
	for _, x := range s.Groups {
		if x.VPC == v.ID {
			w.groups[x.ID] = x
		}
	}
	for _, x := range s.Interfaces {
		if _, ok := w.subnet[x.Subnet]; ok && x.VPC == v.ID {
			w.interfaces = append(w.interfaces, x)
		}
	}
	slices.SortFunc(w.subnets, func(a, b Subnet) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(w.interfaces, func(a, b Interface) int { return cmp.Compare(a.ID, b.ID) })
	for _, i := range w.interfaces {
		if i.Kind != ForNAT && i.Kind != ForEndpoint {
			w.ports[i.ID] = w.port(i)
		}
	}
	return w
}

func (w world) port(i Interface) Port {
	cidr := w.subnet[i.Subnet].CIDR
	return Port{
		Interface: i.ID, Link: linkOf("e", i.ID), MAC: i.MAC, IsOwn: i.Kind == ForLoadBalancer,
		Address: netip.PrefixFrom(i.Address, cidr.Bits()), Gateway: cidr.Masked().Addr().Next(),
	}
}

// linkOf names the link of an id: a letter and what 14 characters can tell of it.
func linkOf(letter, id string) string {
	tail := id[strings.IndexByte(id, '-')+1:]
	return letter + tail[:min(len(tail), 14)]
}

func planVPC(w world) VPCPlan {
	p := VPCPlan{ID: w.vpc.ID, Locals: slices.Clone(linkLocals)}
	if len(w.vpc.CIDRs) > 0 {
		p.Locals = append(p.Locals, w.vpc.CIDRs[0].Masked().Addr().Next().Next())
	}
	for _, s := range w.subnets {
		p.Locals = append(p.Locals, s.CIDR.Masked().Addr().Next())
	}
	slices.SortFunc(p.Locals, netip.Addr.Compare)
	p.Locals = slices.Compact(p.Locals)
	for _, i := range w.interfaces {
		if port, ok := w.ports[i.ID]; ok {
			p.Ports = append(p.Ports, port)
		}
	}
	p.Routes, p.Rules = w.routes()
	p.Publics = w.publics()
	p.Filter = w.filter()
	return p
}

// firstRule is the priority of our first routing rule: after main (moved to 100), which holds what is local.
const (
	mainRule   = 100
	tableRules = 1000
)

func (w world) routes() (routes []kernel.Route, rules []kernel.RouteRule) {
	for _, i := range w.interfaces {
		if port, ok := w.ports[i.ID]; ok {
			routes = append(routes, kernel.Route{To: netip.PrefixFrom(i.Address, 32), Link: port.Link})
		}
	}
	for _, c := range w.vpc.CIDRs {
		routes = append(routes, kernel.Route{To: c.Masked()}) // nobody has the address
	}
	rules = append(rules, kernel.RouteRule{Table: mainTable, Priority: mainRule})
	done := map[string]bool{}
	for _, s := range w.subnets {
		number := tableNumber(s.Table)
		rules = append(rules, kernel.RouteRule{From: s.CIDR.Masked(), Table: number, Priority: tableRules})
		if done[s.Table] {
			continue
		}
		done[s.Table] = true
		for _, r := range w.tables[s.Table].Routes {
			routes = append(routes, w.route(number, r))
		}
		if !slices.ContainsFunc(w.tables[s.Table].Routes, func(r Route) bool { return r.To.Bits() == 0 }) {
			routes = append(routes, kernel.Route{Table: number, To: anywhere})
		}
	}
	return routes, rules
}

var anywhere = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

const mainTable = 254

// upVia is the far end of every uplink; its hardware address is fixed, so nobody asks for it.
var upVia = netip.AddrFrom4([4]byte{169, 254, 1, 1})

func (w world) route(table int, r Route) kernel.Route {
	out := kernel.Route{Table: table, To: r.To.Masked()}
	switch r.By {
	case ToGateway, ToNAT:
		if w.leadsOut(r) {
			out.Link, out.Via = uplink, upVia
		}
	case ToInterface:
		if port, ok := w.ports[r.Via]; ok {
			out.Link, out.Via = port.Link, port.Address.Addr()
		}
	}
	return out
}

// leadsOut tells whether r's target is there and has itself a way to the internet.
func (w world) leadsOut(r Route) bool {
	switch r.By {
	case ToGateway:
		return w.gateways[r.Via]
	case ToNAT:
		nat, ok := w.nats[r.Via]
		return ok && nat.Public.IsValid() && w.hasGateway(nat.Subnet, r.To.Addr())
	}
	return false
}

// hasGateway tells whether what goes from the subnet to a leaves by an internet gateway.
func (w world) hasGateway(subnet string, a netip.Addr) bool {
	best := Route{}
	for _, r := range w.tables[w.subnet[subnet].Table].Routes {
		if r.To.Contains(a) && (best.By == "" || r.To.Bits() > best.To.Bits()) {
			best = r
		}
	}
	return best.By == ToGateway && w.gateways[best.Via]
}

// isPublic tells whether i can be reached from, and reach, the internet itself.
func (w world) isPublic(i Interface) bool {
	if _, ok := w.ports[i.ID]; !ok || !i.Public.IsValid() {
		return false
	}
	return slices.ContainsFunc(w.tables[w.subnet[i.Subnet].Table].Routes, func(r Route) bool { return r.By == ToGateway && w.gateways[r.Via] })
}

func (w world) publics() (out []netip.Addr) {
	for _, n := range w.nats {
		if n.Public.IsValid() {
			out = append(out, n.Public)
		}
	}
	for _, i := range w.interfaces {
		if w.isPublic(i) {
			out = append(out, i.Public)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// tableNumber names a route table to the kernel; it must not change while others come and go.
func tableNumber(id string) int {
	h := fnv.New32a()
	h.Write([]byte(id))
	return 1000 + int(h.Sum32()&0x3fffffff)
}

// String is the plan for golden files and for telling whether it changed.
func (v VPCPlan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "vpc %s\nlocals %v\npublics %v\n", v.ID, v.Locals, v.Publics)
	for _, p := range v.Ports {
		fmt.Fprintf(&b, "port %s link %s address %s gateway %s mac %s own %t\n", p.Interface, p.Link, p.Address, p.Gateway, p.MAC, p.IsOwn)
	}
	for _, r := range v.Rules {
		fmt.Fprintf(&b, "rule %d from %s table %d\n", r.Priority, r.From, r.Table)
	}
	for _, r := range v.Routes {
		fmt.Fprintf(&b, "route %d %s by %q via %s\n", r.Table, r.To, r.Link, r.Via)
	}
	return b.String() + v.Filter.String()
}
