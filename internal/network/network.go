// Package network makes VPCs real: its records (written by the services in the
// transaction of the change that causes them) → a pure plan → namespaces, links,
// routes and nftables, put in force by a Plane. A Publisher does so after every
// commit and tells which number is in force. Service ec2 writes the records, compute attaches pods through
// the Plane, the data plane opens sockets in its Places. It knows no AWS service.
package network

import (
	"net/netip"
	"path/filepath"
	"strings"
)

// Place is a network namespace in which sockets of the data plane lie.
//
//	vpc        the VPC's own namespace (resolver, link-local services)
//	eni        the namespace of an interface that has one of its own (load balancers)
//	edge       where the AWS service addresses listen
type Place struct{ Kind, ID string }

// Path is the bind-mounted namespace file of p below root (/run/penstock/<installation>/netns).
func (p Place) Path(root string) string {
	return filepath.Join(root, strings.Trim(p.Kind+"-"+p.ID, "-"))
}

// ServiceVPC is the id of the namespace for builds and tasks that have no VPC:
// NAT to the edge and nothing else.
const ServiceVPC = "service"

// Edge is the namespace in which all uplinks end.
var Edge = Place{Kind: "edge"}

// The addresses of 198.18.0.0/15, which RFC 2544 leaves to a network's own
// use. They are seen inside one installation only, save the edge's link to the host.
var (
	ServiceAddress = netip.AddrFrom4([4]byte{198, 18, 0, 1})                         // AWS, inside
	servicePublic  = netip.AddrFrom4([4]byte{198, 18, 0, 2})                         // source of pods without a VPC, at the edge
	publicPool     = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, 128, 0}), 17) // of NAT gateways and public interfaces
	ServiceCIDR    = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 19, 0, 0}), 17)   // pods without a VPC
	hostLinks      = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 19, 128, 0}), 17) // one /30 per installation
	linkLocals     = []netip.Addr{resolver, credentials, metadata}                   // on lo of every VPC namespace
	resolver       = netip.AddrFrom4([4]byte{169, 254, 169, 253})
	credentials    = netip.AddrFrom4([4]byte{169, 254, 170, 2})
	metadata       = netip.AddrFrom4([4]byte{169, 254, 169, 254})
)
