package ec2

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/store"
)

// Opening marks a region of an account whose default VPC is written down.
type Opening struct{ Done bool }

// defaults is a region's default VPC with what belongs to it.
type defaults struct {
	vpc     VPC
	table   RouteTable
	group   Group
	gateway Gateway
	subnets []Subnet
}

// defaultNumbers keep the third subnet's zone and others apart: 172.31.0.0/20, .16.0/20, .32.0/20.
const defaultSubnetBits = 20

// makeDefaults computes the default VPC; salt tells a remade one from the first.
func makeDefaults(scope store.Scope, salt string) defaults {
	seed := scope.Account + "/" + scope.Region + "/default" + salt
	id := func(prefix, what string) string { return ids.Resource(prefix, seed+"/"+what) }
	cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 31}), 16)
	d := defaults{
		vpc: VPC{
			ID: id("vpc", ""), Blocks: []Block{{cidr, id("vpc-cidr-assoc", "")}}, DNSSupport: true, DNSHostnames: true, IsDefault: true,
			Table: id("rtb", ""), Group: id("sg", ""), ACL: id("acl", ""),
		},
		gateway: Gateway{ID: id("igw", "")},
	}
	d.gateway.VPC = d.vpc.ID
	d.table = RouteTable{ID: d.vpc.Table, VPC: d.vpc.ID, IsMain: true, MainAssociation: id("rtbassoc", ""), Routes: []Route{{To: netip.PrefixFrom(netip.IPv4Unspecified(), 0), By: network.ToGateway, Via: d.gateway.ID}}}
	d.group = defaultGroup(d.vpc, id("sgr", "in"), id("sgr", "out"))
	for i, zone := range zones(scope.Region) {
		base := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 31, byte(i << 4)}), defaultSubnetBits)
		d.subnets = append(d.subnets, Subnet{ID: id("subnet", zone), VPC: d.vpc.ID, CIDR: base, Zone: zone, IsDefault: true, MapsPublic: true, ACLAssociation: id("aclassoc", zone)})
	}
	return d
}

// open writes the region's default VPC down at its first change.
func (s *Service) open(ctx context.Context, tx store.Tx, scope store.Scope) error {
	is, err := s.isOpen(ctx, tx, scope)
	if err != nil || is {
		return err
	}
	if err := add(ctx, tx, s.openings, scope, "region", Opening{true}); err != nil {
		return err
	}
	return s.writeDefaults(ctx, tx, scope, makeDefaults(scope, ""))
}

func (s *Service) isOpen(ctx context.Context, r store.Reader, scope store.Scope) (bool, error) {
	_, err := s.openings.Get(ctx, r, scope, "region")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, fmt.Errorf("read whether the region is open: %w", err)
	}
	return err == nil, nil
}

func (s *Service) writeDefaults(ctx context.Context, tx store.Tx, scope store.Scope, d defaults) error {
	errs := []error{
		s.putVPC(ctx, tx, store.Doc[VPC]{Scope: scope, Key: d.vpc.ID, Value: d.vpc}),
		s.putTable(ctx, tx, store.Doc[RouteTable]{Scope: scope, Key: d.table.ID, Value: d.table}),
		s.putGroup(ctx, tx, store.Doc[Group]{Scope: scope, Key: d.group.ID, Value: d.group}),
		add(ctx, tx, s.gateways, scope, d.gateway.ID, d.gateway),
		must(s.d.Records.PutGateway(ctx, tx, network.Gateway{ID: d.gateway.ID, VPC: d.vpc.ID})),
	}
	for _, sub := range d.subnets {
		errs = append(errs, s.putSubnet(ctx, tx, store.Doc[Subnet]{Scope: scope, Key: sub.ID, Value: sub}, d.vpc))
	}
	return errors.Join(errs...)
}

// listed is values, with a default that is not written down yet.
func listed[T any](ctx context.Context, s *Service, r store.Reader, c store.Collection[T], scope store.Scope, virtual func(defaults) []T) ([]T, error) {
	all, err := values(ctx, r, c, scope, "")
	if err != nil {
		return nil, err
	}
	is, err := s.isOpen(ctx, r, scope)
	if err == nil && !is {
		all = append(all, virtual(makeDefaults(scope, ""))...)
	}
	return all, err
}
