package ec2

import (
	"context"
	"net/netip"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// VPC is a private network.
type VPC struct {
	ID                       string
	Blocks                   []Block
	DNSSupport, DNSHostnames bool
	IsDefault                bool
	Tenancy                  string
	Table, Group, ACL        string // the main route table, the default group and ACL
}

// Block is an address range of a VPC.
type Block struct {
	CIDR        netip.Prefix
	Association string
}

func (s *Service) putVPC(ctx context.Context, tx store.Tx, d store.Doc[VPC]) error {
	if err := save(ctx, tx, s.vpcs, d); err != nil {
		return err
	}
	r := network.VPC{ID: d.Value.ID, DNSSupport: d.Value.DNSSupport, DNSHostnames: d.Value.DNSHostnames}
	for _, b := range d.Value.Blocks {
		r.CIDRs = append(r.CIDRs, b.CIDR)
	}
	return must(s.d.Records.PutVPC(ctx, tx, r))
}

// parseBlock reads a CIDR of a VPC or subnet, between /16 and /28, and cuts host bits off as AWS does.
func parseBlock(text, rangeCode string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() {
		return p, invalid("Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", text)
	}
	if p.Bits() < 16 || p.Bits() > 28 {
		return p, fail(rangeCode, "The CIDR '%s' is invalid.", text)
	}
	return p.Masked(), nil
}

func (s *Service) createVPC(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.CreateVpcInput) (*ec2.CreateVpcOutput, error) {
	switch {
	case op.Val(in.AmazonProvidedIpv6CidrBlock), in.Ipv6CidrBlock != nil, in.Ipv6Pool != nil, in.Ipv6IpamPoolId != nil:
		return nil, refused("IPv6 is not supported in VPCs")
	case in.Ipv4IpamPoolId != nil:
		return nil, refused("IPAM pools are not supported: give CidrBlock")
	case in.CidrBlock == nil:
		return nil, missing("cidrBlock")
	}
	cidr, err := parseBlock(*in.CidrBlock, "InvalidVpc.Range")
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	v := VPC{
		ID: newID(c, "vpc", ""), Blocks: []Block{{cidr, newID(c, "vpc-cidr-assoc", "")}}, DNSSupport: true, Tenancy: op.Val(in.InstanceTenancy),
		Table: newID(c, "rtb", ""), Group: newID(c, "sg", ""), ACL: newID(c, "acl", ""),
	}
	table := RouteTable{ID: v.Table, VPC: v.ID, IsMain: true, MainAssociation: newID(c, "rtbassoc", "")}
	group := defaultGroup(v, newID(c, "sgr", "in"), newID(c, "sgr", "out"))
	if err := s.putVPC(ctx, tx, store.Doc[VPC]{Scope: c.Scope, Key: v.ID, Value: v}); err != nil {
		return nil, err
	}
	if err := s.putTable(ctx, tx, store.Doc[RouteTable]{Scope: c.Scope, Key: table.ID, Value: table}); err != nil {
		return nil, err
	}
	if err := s.putGroup(ctx, tx, store.Doc[Group]{Scope: c.Scope, Key: group.ID, Value: group}); err != nil {
		return nil, err
	}
	if err := s.setTags(ctx, tx, c, v.ID, in.TagSpecifications); err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, tx, c.Scope, v.ID)
	if err != nil {
		return nil, err
	}
	out := v.api(c.Account, tags.Value.Tags)
	out.State = new("pending")
	return &ec2.CreateVpcOutput{Vpc: out}, nil
}

func (v VPC) api(account string, tags map[string]string) *ec2.Vpc {
	out := &ec2.Vpc{
		VpcId: &v.ID, OwnerId: &account, State: new("available"), IsDefault: &v.IsDefault, DhcpOptionsId: new(dhcpOptions(account)),
		InstanceTenancy: new("default"), Tags: apiTags(tags), BlockPublicAccessStates: &ec2.BlockPublicAccessStates{InternetGatewayBlockMode: new("off")},
	}
	if v.Tenancy != "" {
		out.InstanceTenancy = &v.Tenancy
	}
	for i, b := range v.Blocks {
		if i == 0 {
			out.CidrBlock = new(b.CIDR.String())
		}
		out.CidrBlockAssociationSet = append(out.CidrBlockAssociationSet, b.api())
	}
	return out
}

func (b Block) api() ec2.VpcCidrBlockAssociation {
	return ec2.VpcCidrBlockAssociation{AssociationId: &b.Association, CidrBlock: new(b.CIDR.String()), CidrBlockState: &ec2.VpcCidrBlockState{State: new("associated")}}
}

