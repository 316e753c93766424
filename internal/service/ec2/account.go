package ec2

import (
	"context"
	"slices"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) accountAttributes(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeAccountAttributesInput) (*ec2.DescribeAccountAttributesOutput, error) {
	vpcs, err := listed(ctx, s, r, s.vpcs, c.Scope, func(d defaults) []VPC { return []VPC{d.vpc} })
	if err != nil {
		return nil, err
	}
	standard := "none"
	for _, v := range vpcs {
		if v.IsDefault {
			standard = v.ID
		}
	}
	out := &ec2.DescribeAccountAttributesOutput{AccountAttributes: []ec2.AccountAttribute{}}
	for _, a := range [][2]string{
		{"supported-platforms", "VPC"}, {"default-vpc", standard}, {"vpc-max-security-groups-per-interface", "5"}, {"vpc-max-elastic-ips", "5"}, {"max-elastic-ips", "5"}, {"max-instances", "0"},
	} {
		if len(in.AttributeNames) == 0 || slices.Contains(in.AttributeNames, a[0]) {
			out.AccountAttributes = append(out.AccountAttributes, ec2.AccountAttribute{AttributeName: &a[0], AttributeValues: []ec2.AccountAttributeValue{{AttributeValue: &a[1]}}})
		}
	}
	return out, nil
}

// prefixLists are those of the services that AWS has gateway endpoints for. They have
// no addresses of their own here: AWS is one address inside.
func prefixLists(region string) (out [][2]string) {
	for _, service := range []string{"s3", "dynamodb"} {
		name := "com.amazonaws." + region + "." + service
		out = append(out, [2]string{ids.Resource("pl", name), name})
	}
	return out
}

func noPrefixList(id string) *op.Error {
	return fail("InvalidPrefixListId.NotFound", "The prefix list ID '%s' does not exist", id)
}

func (s *Service) describePrefixLists(_ context.Context, _ store.Reader, c op.Caller, in *ec2.DescribePrefixListsInput) (*ec2.DescribePrefixListsOutput, error) {
	found, next, err := answer(question{in.PrefixListIds, in.Filters, in.MaxResults, in.NextToken}, prefixLists(c.Region), func(p [2]string) string { return p[0] }, func(p [2]string) facets {
		return facets{"prefix-list-id": {p[0]}, "prefix-list-name": {p[1]}}
	}, noPrefixList)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribePrefixListsOutput{NextToken: next, PrefixLists: []ec2.PrefixList{}}
	for _, p := range found {
		out.PrefixLists = append(out.PrefixLists, ec2.PrefixList{PrefixListId: &p[0], PrefixListName: &p[1], Cidrs: []string{"198.18.0.1/32"}})
	}
	return out, nil
}

func (s *Service) describeManagedPrefixLists(_ context.Context, _ store.Reader, c op.Caller, in *ec2.DescribeManagedPrefixListsInput) (*ec2.DescribeManagedPrefixListsOutput, error) {
	found, next, err := answer(question{in.PrefixListIds, in.Filters, in.MaxResults, in.NextToken}, prefixLists(c.Region), func(p [2]string) string { return p[0] }, func(p [2]string) facets {
		return facets{"prefix-list-id": {p[0]}, "prefix-list-name": {p[1]}, "owner-id": {"AWS"}}
	}, noPrefixList)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeManagedPrefixListsOutput{NextToken: next, PrefixLists: []ec2.ManagedPrefixList{}}
	for _, p := range found {
		out.PrefixLists = append(out.PrefixLists, ec2.ManagedPrefixList{
			PrefixListId: &p[0], PrefixListName: &p[1], AddressFamily: new("IPv4"), OwnerId: new("AWS"), State: new("create-complete"), PrefixListArn: new(arn.New("ec2", c.Region, "aws", "prefix-list/"+p[0])),
		})
	}
	return out, nil
}

// describeEndpoints: none can be made.
func (s *Service) describeEndpoints(_ context.Context, _ store.Reader, _ op.Caller, in *ec2.DescribeVpcEndpointsInput) (*ec2.DescribeVpcEndpointsOutput, error) {
	if len(in.VpcEndpointIds) > 0 {
		return nil, fail("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '%s' does not exist", in.VpcEndpointIds[0])
	}
	return &ec2.DescribeVpcEndpointsOutput{VpcEndpoints: []ec2.VpcEndpoint{}}, nil
}
