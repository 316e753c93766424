package ec2

import (
	"context"
	"reflect"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Handlers is the whole surface of the service. An operation that is not listed
// is refused by name.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		change(ec2.CreateVpc, s.createVPC),
		change(ec2.CreateDefaultVpc, s.createDefaultVPC),
		read(ec2.DescribeVpcs, s.describeVPCs),
		read(ec2.DescribeVpcAttribute, s.describeVPCAttribute),
		change(ec2.ModifyVpcAttribute, s.modifyVPCAttribute),
		change(ec2.AssociateVpcCidrBlock, s.associateVPCBlock),
		change(ec2.DisassociateVpcCidrBlock, s.disassociateVPCBlock),
		change(ec2.DeleteVpc, s.deleteVPC),
		change(ec2.CreateSubnet, s.createSubnet),
		read(ec2.DescribeSubnets, s.describeSubnets),
		change(ec2.ModifySubnetAttribute, s.modifySubnetAttribute),
		change(ec2.DeleteSubnet, s.deleteSubnet),
		change(ec2.CreateRouteTable, s.createRouteTable),
		read(ec2.DescribeRouteTables, s.describeRouteTables),
		change(ec2.AssociateRouteTable, s.associateRouteTable),
		change(ec2.ReplaceRouteTableAssociation, s.replaceRouteTableAssociation),
		change(ec2.DisassociateRouteTable, s.disassociateRouteTable),
		change(ec2.DeleteRouteTable, s.deleteRouteTable),
		change(ec2.CreateRoute, s.createRoute),
		change(ec2.ReplaceRoute, s.replaceRoute),
		change(ec2.DeleteRoute, s.deleteRoute),
		change(ec2.CreateInternetGateway, s.createGateway),
		read(ec2.DescribeInternetGateways, s.describeGateways),
		change(ec2.AttachInternetGateway, s.attachGateway),
		change(ec2.DetachInternetGateway, s.detachGateway),
		change(ec2.DeleteInternetGateway, s.deleteGateway),
		change(ec2.CreateNatGateway, s.createNAT),
		read(ec2.DescribeNatGateways, s.describeNATs),
		change(ec2.DeleteNatGateway, s.deleteNAT),
		change(ec2.AllocateAddress, s.allocateAddress),
		read(ec2.DescribeAddresses, s.describeAddresses),
		read(ec2.DescribeAddressesAttribute, s.addressesAttribute),
		change(ec2.AssociateAddress, s.associateAddress),
		change(ec2.DisassociateAddress, s.disassociateAddress),
		change(ec2.ReleaseAddress, s.releaseAddress),
		change(ec2.CreateSecurityGroup, s.createGroup),
		read(ec2.DescribeSecurityGroups, s.describeGroups),
		read(ec2.DescribeSecurityGroupReferences, s.groupReferences),
		change(ec2.DeleteSecurityGroup, s.deleteGroup),
		change(ec2.AuthorizeSecurityGroupIngress, s.authorizeIngress),
		change(ec2.AuthorizeSecurityGroupEgress, s.authorizeEgress),
		change(ec2.RevokeSecurityGroupIngress, s.revokeIngress),
		change(ec2.RevokeSecurityGroupEgress, s.revokeEgress),
		read(ec2.DescribeSecurityGroupRules, s.describeRules),
		change(ec2.ModifySecurityGroupRules, s.modifyRules),
		change(ec2.UpdateSecurityGroupRuleDescriptionsIngress, s.redescribeIngress),
		change(ec2.UpdateSecurityGroupRuleDescriptionsEgress, s.redescribeEgress),
		change(ec2.CreateNetworkInterface, s.createInterface),
		read(ec2.DescribeNetworkInterfaces, s.describeInterfaces),
		read(ec2.DescribeNetworkInterfaceAttribute, s.interfaceAttribute),
		change(ec2.ModifyNetworkInterfaceAttribute, s.modifyInterface),
		change(ec2.DeleteNetworkInterface, s.deleteInterface),
		change(ec2.CreateTags, s.createTags),
		change(ec2.DeleteTags, s.deleteTags),
		read(ec2.DescribeTags, s.describeTags),
		read(ec2.DescribeAvailabilityZones, s.describeZones),
		read(ec2.DescribeRegions, s.describeRegions),
		read(ec2.DescribeAccountAttributes, s.accountAttributes),
		read(ec2.DescribeNetworkAcls, s.describeACLs),
		read(ec2.DescribeDhcpOptions, s.describeDHCPOptions),
		read(ec2.DescribePrefixLists, s.describePrefixLists),
		read(ec2.DescribeManagedPrefixLists, s.describeManagedPrefixLists),
		read(ec2.DescribeVpcEndpoints, s.describeEndpoints),
	}
}

func read[I, O any](o op.Op[I, O], f func(context.Context, store.Reader, op.Caller, *I) (*O, error)) op.Handler {
	return op.Read(o, nil, func(ctx context.Context, r store.Reader, c op.Caller, in *I) (*O, error) {
		if isDryRun(in) {
			return nil, new(dryRun)
		}
		return f(ctx, r, c, in)
	}).With(region)
}

func change[I, O any](o op.Op[I, O], f func(context.Context, store.Tx, op.Caller, *I) (*O, error)) op.Handler {
	arns := func(c op.Caller, in *I) []string { return resources(c, o.Name, in) }
	return op.Change(o, arns, func(ctx context.Context, tx store.Tx, c op.Caller, in *I) (*O, error) {
		if isDryRun(in) {
			return nil, new(dryRun)
		}
		return f(ctx, tx, c, in)
	}).With(region)
}

// region is EC2's own name of aws:RequestedRegion.
var region = op.Key{Name: "ec2:Region", Values: func(c op.Caller, _ any) []string { return []string{c.Region} }}

// isDryRun asks for the member that nearly every input has.
func isDryRun(in any) bool {
	f := reflect.ValueOf(in).Elem().FieldByName("DryRun")
	return f.IsValid() && !f.IsNil() && f.Elem().Bool()
}

// made are the kinds of what the Create operations make; policies are asked about these, too.
var made = map[string]string{
	"CreateVpc": "vpc", "CreateSubnet": "subnet", "CreateRouteTable": "route-table", "CreateInternetGateway": "internet-gateway", "CreateNatGateway": "natgateway",
	"AllocateAddress": "elastic-ip", "CreateSecurityGroup": "security-group", "CreateNetworkInterface": "network-interface",
}

// named are the members by which inputs name one resource, or several.
var named = []string{"VpcId", "SubnetId", "RouteTableId", "InternetGatewayId", "NatGatewayId", "AllocationId", "GroupId", "NetworkInterfaceId", "Groups", "Resources"}

// resources are the ARNs that a policy is asked about: of what the input names
// and of what the operation makes. None: "*".
func resources(c op.Caller, operation string, in any) (arns []string) {
	if kind, ok := made[operation]; ok {
		arns = append(arns, arn.New("ec2", c.Region, c.Account, kind+"/*"))
	}
	v := reflect.ValueOf(in).Elem()
	for _, name := range named {
		var ids []string
		if f := v.FieldByName(name); f.IsValid() {
			switch x := f.Interface().(type) {
			case *string:
				ids = append(ids, op.Val(x))
			case []string:
				ids = x
			}
		}
		for _, id := range ids {
			if kind := kindOf(id); kind != "" {
				arns = append(arns, arn.New("ec2", c.Region, c.Account, kind+"/"+id))
			}
		}
	}
	return arns
}
