package network

import "net/netip"

// VPC is a private network. The first CIDR's base+2 is its resolver.
type VPC struct {
	ID           string
	CIDRs        []netip.Prefix
	DNSSupport   bool
	DNSHostnames bool
}

// Subnet is a range of a VPC. Table is the route table in effect: the one
// associated, else the VPC's main one.
type Subnet struct {
	ID, VPC string
	CIDR    netip.Prefix
	Table   string
}

// Target is what kind of thing a route leads to. The VPC's own ranges are
// always local and need no Route.
type Target string

// Targets of routes.
const (
	ToGateway   Target = "igw"
	ToNAT       Target = "nat"
	ToInterface Target = "eni"
	ToEndpoint  Target = "vpce"
)

// Route leads To by a target; one whose target does not exist (any more) drops.
type Route struct {
	To  netip.Prefix
	By  Target
	Via string // id of the target
}

// RouteTable is routes besides the local one.
type RouteTable struct {
	ID, VPC string
	Routes  []Route
}

// Gateway is an internet gateway that is attached.
type Gateway struct{ ID, VPC string }

// NAT is a NAT gateway: what takes a route to it leaves with Public as source,
// as long as its own Subnet has a route to a gateway.
type NAT struct {
	ID, VPC, Subnet, Interface string
	Public                     netip.Addr
}

// Group is a security group: allow-only rules.
type Group struct {
	ID, VPC string
	Rules   []Rule
}

// Rule allows what it matches. Exactly one of Peer and Group is set.
type Rule struct {
	ID       string
	Egress   bool
	Protocol string       // "tcp", "udp", "icmp", a number, "-1" = all
	From, To int          // ports; for icmp type and code, -1 = all
	Peer     netip.Prefix // the other side's address range
	Group    string       // the other side is an interface that carries this group
}

// Kind says who uses an interface.
type Kind string

// Kinds of interfaces.
const (
	ForPod          Kind = "pod"          // appears in the pod it is attached to
	ForLoadBalancer Kind = "loadbalancer" // has a namespace of its own, Place{"eni", ID}
	ForNAT          Kind = "nat"          // its address is reserved, nothing listens
	ForEndpoint     Kind = "endpoint"     // answers as the AWS service address
)

// Interface is an elastic network interface. Public zero: none.
type Interface struct {
	ID, VPC, Subnet string
	Kind            Kind
	Address, Public netip.Addr
	MAC             string
	Groups          []string
}

// Endpoint gives a VPC's pods a way to the AWS service addresses: a gateway one
// to the subnets whose table has a route to it, an interface one by its
// Interfaces' addresses.
type Endpoint struct {
	ID, VPC    string
	Service    string // com.amazonaws.us-east-1.s3
	Interfaces []string
	PrivateDNS bool
}

// State is all records at one commit.
type State struct {
	Number     uint64
	VPCs       []VPC
	Subnets    []Subnet
	Tables     []RouteTable
	Gateways   []Gateway
	NATs       []NAT
	Groups     []Group
	Interfaces []Interface
	Endpoints  []Endpoint
}
