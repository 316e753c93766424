package ec2_test

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
)

func TestConditionKeysDecide(t *testing.T) {
	t.Parallel()
	c := open(t)
	tagged := func(kind string) []api.TagSpecification {
		return []api.TagSpecification{{ResourceType: &kind, Tags: []api.Tag{{Key: new("team"), Value: new("a")}}}}
	}
	vpc := call(c, api.CreateVpc, api.CreateVpcInput{CidrBlock: new("10.9.0.0/16"), TagSpecifications: tagged("vpc")}).Vpc.VpcId
	subnet := call(c, api.CreateSubnet, api.CreateSubnetInput{VpcId: vpc, CidrBlock: new("10.9.1.0/24"), TagSpecifications: tagged("subnet")}).Subnet.SubnetId
	group := call(c, api.CreateSecurityGroup, api.CreateSecurityGroupInput{VpcId: vpc, GroupName: new("g"), Description: new("d"), TagSpecifications: tagged("security-group")}).GroupId
	table := call(c, api.CreateRouteTable, api.CreateRouteTableInput{VpcId: vpc, TagSpecifications: tagged("route-table")}).RouteTable.RouteTableId
	eni := call(c, api.CreateNetworkInterface, api.CreateNetworkInterfaceInput{SubnetId: subnet, TagSpecifications: tagged("network-interface")}).NetworkInterface.NetworkInterfaceId

	e := dispatchtest.Enforce(t, c.DB, c.service)
	const prefix = "arn:aws:ec2:us-east-1:100000000001:"
	modifySubnet := dispatchtest.Asking(t, e, api.ModifySubnetAttribute, &api.ModifySubnetAttributeInput{SubnetId: subnet, MapPublicIpOnLaunch: &api.AttributeBooleanValue{Value: new(true)}})
	modifyVPC := dispatchtest.Asking(t, e, api.ModifyVpcAttribute, &api.ModifyVpcAttributeInput{VpcId: vpc, EnableDnsSupport: &api.AttributeBooleanValue{Value: new(true)}})
	revoke := dispatchtest.Asking(t, e, api.UpdateSecurityGroupRuleDescriptionsEgress, &api.UpdateSecurityGroupRuleDescriptionsEgressInput{
		GroupId: group, IpPermissions: []api.IpPermission{{IpProtocol: new("-1"), IpRanges: []api.IpRange{{CidrIp: new("0.0.0.0/0"), Description: new("all")}}}},
	})
	modifyENI := dispatchtest.Asking(t, e, api.ModifyNetworkInterfaceAttribute, &api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: eni, Description: &api.AttributeValue{Value: new("d")}})
	deleteTags := dispatchtest.Asking(t, e, api.DeleteTags, &api.DeleteTagsInput{Resources: []string{*table}, Tags: []api.Tag{{Key: new("none")}}})
	for _, key := range []string{"aws:ResourceTag/team", "ec2:ResourceTag/team"} {
		e.Decides(t, key, "a", modifySubnet)
		e.Decides(t, key, "a", modifyVPC)
		e.Decides(t, key, "a", revoke)
		e.Decides(t, key, "a", modifyENI)
		e.Decides(t, key, "a", deleteTags)
	}
	e.Decides(t, "ec2:Vpc", prefix+"vpc/"+*vpc, revoke)
	e.Decides(t, "ec2:Vpc", prefix+"vpc/"+*vpc, modifySubnet)
	e.Decides(t, "ec2:Vpc", prefix+"vpc/"+*vpc, deleteTags)
	e.Decides(t, "ec2:Vpc", prefix+"vpc/"+*vpc, modifyENI)
	e.Decides(t, "ec2:Subnet", prefix+"subnet/"+*subnet, modifyENI)
	e.Decides(t, "ec2:SubnetID", *subnet, modifySubnet)
	e.Decides(t, "ec2:VpcID", *vpc, modifyVPC)
	e.Decides(t, "ec2:Region", "us-east-1", dispatchtest.Asking(t, e, api.DescribeVpcs, &api.DescribeVpcsInput{}))
	e.Decides(t, "aws:RequestTag/team", "b", dispatchtest.Asking(t, e, api.CreateInternetGateway, &api.CreateInternetGatewayInput{
		TagSpecifications: []api.TagSpecification{{ResourceType: new("internet-gateway"), Tags: []api.Tag{{Key: new("team"), Value: new("b")}}}},
	}))
}
