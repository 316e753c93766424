package ec2

import (
	"context"
	"net/netip"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Address is an Elastic IP address.
type Address struct {
	Allocation, Association, Interface string
	Public                             netip.Addr
}

func (s *Service) allocateAddress(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.AllocateAddressInput) (*ec2.AllocateAddressOutput, error) {
	if in.Address != nil || in.CustomerOwnedIpv4Pool != nil || in.IpamPoolId != nil || op.Or(in.PublicIpv4Pool, "amazon") != "amazon" {
		return nil, refused("Addresses come from Amazon's pool only")
	}
	a := Address{Allocation: newID(c, "eipalloc", "")}
	var err error
	if a.Public, err = s.d.Records.TakePublic(ctx, tx, a.Allocation); err != nil {
		return nil, err
	}
	if err := add(ctx, tx, s.addresses, c.Scope, a.Allocation, a); err != nil {
		return nil, err
	}
	if err := s.setTags(ctx, tx, c, a.Allocation, in.TagSpecifications); err != nil {
		return nil, err
	}
	return &ec2.AllocateAddressOutput{
		AllocationId: &a.Allocation, PublicIp: new(a.Public.String()), Domain: new("vpc"), PublicIpv4Pool: new("amazon"), NetworkBorderGroup: &c.Region,
	}, nil
}

func (s *Service) describeAddresses(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeAddressesInput) (*ec2.DescribeAddressesOutput, error) {
	all, err := values(ctx, r, s.addresses, c.Scope, "")
	if err != nil {
		return nil, err
	}
	tags, err := s.allTags(ctx, r, c.Scope)
	if err != nil {
		return nil, err
	}
	shown := map[string]ec2.Address{}
	for _, a := range all {
		if shown[a.Allocation], err = s.showAddress(ctx, r, c, a, tags[a.Allocation]); err != nil {
			return nil, err
		}
	}
	filters := in.Filters
	if len(in.PublicIps) > 0 {
		filters = append(filters, ec2.Filter{Name: new("public-ip"), Values: in.PublicIps})
	}
	found, _, err := answer(question{ids: in.AllocationIds, filters: filters}, all, func(a Address) string { return a.Allocation }, func(a Address) facets {
		x := shown[a.Allocation]
		return facets{
			"allocation-id": {a.Allocation}, "association-id": {a.Association}, "public-ip": {a.Public.String()}, "domain": {"vpc"}, "network-interface-id": {a.Interface},
			"private-ip-address": {op.Val(x.PrivateIpAddress)}, "instance-id": nil, "network-border-group": {c.Region}, "network-interface-owner-id": {op.Val(x.NetworkInterfaceOwnerId)},
		}.with(tags[a.Allocation])
	}, noAllocation)
	if err != nil {
		return nil, err
	}
	if len(in.PublicIps) > 0 && len(found) < len(in.PublicIps) {
		return nil, fail("InvalidAddress.NotFound", "Address '%s' not found.", in.PublicIps[0])
	}
	out := &ec2.DescribeAddressesOutput{Addresses: []ec2.Address{}}
	for _, a := range found {
		out.Addresses = append(out.Addresses, shown[a.Allocation])
	}
	return out, nil
}

func (s *Service) showAddress(ctx context.Context, r store.Reader, c op.Caller, a Address, tags map[string]string) (ec2.Address, error) {
	out := ec2.Address{
		AllocationId: &a.Allocation, PublicIp: new(a.Public.String()), Domain: new("vpc"), PublicIpv4Pool: new("amazon"), NetworkBorderGroup: &c.Region,
		AssociationId: op.Opt(a.Association), NetworkInterfaceId: op.Opt(a.Interface), Tags: apiTags(tags),
	}
	if a.Interface == "" {
		return out, nil
	}
	i, err := find(ctx, r, s.interfaces, c.Scope, a.Interface, noInterface(a.Interface))
	if err != nil {
		return out, err
	}
	out.PrivateIpAddress, out.NetworkInterfaceOwnerId = new(i.Value.Address.String()), &c.Account
	return out, nil
}

func (s *Service) addressesAttribute(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeAddressesAttributeInput) (*ec2.DescribeAddressesAttributeOutput, error) {
	all, err := values(ctx, r, s.addresses, c.Scope, "")
	if err != nil {
		return nil, err
	}
	found, next, err := answer(question{in.AllocationIds, nil, in.MaxResults, in.NextToken}, all, func(a Address) string { return a.Allocation }, func(Address) facets { return nil }, noAllocation)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeAddressesAttributeOutput{NextToken: next, Addresses: []ec2.AddressAttribute{}}
	for _, a := range found {
		out.Addresses = append(out.Addresses, ec2.AddressAttribute{AllocationId: &a.Allocation, PublicIp: new(a.Public.String())})
	}
	return out, nil
}

// address finds one by allocation id or public address.
func (s *Service) address(ctx context.Context, r store.Reader, scope store.Scope, allocation, public *string) (store.Doc[Address], error) {
	if allocation != nil {
		return find(ctx, r, s.addresses, scope, *allocation, noAllocation(*allocation))
	}
	if public == nil {
		return store.Doc[Address]{}, missing("allocationId")
	}
	docs, err := s.addresses.List(ctx, r, scope, store.Query{})
	if err != nil {
		return store.Doc[Address]{}, err
	}
	for _, d := range docs {
		if d.Value.Public.String() == *public {
			return d, nil
		}
	}
	return store.Doc[Address]{}, fail("InvalidAddress.NotFound", "Address '%s' not found.", *public)
}

func (s *Service) associateAddress(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.AssociateAddressInput) (*ec2.AssociateAddressOutput, error) {
	a, err := s.address(ctx, tx, c.Scope, in.AllocationId, in.PublicIp)
	if err != nil {
		return nil, err
	}
	if in.InstanceId != nil {
		return nil, refused("Instances are not supported: give NetworkInterfaceId")
	}
	if in.NetworkInterfaceId == nil {
		return nil, missing("networkInterfaceId")
	}
	i, err := find(ctx, tx, s.interfaces, c.Scope, *in.NetworkInterfaceId, noInterface(*in.NetworkInterfaceId))
	if err != nil {
		return nil, err
	}
	gateways, err := values(ctx, tx, s.gateways, c.Scope, i.Value.VPC)
	if err != nil {
		return nil, err
	}
	if len(gateways) == 0 {
		return nil, fail("Gateway.NotAttached", "Network %s is not attached to any internet gateway", i.Value.VPC)
	}
	if a.Value.Interface == i.Key {
		return &ec2.AssociateAddressOutput{AssociationId: &a.Value.Association}, nil
	}
	if (a.Value.Interface != "" || i.Value.Allocation != "") && !op.Or(in.AllowReassociation, true) {
		return nil, fail("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", a.Key, a.Value.Association)
	}
	if err := s.looseAddress(ctx, tx, &a); err != nil {
		return nil, err
	}
	if err := s.looseInterface(ctx, tx, &i); err != nil {
		return nil, err
	}
	a.Value.Interface, a.Value.Association = i.Key, newID(c, "eipassoc", "")
	i.Value.Public, i.Value.Allocation, i.Value.Association = a.Value.Public, a.Key, a.Value.Association
	if err := save(ctx, tx, s.addresses, a); err != nil {
		return nil, err
	}
	return &ec2.AssociateAddressOutput{AssociationId: &a.Value.Association}, s.putInterface(ctx, tx, i)
}

// looseAddress takes the address from the interface that has it.
func (s *Service) looseAddress(ctx context.Context, tx store.Tx, a *store.Doc[Address]) error {
	if a.Value.Interface == "" {
		return nil
	}
	i, err := find(ctx, tx, s.interfaces, a.Scope, a.Value.Interface, noInterface(a.Value.Interface))
	if err != nil {
		return err
	}
	i.Value.Public, i.Value.Allocation, i.Value.Association = netip.Addr{}, "", ""
	a.Value.Interface, a.Value.Association = "", ""
	return s.putInterface(ctx, tx, i)
}

// looseInterface makes room for another public address.
func (s *Service) looseInterface(ctx context.Context, tx store.Tx, i *store.Doc[Interface]) error {
	if !i.Value.Public.IsValid() {
		return nil
	}
	if i.Value.Allocation == "" {
		return s.d.Records.ReturnPublic(ctx, tx, i.Value.Public)
	}
	old, err := find(ctx, tx, s.addresses, i.Scope, i.Value.Allocation, noAllocation(i.Value.Allocation))
	if err != nil {
		return err
	}
	old.Value.Interface, old.Value.Association = "", ""
	return save(ctx, tx, s.addresses, old)
}

func (s *Service) disassociateAddress(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DisassociateAddressInput) (*ec2.DisassociateAddressOutput, error) {
	docs, err := s.addresses.List(ctx, tx, c.Scope, store.Query{})
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		if d.Value.Association == "" || d.Value.Association != op.Val(in.AssociationId) && d.Value.Public.String() != op.Val(in.PublicIp) {
			continue
		}
		i, err := find(ctx, tx, s.interfaces, c.Scope, d.Value.Interface, noInterface(d.Value.Interface))
		if err != nil {
			return nil, err
		}
		if i.Value.Requester == natService {
			return nil, fail("AuthFailure", "You do not have permission to access the specified resource.")
		}
		if err := s.looseAddress(ctx, tx, &d); err != nil {
			return nil, err
		}
		return &ec2.DisassociateAddressOutput{}, save(ctx, tx, s.addresses, d)
	}
	return nil, noAssociation(op.Val(in.AssociationId))
}

func (s *Service) releaseAddress(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.ReleaseAddressInput) (*ec2.ReleaseAddressOutput, error) {
	d, err := s.address(ctx, tx, c.Scope, in.AllocationId, in.PublicIp)
	if err != nil {
		return nil, err
	}
	if d.Value.Interface != "" {
		return nil, fail("InvalidIPAddress.InUse", "Address %s is in use.", d.Value.Public)
	}
	if err := s.d.Records.ReturnPublic(ctx, tx, d.Value.Public); err != nil {
		return nil, err
	}
	if err := s.untag(ctx, tx, c.Scope, d.Key); err != nil {
		return nil, err
	}
	return &ec2.ReleaseAddressOutput{}, drop(ctx, tx, s.addresses, d)
}
