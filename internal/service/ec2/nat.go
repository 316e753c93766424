package ec2

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// NatGateway is a NAT gateway; what it is in the network is the record of its id.
type NatGateway struct {
	ID, VPC, Subnet, Zone       string
	Interface                   string
	Private, Public             netip.Addr
	Allocation, Association     string
	State                       string
	FailureCode, FailureMessage string
	CreatedAt, DeletedAt        time.Time
	Number                      uint64 // of the network's records, that must be in force next
	Token                       string
}

// natService is what NAT gateways' interfaces are requested by.
const natService = "ec2.amazonaws.com"

func (s *Service) createNAT(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.CreateNatGatewayInput) (*ec2.CreateNatGatewayOutput, error) {
	switch {
	case op.Or(in.ConnectivityType, "public") != "public":
		return nil, refused("Private NAT gateways are not supported")
	case len(in.SecondaryAllocationIds) > 0, len(in.SecondaryPrivateIpAddresses) > 0, op.Val(in.SecondaryPrivateIpAddressCount) > 0, op.Or(in.AvailabilityMode, "zonal") != "zonal":
		return nil, refused("Secondary addresses and regional NAT gateways are not supported")
	case in.SubnetId == nil:
		return nil, missing("subnetId")
	case in.AllocationId == nil:
		return nil, missing("AllocationId")
	}
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	if old, err := s.natByToken(ctx, tx, c, in.ClientToken); err != nil || old != nil {
		return old, err
	}
	sub, err := find(ctx, tx, s.subnets, c.Scope, *in.SubnetId, noSubnet(*in.SubnetId))
	if err != nil {
		return nil, err
	}
	a, err := find(ctx, tx, s.addresses, c.Scope, *in.AllocationId, noAllocation(*in.AllocationId))
	if err != nil {
		return nil, err
	}
	if a.Value.Interface != "" {
		return nil, fail("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", a.Key, a.Value.Association)
	}
	n := NatGateway{
		ID: newID(c, "nat", ""), VPC: sub.Value.VPC, Subnet: sub.Key, Zone: sub.Value.Zone, Public: a.Value.Public, Allocation: a.Key,
		State: natPending, CreatedAt: s.d.Clock.Now(), Token: op.Val(in.ClientToken),
	}
	gateways, err := values(ctx, tx, s.gateways, c.Scope, n.VPC)
	if err != nil {
		return nil, err
	}
	if len(gateways) == 0 {
		n.State, n.FailureCode, n.FailureMessage = natFailed, "Gateway.NotAttached", "Network "+n.VPC+" has no Internet gateway attached"
	} else if err := s.placeNAT(ctx, tx, c, &n, sub, a, op.Val(in.PrivateIpAddress)); err != nil {
		return nil, err
	}
	if err := add(ctx, tx, s.nats, c.Scope, n.ID, n); err != nil {
		return nil, err
	}
	if err := s.setTags(ctx, tx, c, n.ID, in.TagSpecifications); err != nil {
		return nil, err
	}
	if err := s.sendNAT(ctx, tx, c.Scope, n.ID, natCreated); err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, tx, c.Scope, n.ID)
	if err != nil {
		return nil, err
	}
	return &ec2.CreateNatGatewayOutput{NatGateway: new(n.api(tags.Value.Tags)), ClientToken: in.ClientToken}, nil
}

// natByToken finds what the same request made before.
func (s *Service) natByToken(ctx context.Context, r store.Reader, c op.Caller, token *string) (*ec2.CreateNatGatewayOutput, error) {
	if op.Val(token) == "" {
		return nil, nil
	}
	all, err := values(ctx, r, s.nats, c.Scope, "")
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if n.Token == *token {
			return &ec2.CreateNatGatewayOutput{NatGateway: new(n.api(nil)), ClientToken: token}, nil
		}
	}
	return nil, nil
}

