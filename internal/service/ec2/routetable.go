package ec2

import (
	"context"
	"slices"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// RouteTable is the routes of the subnets associated with it. The main one serves
// those without an association.
type RouteTable struct {
	ID, VPC         string
	IsMain          bool
	MainAssociation string
	Routes          []Route
}

func (s *Service) putTable(ctx context.Context, tx store.Tx, d store.Doc[RouteTable]) error {
	if err := save(ctx, tx, s.tables, d); err != nil {
		return err
	}
	r := network.RouteTable{ID: d.Value.ID, VPC: d.Value.VPC}
	for _, x := range d.Value.Routes {
		r.Routes = append(r.Routes, network.Route{To: x.To, By: x.By, Via: x.Via})
	}
	return must(s.d.Records.PutTable(ctx, tx, r))
}

func (s *Service) tableToChange(ctx context.Context, tx store.Tx, scope store.Scope, id string) (store.Doc[RouteTable], error) {
	if err := s.open(ctx, tx, scope); err != nil {
		return store.Doc[RouteTable]{}, err
	}
	return find(ctx, tx, s.tables, scope, id, noTable(id))
}

func (s *Service) createRouteTable(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.CreateRouteTableInput) (*ec2.CreateRouteTableOutput, error) {
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	v, err := find(ctx, tx, s.vpcs, c.Scope, op.Val(in.VpcId), noVPC(op.Val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	t := RouteTable{ID: newID(c, "rtb", ""), VPC: v.Key}
	if err := s.putTable(ctx, tx, store.Doc[RouteTable]{Scope: c.Scope, Key: t.ID, Value: t}); err != nil {
		return nil, err
	}
	if err := s.setTags(ctx, tx, c, t.ID, in.TagSpecifications); err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, tx, c.Scope, t.ID)
	if err != nil {
		return nil, err
	}
	out := ec2.RouteTable{RouteTableId: &t.ID, VpcId: &t.VPC, OwnerId: &c.Account, Routes: t.routes(v.Value.Blocks, nil), Tags: apiTags(tags.Value.Tags), Associations: []ec2.RouteTableAssociation{}, PropagatingVgws: []ec2.PropagatingVgw{}}
	return &ec2.CreateRouteTableOutput{RouteTable: &out, ClientToken: in.ClientToken}, nil
}

func associated() *ec2.RouteTableAssociationState {
	return &ec2.RouteTableAssociationState{State: new("associated")}
}

func (s *Service) describeRouteTables(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeRouteTablesInput) (*ec2.DescribeRouteTablesOutput, error) {
	all, err := listed(ctx, s, r, s.tables, c.Scope, func(d defaults) []RouteTable { return []RouteTable{d.table} })
	if err != nil {
		return nil, err
	}
	vpcs, err := listed(ctx, s, r, s.vpcs, c.Scope, func(d defaults) []VPC { return []VPC{d.vpc} })
	if err != nil {
		return nil, err
	}
	subnets, err := values(ctx, r, s.subnets, c.Scope, "")
	if err != nil {
		return nil, err
	}
	tags, err := s.allTags(ctx, r, c.Scope)
	if err != nil {
		return nil, err
	}
	lives, err := s.targets(ctx, r, c.Scope)
	if err != nil {
		return nil, err
	}
	shown := map[string]ec2.RouteTable{}
	for _, t := range all {
		a := ec2.RouteTable{RouteTableId: &t.ID, VpcId: &t.VPC, OwnerId: &c.Account, Tags: apiTags(tags[t.ID]), Associations: []ec2.RouteTableAssociation{}, PropagatingVgws: []ec2.PropagatingVgw{}}
		if i := slices.IndexFunc(vpcs, func(v VPC) bool { return v.ID == t.VPC }); i >= 0 {
			a.Routes = t.routes(vpcs[i].Blocks, lives)
		}
		if t.IsMain {
			a.Associations = append(a.Associations, ec2.RouteTableAssociation{Main: new(true), RouteTableAssociationId: &t.MainAssociation, RouteTableId: &t.ID, AssociationState: associated()})
		}
		for _, sub := range subnets {
			if sub.Table == t.ID {
				a.Associations = append(a.Associations, ec2.RouteTableAssociation{Main: new(false), RouteTableAssociationId: &sub.Association, RouteTableId: &t.ID, SubnetId: &sub.ID, AssociationState: associated()})
			}
		}
		shown[t.ID] = a
	}
	found, next, err := answer(question{in.RouteTableIds, in.Filters, in.MaxResults, in.NextToken}, all, func(t RouteTable) string { return t.ID }, func(t RouteTable) facets {
		return tableFacets(shown[t.ID], c.Account).with(tags[t.ID])
	}, noTable)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeRouteTablesOutput{NextToken: next, RouteTables: []ec2.RouteTable{}}
	for _, t := range found {
		out.RouteTables = append(out.RouteTables, shown[t.ID])
	}
	return out, nil
}

func tableFacets(a ec2.RouteTable, account string) facets {
	f := facets{
		"route-table-id": {op.Val(a.RouteTableId)}, "vpc-id": {op.Val(a.VpcId)}, "owner-id": {account}, "association.main": nil, "association.subnet-id": nil,
		"association.route-table-association-id": nil, "association.route-table-id": nil, "association.gateway-id": nil,
		"route.destination-cidr-block": nil, "route.gateway-id": nil, "route.nat-gateway-id": nil, "route.state": nil, "route.origin": nil,
		"route.destination-ipv6-cidr-block": nil, "route.destination-prefix-list-id": nil, "route.instance-id": nil, "route.transit-gateway-id": nil, "route.vpc-peering-connection-id": nil,
	}
	put := func(name string, v *string) {
		if v != nil {
			f[name] = append(f[name], *v)
		}
	}
	for _, x := range a.Associations {
		f["association.main"] = append(f["association.main"], truth(*x.Main)...)
		put("association.subnet-id", x.SubnetId)
		put("association.route-table-association-id", x.RouteTableAssociationId)
		put("association.route-table-id", x.RouteTableId)
	}
	for _, x := range a.Routes {
		put("route.destination-cidr-block", x.DestinationCidrBlock)
		put("route.gateway-id", x.GatewayId)
		put("route.nat-gateway-id", x.NatGatewayId)
		put("route.state", x.State)
		put("route.origin", x.Origin)
	}
	return f
}

// targets tells which routes lead to something that is there.
func (s *Service) targets(ctx context.Context, r store.Reader, scope store.Scope) (func(Route) bool, error) {
	gateways, err := listed(ctx, s, r, s.gateways, scope, func(d defaults) []Gateway { return []Gateway{d.gateway} })
	if err != nil {
		return nil, err
	}
	nats, err := values(ctx, r, s.nats, scope, "")
	if err != nil {
		return nil, err
	}
	interfaces, err := values(ctx, r, s.interfaces, scope, "")
	if err != nil {
		return nil, err
	}
	is := map[string]bool{}
	for _, g := range gateways {
		is[g.ID] = g.VPC != ""
	}
	for _, n := range nats {
		is[n.ID] = n.State == natPending || n.State == natAvailable
	}
	for _, i := range interfaces {
		is[i.ID] = true
	}
	return func(r Route) bool { return is[r.Via] }, nil
}

func (s *Service) associateRouteTable(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.AssociateRouteTableInput) (*ec2.AssociateRouteTableOutput, error) {
	if in.GatewayId != nil {
		return nil, refused("Edge associations (GatewayId) are not supported")
	}
	if in.SubnetId == nil {
		return nil, missing("subnetId")
	}
	t, err := s.tableToChange(ctx, tx, c.Scope, op.Val(in.RouteTableId))
	if err != nil {
		return nil, err
	}
	sub, err := find(ctx, tx, s.subnets, c.Scope, *in.SubnetId, noSubnet(*in.SubnetId))
	if err != nil {
		return nil, err
	}
	if sub.Value.VPC != t.Value.VPC {
		return nil, invalid("route table %s and subnet %s belong to different networks", t.Key, sub.Key)
	}
	if sub.Value.Table == t.Key {
		return &ec2.AssociateRouteTableOutput{AssociationId: &sub.Value.Association, AssociationState: associated()}, nil
	}
	if sub.Value.Table != "" {
		return nil, fail("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", t.Key)
	}
	sub.Value.Table, sub.Value.Association = t.Key, newID(c, "rtbassoc", "")
	return &ec2.AssociateRouteTableOutput{AssociationId: &sub.Value.Association, AssociationState: associated()}, s.putSubnet(ctx, tx, sub, VPC{})
}

// association finds a subnet by its explicit association.
func (s *Service) association(ctx context.Context, tx store.Tx, scope store.Scope, id string) (store.Doc[Subnet], error) {
	docs, err := s.subnets.List(ctx, tx, scope, store.Query{})
	if err != nil {
		return store.Doc[Subnet]{}, err
	}
	for _, d := range docs {
		if d.Value.Association == id {
			return d, nil
		}
	}
	return store.Doc[Subnet]{}, noAssociation(id)
}

func (s *Service) disassociateRouteTable(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DisassociateRouteTableInput) (*ec2.DisassociateRouteTableOutput, error) {
	if main, err := s.mainBy(ctx, tx, c.Scope, op.Val(in.AssociationId)); err != nil {
		return nil, err
	} else if main.Key != "" {
		return nil, invalid("cannot disassociate the main route table association %s", op.Val(in.AssociationId))
	}
	sub, err := s.association(ctx, tx, c.Scope, op.Val(in.AssociationId))
	if err != nil {
		return nil, err
	}
	v, err := find(ctx, tx, s.vpcs, c.Scope, sub.Value.VPC, noVPC(sub.Value.VPC))
	if err != nil {
		return nil, err
	}
	sub.Value.Table, sub.Value.Association = "", ""
	return &ec2.DisassociateRouteTableOutput{}, s.putSubnet(ctx, tx, sub, v.Value)
}

// mainBy finds the main table that has the association; Key "" where none has.
func (s *Service) mainBy(ctx context.Context, r store.Reader, scope store.Scope, association string) (store.Doc[RouteTable], error) {
	docs, err := s.tables.List(ctx, r, scope, store.Query{})
	if err != nil {
		return store.Doc[RouteTable]{}, err
	}
	for _, d := range docs {
		if d.Value.IsMain && d.Value.MainAssociation == association {
			return d, nil
		}
	}
	return store.Doc[RouteTable]{}, nil
}

func (s *Service) replaceRouteTableAssociation(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.ReplaceRouteTableAssociationInput) (*ec2.ReplaceRouteTableAssociationOutput, error) {
	t, err := s.tableToChange(ctx, tx, c.Scope, op.Val(in.RouteTableId))
	if err != nil {
		return nil, err
	}
	id := newID(c, "rtbassoc", "")
	out := &ec2.ReplaceRouteTableAssociationOutput{NewAssociationId: &id, AssociationState: associated()}
	old, err := s.mainBy(ctx, tx, c.Scope, op.Val(in.AssociationId))
	if err != nil {
		return nil, err
	}
	if old.Key != "" {
		return out, s.replaceMain(ctx, tx, old, t, id)
	}
	sub, err := s.association(ctx, tx, c.Scope, op.Val(in.AssociationId))
	if err != nil {
		return nil, err
	}
	if sub.Value.VPC != t.Value.VPC {
		return nil, invalid("route table %s and subnet %s belong to different networks", t.Key, sub.Key)
	}
	sub.Value.Table, sub.Value.Association = t.Key, id
	return out, s.putSubnet(ctx, tx, sub, VPC{})
}

// replaceMain makes another table the main one: the subnets without an association follow.
func (s *Service) replaceMain(ctx context.Context, tx store.Tx, old, t store.Doc[RouteTable], association string) error {
	if old.Value.VPC != t.Value.VPC {
		return invalid("route tables %s and %s belong to different networks", old.Key, t.Key)
	}
	v, err := find(ctx, tx, s.vpcs, t.Scope, t.Value.VPC, noVPC(t.Value.VPC))
	if err != nil {
		return err
	}
	if old.Key != t.Key {
		old.Value.IsMain, old.Value.MainAssociation = false, ""
		if err := s.putTable(ctx, tx, old); err != nil {
			return err
		}
	}
	t.Value.IsMain, t.Value.MainAssociation = true, association
	if err := s.putTable(ctx, tx, t); err != nil {
		return err
	}
	v.Value.Table = t.Key
	if err := s.putVPC(ctx, tx, v); err != nil {
		return err
	}
	subnets, err := s.subnets.List(ctx, tx, t.Scope, store.Query{Index: "vpc", Equal: v.Key})
	if err != nil {
		return err
	}
	for _, sub := range subnets {
		if sub.Value.Table == "" {
			if err := s.putSubnet(ctx, tx, sub, v.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) deleteRouteTable(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DeleteRouteTableInput) (*ec2.DeleteRouteTableOutput, error) {
	d, err := s.tableToChange(ctx, tx, c.Scope, op.Val(in.RouteTableId))
	if err != nil {
		return nil, err
	}
	subnets, err := values(ctx, tx, s.subnets, c.Scope, d.Value.VPC)
	if err != nil {
		return nil, err
	}
	if d.Value.IsMain || slices.ContainsFunc(subnets, func(x Subnet) bool { return x.Table == d.Key }) {
		return nil, depends("routeTable", d.Key)
	}
	if err := must(s.d.Records.DeleteTable(ctx, tx, d.Key)); err != nil {
		return nil, err
	}
	if err := s.untag(ctx, tx, c.Scope, d.Key); err != nil {
		return nil, err
	}
	return &ec2.DeleteRouteTableOutput{}, drop(ctx, tx, s.tables, d)
}
