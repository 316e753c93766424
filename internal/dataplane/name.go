package dataplane

import (
	"net/netip"

	"github.com/penstock-ci/penstock/internal/network"
)

// ServiceAddress is where every AWS service name leads inside: it listens in
// the edge namespace, so that a call takes the route it would take on AWS.
var ServiceAddress = netip.AddrFrom4([4]byte{198, 18, 0, 1})

// Name is a host name and what it resolves to.
type Name struct {
	VPC       string // id of the VPC in which it is known, "" = in all
	Name      string // lower case, without the final dot
	Addresses []netip.Addr
}

// VPC is what the process must know of a network namespace with a resolver in it.
type VPC struct {
	ID      string         // network.ServiceVPC for pods without one
	CIDRs   []netip.Prefix // the first one's base+2 is a resolver address
	Sources []netip.Addr   // the public addresses under which its packets reach the edge
}

// Place is where the VPC's own sockets lie.
func (v VPC) Place() network.Place { return network.Place{Kind: "vpc", ID: v.ID} }
