package ec2

import (
	"context"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/store"
)

// Waiter tells when packets obey a number of the network's records (network.Publisher).
type Waiter interface {
	Wait(ctx context.Context, number uint64) error
}

// Deps are what a Service borrows.
type Deps struct {
	DB      store.DB
	Records *network.Records
	Network Waiter
	Engine  engine.Engine
	Clock   clock.Clock
}

// Service is EC2.
type Service struct {
	d Deps
	collections
}

// collections are the nouns. Index "vpc" finds what lies in a VPC.
type collections struct {
	vpcs       store.Collection[VPC]
	subnets    store.Collection[Subnet]
	tables     store.Collection[RouteTable]
	gateways   store.Collection[Gateway]
	nats       store.Collection[NatGateway]
	addresses  store.Collection[Address]
	groups     store.Collection[Group]
	interfaces store.Collection[Interface]
	tags       store.Collection[Tags]
	openings   store.Collection[Opening]
}

// New needs the Engine to have Kinds registered.
func New(d Deps) *Service {
	return &Service{d: d, collections: collections{
		vpcs:      store.Define(store.Schema[VPC]{Table: "ec2_vpcs"}),
		subnets:   store.Define(store.Schema[Subnet]{Table: "ec2_subnets", Index: map[string]func(Subnet) string{"vpc": func(s Subnet) string { return s.VPC }}}),
		tables:    store.Define(store.Schema[RouteTable]{Table: "ec2_route_tables", Index: map[string]func(RouteTable) string{"vpc": func(t RouteTable) string { return t.VPC }}}),
		gateways:  store.Define(store.Schema[Gateway]{Table: "ec2_internet_gateways", Index: map[string]func(Gateway) string{"vpc": func(g Gateway) string { return g.VPC }}}),
		nats:      store.Define(store.Schema[NatGateway]{Table: "ec2_nat_gateways", Index: map[string]func(NatGateway) string{"vpc": func(n NatGateway) string { return n.VPC }}}),
		addresses: store.Define(store.Schema[Address]{Table: "ec2_addresses"}),
		groups:    store.Define(store.Schema[Group]{Table: "ec2_security_groups", Index: map[string]func(Group) string{"vpc": func(g Group) string { return g.VPC }}}),
		interfaces: store.Define(store.Schema[Interface]{Table: "ec2_network_interfaces", Index: map[string]func(Interface) string{
			"vpc": func(i Interface) string { return i.VPC }, "subnet": func(i Interface) string { return i.Subnet },
		}}),
		tags:     store.Define(store.Schema[Tags]{Table: "ec2_tags"}),
		openings: store.Define(store.Schema[Opening]{Table: "ec2_openings"}),
	}}
}

// Tables are for the migration at start; the network's own are Records.Tables.
func (s *Service) Tables() []store.Table {
	return []store.Table{s.vpcs, s.subnets, s.tables, s.gateways, s.nats, s.addresses, s.groups, s.interfaces, s.tags, s.openings}
}
