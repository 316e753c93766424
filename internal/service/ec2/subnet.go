package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Subnet is a range of a VPC in one zone.
type Subnet struct {
	ID, VPC            string
	CIDR               netip.Prefix
	Zone               string
	IsDefault          bool
	MapsPublic         bool
	Table, Association string // the explicit association with a route table; "" = the main one
	ACLAssociation     string
	HostnameType       string // "" = ip-name
	NameA              bool
}

// putSubnet writes the document and the record, which has the table in effect.
func (s *Service) putSubnet(ctx context.Context, tx store.Tx, d store.Doc[Subnet], v VPC) error {
	if err := save(ctx, tx, s.subnets, d); err != nil {
		return err
	}
	table := d.Value.Table
	if table == "" {
		table = v.Table
	}
	return must(s.d.Records.PutSubnet(ctx, tx, network.Subnet{ID: d.Value.ID, VPC: d.Value.VPC, CIDR: d.Value.CIDR, Table: table}))
}

// reserved addresses: network, router, resolver, AWS's own use, broadcast.
const reserved = 5

func (s *Service) createSubnet(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.CreateSubnetInput) (*ec2.CreateSubnetOutput, error) {
	switch {
	case in.Ipv6CidrBlock != nil, op.Val(in.Ipv6Native), in.Ipv6IpamPoolId != nil:
		return nil, refused("IPv6 is not supported in VPCs")
	case in.OutpostArn != nil, in.Ipv4IpamPoolId != nil:
		return nil, refused("Outposts and IPAM pools are not supported")
	case in.CidrBlock == nil:
		return nil, missing("cidrBlock")
	}
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	id := op.Val(in.VpcId)
	v, err := find(ctx, tx, s.vpcs, c.Scope, id, noVPC(id))
	if err != nil {
		return nil, err
	}
	cidr, err := parseBlock(*in.CidrBlock, "InvalidSubnet.Range")
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(v.Value.Blocks, func(b Block) bool { return b.CIDR.Bits() <= cidr.Bits() && b.CIDR.Contains(cidr.Addr()) }) {
		return nil, fail("InvalidSubnet.Range", "The CIDR '%s' is invalid.", *in.CidrBlock)
	}
	others, err := values(ctx, tx, s.subnets, c.Scope, id)
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		if o.CIDR.Overlaps(cidr) {
			return nil, fail("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", *in.CidrBlock)
		}
	}
	zone, err := chooseZone(c.Region, op.Val(in.AvailabilityZone), op.Val(in.AvailabilityZoneId))
	if err != nil {
		return nil, err
	}
	sub := Subnet{ID: newID(c, "subnet", ""), VPC: id, CIDR: cidr, Zone: zone, ACLAssociation: newID(c, "aclassoc", "")}
	if err := s.putSubnet(ctx, tx, store.Doc[Subnet]{Scope: c.Scope, Key: sub.ID, Value: sub}, v.Value); err != nil {
		return nil, err
	}
	if err := s.setTags(ctx, tx, c, sub.ID, in.TagSpecifications); err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, tx, c.Scope, sub.ID)
	if err != nil {
		return nil, err
	}
	return &ec2.CreateSubnetOutput{Subnet: sub.api(c, 0, tags.Value.Tags)}, nil
}

func (s Subnet) free(used int) int { return 1<<(32-s.CIDR.Bits()) - reserved - used }

func (s Subnet) api(c op.Caller, used int, tags map[string]string) *ec2.Subnet {
	hostname := s.HostnameType
	if hostname == "" {
		hostname = "ip-name"
	}
	return &ec2.Subnet{
		SubnetId: &s.ID, VpcId: &s.VPC, CidrBlock: new(s.CIDR.String()), AvailabilityZone: &s.Zone, AvailabilityZoneId: new(zoneID(s.Zone)),
		AvailableIpAddressCount: new(int32(s.free(used))), DefaultForAz: &s.IsDefault, MapPublicIpOnLaunch: &s.MapsPublic, State: new("available"), OwnerId: &c.Account,
		SubnetArn: new(arn.New("ec2", c.Region, c.Account, "subnet/"+s.ID)), AssignIpv6AddressOnCreation: new(false), EnableDns64: new(false), Ipv6Native: new(false),
		MapCustomerOwnedIpOnLaunch: new(false), Tags: apiTags(tags), BlockPublicAccessStates: &ec2.BlockPublicAccessStates{InternetGatewayBlockMode: new("off")},
		PrivateDnsNameOptionsOnLaunch: &ec2.PrivateDnsNameOptionsOnLaunch{HostnameType: &hostname, EnableResourceNameDnsARecord: &s.NameA, EnableResourceNameDnsAAAARecord: new(false)},
	}
}