func (s *Service) createDefaultVPC(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.CreateDefaultVpcInput) (*ec2.CreateDefaultVpcOutput, error) {
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	all, err := values(ctx, tx, s.vpcs, c.Scope, "")
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		if v.IsDefault {
			return nil, fail("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")
		}
	}
	d := makeDefaults(c.Scope, "/"+newID(c, "vpc", ""))
	if err := s.writeDefaults(ctx, tx, c.Scope, d); err != nil {
		return nil, err
	}
	return &ec2.CreateDefaultVpcOutput{Vpc: d.vpc.api(c.Account, nil)}, nil
}

func (s *Service) describeVPCs(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeVpcsInput) (*ec2.DescribeVpcsOutput, error) {
	all, err := listed(ctx, s, r, s.vpcs, c.Scope, func(d defaults) []VPC { return []VPC{d.vpc} })
	if err != nil {
		return nil, err
	}
	tags, err := s.allTags(ctx, r, c.Scope)
	if err != nil {
		return nil, err
	}
	found, next, err := answer(question{in.VpcIds, in.Filters, in.MaxResults, in.NextToken}, all, func(v VPC) string { return v.ID }, func(v VPC) facets {
		f := facets{
			"vpc-id": {v.ID}, "state": {"available"}, "is-default": truth(v.IsDefault), "isDefault": truth(v.IsDefault), "owner-id": {c.Account}, "dhcp-options-id": {dhcpOptions(c.Account)},
			"cidr": nil, "cidr-block": nil, "cidrBlock": nil, "cidr-block-association.cidr-block": nil, "cidr-block-association.association-id": nil, "cidr-block-association.state": {"associated"},
		}
		for i, b := range v.Blocks {
			if i == 0 {
				f["cidr"], f["cidr-block"], f["cidrBlock"] = []string{b.CIDR.String()}, []string{b.CIDR.String()}, []string{b.CIDR.String()}
			}
			f["cidr-block-association.cidr-block"] = append(f["cidr-block-association.cidr-block"], b.CIDR.String())
			f["cidr-block-association.association-id"] = append(f["cidr-block-association.association-id"], b.Association)
		}
		return f.with(tags[v.ID])
	}, noVPC)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVpcsOutput{NextToken: next, Vpcs: []ec2.Vpc{}}
	for _, v := range found {
		out.Vpcs = append(out.Vpcs, *v.api(c.Account, tags[v.ID]))
	}
	return out, nil
}

// vpc finds a VPC, a default one that is not written down too.
func (s *Service) vpc(ctx context.Context, r store.Reader, scope store.Scope, id string) (store.Doc[VPC], error) {
	if is, err := s.isOpen(ctx, r, scope); err != nil {
		return store.Doc[VPC]{}, err
	} else if d := makeDefaults(scope, ""); !is && d.vpc.ID == id {
		return store.Doc[VPC]{Scope: scope, Key: id, Value: d.vpc}, nil
	}
	return find(ctx, r, s.vpcs, scope, id, noVPC(id))
}

func (s *Service) describeVPCAttribute(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeVpcAttributeInput) (*ec2.DescribeVpcAttributeOutput, error) {
	d, err := s.vpc(ctx, r, c.Scope, op.Val(in.VpcId))
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVpcAttributeOutput{VpcId: in.VpcId}
	switch op.Val(in.Attribute) {
	case "enableDnsSupport":
		out.EnableDnsSupport = &ec2.AttributeBooleanValue{Value: &d.Value.DNSSupport}
	case "enableDnsHostnames":
		out.EnableDnsHostnames = &ec2.AttributeBooleanValue{Value: &d.Value.DNSHostnames}
	default:
		out.EnableNetworkAddressUsageMetrics = &ec2.AttributeBooleanValue{Value: new(false)}
	}
	return out, nil
}

