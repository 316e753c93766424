package demo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func (s *Stack) makeNetwork(ctx context.Context) error {
	vpc, err := s.aws.EC2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: new("10.10.0.0/16"), TagSpecifications: tagged(types.ResourceTypeVpc, name)})
	if err != nil {
		return wrap(err, "create the VPC")
	}
	s.vpc = *vpc.Vpc.VpcId
	if _, err := s.aws.EC2.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: &s.vpc, EnableDnsHostnames: &types.AttributeBooleanValue{Value: new(true)}}); err != nil {
		return wrap(err, "enable DNS host names")
	}
	for kind, ids := range map[string]*[]string{"public": &s.public, "private": &s.private, "database": &s.database} {
		if *ids, err = s.makeSubnets(ctx, kind); err != nil {
			return err
		}
	}
	gateway, err := s.aws.EC2.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{})
	if err != nil {
		return wrap(err, "create the internet gateway")
	}
	gatewayID := gateway.InternetGateway.InternetGatewayId
	if _, err := s.aws.EC2.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: gatewayID, VpcId: &s.vpc}); err != nil {
		return wrap(err, "attach the internet gateway")
	}
	if err := s.makeRoutes(ctx, "public", s.public, &ec2.CreateRouteInput{GatewayId: gatewayID}); err != nil {
		return err
	}
	address, err := s.aws.EC2.AllocateAddress(ctx, &ec2.AllocateAddressInput{Domain: types.DomainTypeVpc})
	if err != nil {
		return wrap(err, "allocate the NAT gateway's address")
	}
	nat, err := s.aws.EC2.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: &s.public[0], AllocationId: address.AllocationId})
	if err != nil {
		return wrap(err, "create the NAT gateway")
	}
	err = ec2.NewNatGatewayAvailableWaiter(s.aws.EC2, func(o *ec2.NatGatewayAvailableWaiterOptions) { o.MinDelay = waiterDelay }).
		Wait(ctx, &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*nat.NatGateway.NatGatewayId}}, patience)
	if err != nil {
		return wrap(err, "wait for the NAT gateway")
	}
	if err := s.makeRoutes(ctx, "private", s.private, &ec2.CreateRouteInput{NatGatewayId: nat.NatGateway.NatGatewayId}); err != nil {
		return err
	}
	return s.makeRoutes(ctx, "database", s.database, nil)
}

// third is the third number of a kind's first subnet; each zone has the next one.
var third = map[string]int{"public": 0, "private": 10, "database": 20}

func (s *Stack) makeSubnets(ctx context.Context, kind string) ([]string, error) {
	var ids []string
	for zone := range 2 {
		out, err := s.aws.EC2.CreateSubnet(ctx, &ec2.CreateSubnetInput{
			VpcId:             &s.vpc,
			CidrBlock:         new(fmt.Sprintf("10.10.%d.0/24", third[kind]+zone)),
			AvailabilityZone:  new(s.env.Region + string(rune('a'+zone))),
			TagSpecifications: tagged(types.ResourceTypeSubnet, fmt.Sprintf("%s-%s-%d", name, kind, zone+1)),
		})
		if err != nil {
			return nil, wrap(err, "create a %s subnet", kind)
		}
		ids = append(ids, *out.Subnet.SubnetId)
	}
	return ids, nil
}

// makeRoutes makes one table for the subnets; route nil leaves it with the local route only.
func (s *Stack) makeRoutes(ctx context.Context, kind string, subnets []string, route *ec2.CreateRouteInput) error {
	table, err := s.aws.EC2.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: &s.vpc, TagSpecifications: tagged(types.ResourceTypeRouteTable, name+"-"+kind)})
	if err != nil {
		return wrap(err, "create the %s route table", kind)
	}
	id := table.RouteTable.RouteTableId
	if route != nil {
		route.RouteTableId, route.DestinationCidrBlock = id, new("0.0.0.0/0")
		if _, err := s.aws.EC2.CreateRoute(ctx, route); err != nil {
			return wrap(err, "create the %s route", kind)
		}
	}
	for _, subnet := range subnets {
		if _, err := s.aws.EC2.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: id, SubnetId: &subnet}); err != nil {
			return wrap(err, "associate the %s route table", kind)
		}
	}
	return nil
}

func (s *Stack) makeGroups(ctx context.Context) (err error) {
	if s.balancerGroup, err = s.makeGroup(ctx, "balancer", 80, types.IpPermission{IpRanges: []types.IpRange{{CidrIp: new("0.0.0.0/0")}}}); err != nil {
		return err
	}
	if s.appGroup, err = s.makeGroup(ctx, "app", port, types.IpPermission{UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &s.balancerGroup}}}); err != nil {
		return err
	}
	s.databaseGroup, err = s.makeGroup(ctx, "database", 5432, types.IpPermission{UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &s.appGroup}}})
	return err
}

func (s *Stack) makeGroup(ctx context.Context, kind string, port int32, from types.IpPermission) (string, error) {
	group, err := s.aws.EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &s.vpc, GroupName: new(name + "-" + kind), Description: new("core-app " + kind)})
	if err != nil {
		return "", wrap(err, "create the %s security group", kind)
	}
	from.IpProtocol, from.FromPort, from.ToPort = new("tcp"), &port, &port
	_, err = s.aws.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: []types.IpPermission{from}})
	return *group.GroupId, wrap(err, "authorise the %s security group", kind)
}

func tagged(kind types.ResourceType, name string) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: new("Name"), Value: &name}}}}
}
