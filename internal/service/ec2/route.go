package ec2

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Route is one besides the local ones, which every table has.
type Route struct {
	To  netip.Prefix
	By  network.Target
	Via string
}

// asked are the targets that a request for a route may name.
type asked struct {
	cidr, ipv6, list                                                *string
	gateway, nat, eni, instance, peering, transit, endpoint, others *string
}

// route reads a request.
func (s *Service) route(ctx context.Context, r store.Reader, scope store.Scope, table RouteTable, a asked) (Route, error) {
	var route Route
	to, err := destination(a)
	if err != nil {
		return route, err
	}
	route.To = to
	switch {
	case a.gateway != nil:
		route.By, route.Via = network.ToGateway, *a.gateway
		g, err := find(ctx, r, s.gateways, scope, route.Via, noGateway(route.Via))
		if err != nil {
			return route, err
		}
		if g.Value.VPC != table.VPC {
			return route, invalid("route table %s and network gateway %s belong to different networks", table.ID, route.Via)
		}
	case a.nat != nil:
		route.By, route.Via = network.ToNAT, *a.nat
		n, err := find(ctx, r, s.nats, scope, route.Via, fail("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", route.Via))
		if err != nil {
			return route, err
		}
		if n.Value.VPC != table.VPC {
			return route, invalid("route table %s and NAT gateway %s belong to different networks", table.ID, route.Via)
		}
	case a.eni != nil:
		route.By, route.Via = network.ToInterface, *a.eni
		i, err := find(ctx, r, s.interfaces, scope, route.Via, noInterface(route.Via))
		if err != nil {
			return route, err
		}
		if i.Value.VPC != table.VPC {
			return route, invalid("route table %s and interface %s belong to different networks", table.ID, route.Via)
		}
	case a.instance != nil, a.peering != nil, a.transit != nil, a.endpoint != nil, a.others != nil:
		return route, refused("Routes lead to internet gateways, NAT gateways and network interfaces; other targets are not supported")
	default:
		return route, fail("InvalidParameterCombination", "Either a gateway, a NAT gateway, a network interface, a VPC peering connection or an instance must be specified")
	}
	return route, nil
}

func destination(a asked) (netip.Prefix, error) {
	if a.cidr == nil {
		if a.ipv6 != nil || a.list != nil {
			return netip.Prefix{}, refused("Only IPv4 destinations (DestinationCidrBlock) are supported")
		}
		return netip.Prefix{}, missing("destinationCidrBlock")
	}
	to, err := netip.ParsePrefix(*a.cidr)
	if err != nil || !to.Addr().Is4() {
		return to, invalid("Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.", *a.cidr)
	}
	return to.Masked(), nil
}

func (s *Service) createRoute(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.CreateRouteInput) (*ec2.CreateRouteOutput, error) {
	d, err := s.tableToChange(ctx, tx, c.Scope, op.Val(in.RouteTableId))
	if err != nil {
		return nil, err
	}
	route, err := s.route(ctx, tx, c.Scope, d.Value, asked{
		in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId,
		in.GatewayId, in.NatGatewayId, in.NetworkInterfaceId, in.InstanceId, in.VpcPeeringConnectionId, in.TransitGatewayId, in.VpcEndpointId,
		cmp.Or(in.EgressOnlyInternetGatewayId, in.LocalGatewayId, in.CarrierGatewayId, in.CoreNetworkArn),
	})
	if err != nil {
		return nil, err
	}
	v, err := find(ctx, tx, s.vpcs, c.Scope, d.Value.VPC, noVPC(d.Value.VPC))
	if err != nil {
		return nil, err
	}
	isLocal := slices.ContainsFunc(v.Value.Blocks, func(b Block) bool { return b.CIDR == route.To })
	if i := d.Value.at(route.To); i >= 0 || isLocal {
		if i >= 0 && d.Value.Routes[i] == route {
			return &ec2.CreateRouteOutput{Return: new(true)}, nil
		}
		return nil, fail("RouteAlreadyExists", "The route identified by %s already exists.", route.To)
	}
	d.Value.Routes = append(d.Value.Routes, route)
	return &ec2.CreateRouteOutput{Return: new(true)}, s.putTable(ctx, tx, d)
}

// at is the route's place in the table, -1 where it is not.
func (t RouteTable) at(to netip.Prefix) int {
	return slices.IndexFunc(t.Routes, func(r Route) bool { return r.To == to })
}

func noRoute(table string, to netip.Prefix) *op.Error {
	return fail("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", to, table)
}

func (s *Service) replaceRoute(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.ReplaceRouteInput) (*ec2.ReplaceRouteOutput, error) {
	d, err := s.tableToChange(ctx, tx, c.Scope, op.Val(in.RouteTableId))
	if err != nil {
		return nil, err
	}
	route, err := s.route(ctx, tx, c.Scope, d.Value, asked{
		in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId,
		in.GatewayId, in.NatGatewayId, in.NetworkInterfaceId, in.InstanceId, in.VpcPeeringConnectionId, in.TransitGatewayId, in.VpcEndpointId,
		cmp.Or(in.EgressOnlyInternetGatewayId, in.LocalGatewayId, in.CarrierGatewayId, in.CoreNetworkArn),
	})
	if err != nil {
		return nil, err
	}
	i := d.Value.at(route.To)
	if i < 0 {
		return nil, noRoute(d.Key, route.To)
	}
	d.Value.Routes[i] = route
	return &ec2.ReplaceRouteOutput{}, s.putTable(ctx, tx, d)
}

func (s *Service) deleteRoute(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DeleteRouteInput) (*ec2.DeleteRouteOutput, error) {
	d, err := s.tableToChange(ctx, tx, c.Scope, op.Val(in.RouteTableId))
	if err != nil {
		return nil, err
	}
	to, err := destination(asked{cidr: in.DestinationCidrBlock, ipv6: in.DestinationIpv6CidrBlock, list: in.DestinationPrefixListId})
	if err != nil {
		return nil, err
	}
	i := d.Value.at(to)
	if i < 0 {
		v, err := find(ctx, tx, s.vpcs, c.Scope, d.Value.VPC, noVPC(d.Value.VPC))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(v.Value.Blocks, func(b Block) bool { return b.CIDR == to }) {
			return nil, invalid("cannot remove local route %s in route table %s", to, d.Key)
		}
		return nil, noRoute(d.Key, to)
	}
	d.Value.Routes = slices.Delete(d.Value.Routes, i, i+1)
	return &ec2.DeleteRouteOutput{}, s.putTable(ctx, tx, d)
}

// routes are a table's as AWS shows them: the local ones first; a route whose
// target is gone is a blackhole.
func (t RouteTable) routes(blocks []Block, lives func(Route) bool) (out []ec2.Route) {
	for _, b := range blocks {
		out = append(out, ec2.Route{DestinationCidrBlock: new(b.CIDR.String()), GatewayId: new("local"), Origin: new("CreateRouteTable"), State: new("active")})
	}
	for _, r := range t.Routes {
		a := ec2.Route{DestinationCidrBlock: new(r.To.String()), Origin: new("CreateRoute"), State: new("active")}
		if !lives(r) {
			a.State = new("blackhole")
		}
		switch r.By {
		case network.ToGateway:
			a.GatewayId = &r.Via
		case network.ToNAT:
			a.NatGatewayId = &r.Via
		case network.ToInterface:
			a.NetworkInterfaceId = &r.Via
		}
		out = append(out, a)
	}
	return out
}
