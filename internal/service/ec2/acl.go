package ec2

import (
	"context"
	"slices"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// lastRule is the number of the rule that AWS shows as *.
const lastRule = 32767

// describeACLs shows each VPC's default ACL, which allows everything; others cannot be made.
func (s *Service) describeACLs(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeNetworkAclsInput) (*ec2.DescribeNetworkAclsOutput, error) {
	vpcs, err := listed(ctx, s, r, s.vpcs, c.Scope, func(d defaults) []VPC { return []VPC{d.vpc} })
	if err != nil {
		return nil, err
	}
	subnets, err := listed(ctx, s, r, s.subnets, c.Scope, func(d defaults) []Subnet { return d.subnets })
	if err != nil {
		return nil, err
	}
	tags, err := s.allTags(ctx, r, c.Scope)
	if err != nil {
		return nil, err
	}
	in4 := func(v VPC) []Subnet {
		return slices.DeleteFunc(slices.Clone(subnets), func(x Subnet) bool { return x.VPC != v.ID })
	}
	found, next, err := answer(question{in.NetworkAclIds, in.Filters, in.MaxResults, in.NextToken}, vpcs, func(v VPC) string { return v.ACL }, func(v VPC) facets {
		f := facets{"network-acl-id": {v.ACL}, "vpc-id": {v.ID}, "default": {"true"}, "owner-id": {c.Account}, "association.subnet-id": nil, "association.association-id": nil, "association.network-acl-id": {v.ACL}}
		for _, x := range in4(v) {
			f["association.subnet-id"] = append(f["association.subnet-id"], x.ID)
			f["association.association-id"] = append(f["association.association-id"], x.ACLAssociation)
		}
		return f.with(tags[v.ACL])
	}, func(id string) *op.Error {
		return fail("InvalidNetworkAclID.NotFound", "The networkAcl ID '%s' does not exist", id)
	})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeNetworkAclsOutput{NextToken: next, NetworkAcls: []ec2.NetworkAcl{}}
	for _, v := range found {
		a := ec2.NetworkAcl{NetworkAclId: &v.ACL, VpcId: &v.ID, IsDefault: new(true), OwnerId: &c.Account, Tags: apiTags(tags[v.ACL]), Associations: []ec2.NetworkAclAssociation{}}
		for _, egress := range []bool{true, false} {
			a.Entries = append(a.Entries,
				ec2.NetworkAclEntry{CidrBlock: new("0.0.0.0/0"), Egress: &egress, Protocol: new("-1"), RuleAction: new("allow"), RuleNumber: new(int32(100))},
				ec2.NetworkAclEntry{CidrBlock: new("0.0.0.0/0"), Egress: &egress, Protocol: new("-1"), RuleAction: new("deny"), RuleNumber: new(int32(lastRule))})
		}
		for _, x := range in4(v) {
			a.Associations = append(a.Associations, ec2.NetworkAclAssociation{NetworkAclAssociationId: &x.ACLAssociation, NetworkAclId: &v.ACL, SubnetId: &x.ID})
		}
		out.NetworkAcls = append(out.NetworkAcls, a)
	}
	return out, nil
}

// dhcpOptions is the account's one set: Amazon's resolver and domain name.
func dhcpOptions(account string) string { return ids.Resource("dopt", account) }

func (s *Service) describeDHCPOptions(_ context.Context, _ store.Reader, c op.Caller, in *ec2.DescribeDhcpOptionsInput) (*ec2.DescribeDhcpOptionsOutput, error) {
	domain := c.Region + ".compute.internal"
	if c.Region == "us-east-1" {
		domain = "ec2.internal"
	}
	found, next, err := answer(question{in.DhcpOptionsIds, in.Filters, in.MaxResults, in.NextToken}, []string{dhcpOptions(c.Account)}, func(id string) string { return id }, func(id string) facets {
		return facets{"dhcp-options-id": {id}, "owner-id": {c.Account}, "key": {"domain-name", "domain-name-servers"}, "value": {domain, "AmazonProvidedDNS"}}
	}, func(id string) *op.Error {
		return fail("InvalidDhcpOptionID.NotFound", "The dhcpOption ID '%s' does not exist", id)
	})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeDhcpOptionsOutput{NextToken: next, DhcpOptions: []ec2.DhcpOptions{}}
	for _, id := range found {
		out.DhcpOptions = append(out.DhcpOptions, ec2.DhcpOptions{DhcpOptionsId: &id, OwnerId: &c.Account, DhcpConfigurations: []ec2.DhcpConfiguration{
			{Key: new("domain-name"), Values: []ec2.AttributeValue{{Value: &domain}}},
			{Key: new("domain-name-servers"), Values: []ec2.AttributeValue{{Value: new("AmazonProvidedDNS")}}},
		}})
	}
	return out, nil
}