// placeNAT gives it its interface and address, and writes the record.
func (s *Service) placeNAT(ctx context.Context, tx store.Tx, c op.Caller, n *NatGateway, sub store.Doc[Subnet], a store.Doc[Address], wanted string) error {
	private, err := s.chooseAddress(ctx, tx, sub, wanted)
	if err != nil {
		return err
	}
	n.Private, n.Interface, n.Association = private, newID(c, "eni", "nat"), newID(c, "eipassoc", "nat")
	a.Value.Interface, a.Value.Association = n.Interface, n.Association
	if err := save(ctx, tx, s.addresses, a); err != nil {
		return err
	}
	i := Interface{
		ID: n.Interface, VPC: n.VPC, Subnet: n.Subnet, Zone: n.Zone, Kind: network.ForNAT, Address: private, MAC: mac(n.Interface), Description: "Interface for NAT Gateway " + n.ID,
		Requester: natService, Public: n.Public, Allocation: n.Allocation, Association: n.Association, CreatedAt: n.CreatedAt,
	}
	if err := s.putInterface(ctx, tx, store.Doc[Interface]{Scope: c.Scope, Key: i.ID, Value: i}); err != nil {
		return err
	}
	n.Number, err = s.d.Records.PutNAT(ctx, tx, network.NAT{ID: n.ID, VPC: n.VPC, Subnet: n.Subnet, Interface: n.Interface, Public: n.Public})
	return err
}

func (s *Service) sendNAT(ctx context.Context, tx store.Tx, scope store.Scope, id, event string) error {
	err := s.d.Engine.Send(ctx, tx, engine.ID{Scope: scope, Kind: natKind, Key: id}, engine.Event{Name: event, At: s.d.Clock.Now(), Body: json.RawMessage(`{}`)})
	if err != nil {
		return fmt.Errorf("tell NAT gateway %s that it was %s: %w", id, event, err)
	}
	return nil
}

func (n NatGateway) api(tags map[string]string) ec2.NatGateway {
	out := ec2.NatGateway{
		NatGatewayId: &n.ID, VpcId: &n.VPC, SubnetId: &n.Subnet, State: &n.State, ConnectivityType: new("public"), AvailabilityMode: new("zonal"), CreateTime: op.At(n.CreatedAt), DeleteTime: op.At(n.DeletedAt),
		FailureCode: op.Opt(n.FailureCode), FailureMessage: op.Opt(n.FailureMessage), Tags: apiTags(tags),
	}
	a := ec2.NatGatewayAddress{AllocationId: &n.Allocation, IsPrimary: new(true), NetworkInterfaceId: op.Opt(n.Interface), AssociationId: op.Opt(n.Association), Status: new("succeeded")}
	if n.Private.IsValid() {
		a.PrivateIp, a.PublicIp = new(n.Private.String()), new(n.Public.String())
	}
	if n.State == natFailed {
		a.Status = new("failed")
	}
	out.NatGatewayAddresses = []ec2.NatGatewayAddress{a}
	return out
}

func (s *Service) describeNATs(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeNatGatewaysInput) (*ec2.DescribeNatGatewaysOutput, error) {
	all, err := values(ctx, r, s.nats, c.Scope, "")
	if err != nil {
		return nil, err
	}
	tags, err := s.allTags(ctx, r, c.Scope)
	if err != nil {
		return nil, err
	}
	found, next, err := answer(question{in.NatGatewayIds, in.Filter, in.MaxResults, in.NextToken}, all, func(n NatGateway) string { return n.ID }, func(n NatGateway) facets {
		return facets{"nat-gateway-id": {n.ID}, "state": {n.State}, "subnet-id": {n.Subnet}, "vpc-id": {n.VPC}}.with(tags[n.ID])
	}, noNAT)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeNatGatewaysOutput{NextToken: next, NatGateways: []ec2.NatGateway{}}
	for _, n := range found {
		out.NatGateways = append(out.NatGateways, n.api(tags[n.ID]))
	}
	return out, nil
}

func (s *Service) deleteNAT(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DeleteNatGatewayInput) (*ec2.DeleteNatGatewayOutput, error) {
	d, err := find(ctx, tx, s.nats, c.Scope, op.Val(in.NatGatewayId), noNAT(op.Val(in.NatGatewayId)))
	if err != nil {
		return nil, err
	}
	out := &ec2.DeleteNatGatewayOutput{NatGatewayId: &d.Key}
	if d.Value.State == natDeleting || d.Value.State == natDeleted {
		return out, nil
	}
	if d.Value.Interface != "" {
		i, err := find(ctx, tx, s.interfaces, c.Scope, d.Value.Interface, noInterface(d.Value.Interface))
		if err != nil {
			return nil, err
		}
		if err := s.removeInterface(ctx, tx, i); err != nil {
			return nil, err
		}
	}
	if d.Value.Number, err = s.d.Records.DeleteNAT(ctx, tx, d.Key); err != nil {
		return nil, err
	}
	d.Value.State = natDeleting
	if err := save(ctx, tx, s.nats, d); err != nil {
		return nil, err
	}
	return out, s.sendNAT(ctx, tx, c.Scope, d.Key, natRemoved)
}