func (s *Service) describeSubnets(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeSubnetsInput) (*ec2.DescribeSubnetsOutput, error) {
	all, err := listed(ctx, s, r, s.subnets, c.Scope, func(d defaults) []Subnet { return d.subnets })
	if err != nil {
		return nil, err
	}
	tags, err := s.allTags(ctx, r, c.Scope)
	if err != nil {
		return nil, err
	}
	interfaces, err := values(ctx, r, s.interfaces, c.Scope, "")
	if err != nil {
		return nil, err
	}
	used := map[string]int{}
	for _, i := range interfaces {
		used[i.Subnet]++
	}
	found, next, err := answer(question{in.SubnetIds, in.Filters, in.MaxResults, in.NextToken}, all, func(x Subnet) string { return x.ID }, func(x Subnet) facets {
		free := ""
		if x.CIDR.IsValid() {
			free = strconv.Itoa(x.free(used[x.ID]))
		}
		return facets{
			"subnet-id": {x.ID}, "vpc-id": {x.VPC}, "state": {"available"}, "availability-zone": {x.Zone}, "availabilityZone": {x.Zone}, "availability-zone-id": {zoneID(x.Zone)},
			"cidr": {x.CIDR.String()}, "cidr-block": {x.CIDR.String()}, "cidrBlock": {x.CIDR.String()}, "default-for-az": truth(x.IsDefault), "defaultForAz": truth(x.IsDefault),
			"map-public-ip-on-launch": truth(x.MapsPublic), "owner-id": {c.Account}, "available-ip-address-count": {free}, "subnet-arn": {arn.New("ec2", c.Region, c.Account, "subnet/"+x.ID)},
			"ipv6-native": {"false"}, "enable-dns64": {"false"}, "outpost-arn": nil,
		}.with(tags[x.ID])
	}, noSubnet)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeSubnetsOutput{NextToken: next, Subnets: []ec2.Subnet{}}
	for _, x := range found {
		out.Subnets = append(out.Subnets, *x.api(c, used[x.ID], tags[x.ID]))
	}
	return out, nil
}

func (s *Service) modifySubnetAttribute(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.ModifySubnetAttributeInput) (*ec2.ModifySubnetAttributeOutput, error) {
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	d, err := find(ctx, tx, s.subnets, c.Scope, op.Val(in.SubnetId), noSubnet(op.Val(in.SubnetId)))
	if err != nil {
		return nil, err
	}
	for name, v := range map[string]*ec2.AttributeBooleanValue{
		"AssignIpv6AddressOnCreation": in.AssignIpv6AddressOnCreation, "EnableDns64": in.EnableDns64,
		"EnableResourceNameDnsAAAARecordOnLaunch": in.EnableResourceNameDnsAAAARecordOnLaunch, "MapCustomerOwnedIpOnLaunch": in.MapCustomerOwnedIpOnLaunch,
	} {
		if v != nil && op.Val(v.Value) {
			return nil, refused("%s is not supported", name)
		}
	}
	if in.MapPublicIpOnLaunch != nil {
		d.Value.MapsPublic = op.Val(in.MapPublicIpOnLaunch.Value)
	}
	if in.PrivateDnsHostnameTypeOnLaunch != nil {
		d.Value.HostnameType = *in.PrivateDnsHostnameTypeOnLaunch
	}
	if in.EnableResourceNameDnsARecordOnLaunch != nil {
		d.Value.NameA = op.Val(in.EnableResourceNameDnsARecordOnLaunch.Value)
	}
	return &ec2.ModifySubnetAttributeOutput{}, save(ctx, tx, s.subnets, d)
}

func (s *Service) deleteSubnet(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DeleteSubnetInput) (*ec2.DeleteSubnetOutput, error) {
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	id := op.Val(in.SubnetId)
	d, err := find(ctx, tx, s.subnets, c.Scope, id, noSubnet(id))
	if err != nil {
		return nil, err
	}
	used, err := s.interfaces.List(ctx, tx, c.Scope, store.Query{Index: "subnet", Equal: id, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(used) > 0 {
		return nil, depends("subnet", id)
	}
	if err := must(s.d.Records.DeleteSubnet(ctx, tx, id)); err != nil {
		return nil, err
	}
	if err := s.untag(ctx, tx, c.Scope, id); err != nil {
		return nil, err
	}
	return &ec2.DeleteSubnetOutput{}, drop(ctx, tx, s.subnets, d)
}