func (s *Service) modifyVPCAttribute(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.ModifyVpcAttributeInput) (*ec2.ModifyVpcAttributeOutput, error) {
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	d, err := find(ctx, tx, s.vpcs, c.Scope, op.Val(in.VpcId), noVPC(op.Val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	if in.EnableDnsSupport != nil {
		d.Value.DNSSupport = op.Val(in.EnableDnsSupport.Value)
	}
	if in.EnableDnsHostnames != nil {
		d.Value.DNSHostnames = op.Val(in.EnableDnsHostnames.Value)
	}
	if in.EnableNetworkAddressUsageMetrics != nil && op.Val(in.EnableNetworkAddressUsageMetrics.Value) {
		return nil, refused("Network address usage metrics are not supported")
	}
	return &ec2.ModifyVpcAttributeOutput{}, s.putVPC(ctx, tx, d)
}

func (s *Service) associateVPCBlock(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.AssociateVpcCidrBlockInput) (*ec2.AssociateVpcCidrBlockOutput, error) {
	d, err := find(ctx, tx, s.vpcs, c.Scope, op.Val(in.VpcId), noVPC(op.Val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	if in.CidrBlock == nil {
		return nil, refused("Only IPv4 CidrBlock is supported")
	}
	cidr, err := parseBlock(*in.CidrBlock, "InvalidVpc.Range")
	if err != nil {
		return nil, err
	}
	for _, b := range d.Value.Blocks {
		if b.CIDR.Overlaps(cidr) {
			return nil, fail("InvalidVpc.Range", "The CIDR '%s' conflicts with a CIDR of the VPC", cidr)
		}
	}
	b := Block{cidr, newID(c, "vpc-cidr-assoc", "more")}
	d.Value.Blocks = append(d.Value.Blocks, b)
	return &ec2.AssociateVpcCidrBlockOutput{VpcId: in.VpcId, CidrBlockAssociation: new(b.api())}, s.putVPC(ctx, tx, d)
}

func (s *Service) disassociateVPCBlock(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DisassociateVpcCidrBlockInput) (*ec2.DisassociateVpcCidrBlockOutput, error) {
	docs, err := s.vpcs.List(ctx, tx, c.Scope, store.Query{})
	if err != nil {
		return nil, err
	}
	id := op.Val(in.AssociationId)
	for _, d := range docs {
		for i, b := range d.Value.Blocks {
			if b.Association != id {
				continue
			}
			if i == 0 {
				return nil, fail("OperationNotPermitted", "The vpc CIDR block with association ID %s may not be disassociated. It is the primary IPv4 CIDR block of the VPC", id)
			}
			subnets, err := values(ctx, tx, s.subnets, c.Scope, d.Key)
			if err != nil {
				return nil, err
			}
			for _, sub := range subnets {
				if b.CIDR.Overlaps(sub.CIDR) {
					return nil, fail("InvalidCidrBlock.InUse", "The vpc %s currently has a subnet within CIDR block %s", d.Key, b.CIDR)
				}
			}
			d.Value.Blocks = append(d.Value.Blocks[:i:i], d.Value.Blocks[i+1:]...)
			out := b.api()
			out.CidrBlockState.State = new("disassociating")
			return &ec2.DisassociateVpcCidrBlockOutput{VpcId: &d.Key, CidrBlockAssociation: &out}, s.putVPC(ctx, tx, d)
		}
	}
	return nil, fail("InvalidVpcCidrBlockAssociationID.NotFound", "The vpc CIDR block with association ID '%s' does not exist", id)
}

func (s *Service) deleteVPC(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DeleteVpcInput) (*ec2.DeleteVpcOutput, error) {
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	id := op.Val(in.VpcId)
	d, err := find(ctx, tx, s.vpcs, c.Scope, id, noVPC(id))
	if err != nil {
		return nil, err
	}
	busy, err := s.vpcHas(ctx, tx, c.Scope, d.Value)
	if err != nil {
		return nil, err
	}
	if busy {
		return nil, depends("vpc", id)
	}
	table, err := find(ctx, tx, s.tables, c.Scope, d.Value.Table, noTable(d.Value.Table))
	if err != nil {
		return nil, err
	}
	group, err := find(ctx, tx, s.groups, c.Scope, d.Value.Group, noGroup(d.Value.Group))
	if err != nil {
		return nil, err
	}
	if err := drop(ctx, tx, s.tables, table); err != nil {
		return nil, err
	}
	if err := drop(ctx, tx, s.groups, group); err != nil {
		return nil, err
	}
	for _, gone := range []string{id, table.Key, group.Key, d.Value.ACL} {
		if err := s.untag(ctx, tx, c.Scope, gone); err != nil {
			return nil, err
		}
	}
	if err := must(s.d.Records.DeleteTable(ctx, tx, table.Key)); err != nil {
		return nil, err
	}
	if err := must(s.d.Records.DeleteGroup(ctx, tx, group.Key)); err != nil {
		return nil, err
	}
	if err := must(s.d.Records.DeleteVPC(ctx, tx, id)); err != nil {
		return nil, err
	}
	return &ec2.DeleteVpcOutput{}, drop(ctx, tx, s.vpcs, d)
}

// vpcHas tells whether anything but what was made with it lies in the VPC.
func (s *Service) vpcHas(ctx context.Context, r store.Reader, scope store.Scope, v VPC) (bool, error) {
	subnets, err := values(ctx, r, s.subnets, scope, v.ID)
	if err != nil || len(subnets) > 0 {
		return true, err
	}
	gateways, err := values(ctx, r, s.gateways, scope, v.ID)
	if err != nil || len(gateways) > 0 {
		return true, err
	}
	tables, err := values(ctx, r, s.tables, scope, v.ID)
	if err != nil || len(tables) > 1 {
		return true, err
	}
	groups, err := values(ctx, r, s.groups, scope, v.ID)
	return len(groups) > 1, err
}
