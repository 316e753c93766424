package ec2_test

import (
	"context"
	"errors"
	"testing"

	api "github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/ec2"
	"github.com/penstock-ci/penstock/internal/store"
)

// cloud is the service behind a dispatcher.
type cloud struct {
	*dispatchtest.Dispatcher
	t       *testing.T
	service *ec2.Service
	records *network.Records
	sent    *[]engine.Event
}

// inbox keeps what the engine would turn.
type inbox struct{ sent *[]engine.Event }

func (b inbox) Send(_ context.Context, _ store.Tx, _ engine.ID, e engine.Event) error {
	*b.sent = append(*b.sent, e)
	return nil
}

type obeyed struct{}

func (obeyed) Wait(context.Context, uint64) error { return nil }

func open(t *testing.T) cloud {
	t.Helper()
	tables, up := prepare()
	return up(t, dispatchtest.New(t, tables))
}

// prepare gives the tables that the cloud needs, and what puts it on a dispatcher.
func prepare() ([]store.Table, func(*testing.T, *dispatchtest.Dispatcher) cloud) {
	c := cloud{records: network.NewRecords(), sent: new([]engine.Event)}
	deps := ec2.Deps{Records: c.records, Network: obeyed{}, Engine: inbox{c.sent}, Clock: clock.System{}}
	return append(ec2.New(deps).Tables(), c.records.Tables()...), func(t *testing.T, d *dispatchtest.Dispatcher) cloud {
		t.Helper()
		deps.DB = d.DB
		c.t, c.Dispatcher, c.service = t, d, ec2.New(deps)
		c.Add(t, c.service.Handlers()...)
		return c
	}
}

func call[I, O any](c cloud, o op.Op[I, O], in I) *O {
	c.t.Helper()
	out, err := op.Call(c.t.Context(), c, c.Root(), o, &in)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func code[I, O any](c cloud, o op.Op[I, O], in I) string {
	c.t.Helper()
	_, err := op.Call(c.t.Context(), c, c.Root(), o, &in)
	var e *op.Error
	if !errors.As(err, &e) {
		c.t.Fatalf("%s: %v is no refusal", o.Name, err)
	}
	return e.Code + ": " + e.Message
}

func (c cloud) state() (s network.State) {
	c.t.Helper()
	err := c.DB.View(c.t.Context(), func(ctx context.Context, r store.Reader) (err error) {
		s, err = c.records.State(ctx, r)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, not %v", what, got, want)
	}
}

func TestDefaultVPCIsThereBeforeAndAfterItIsWritten(t *testing.T) {
	t.Parallel()
	c := open(t)
	before := call(c, api.DescribeVpcs, api.DescribeVpcsInput{Filters: []api.Filter{{Name: new("is-default"), Values: []string{"true"}}}})
	same(t, "number of default VPCs", len(before.Vpcs), 1)
	subnets := call(c, api.DescribeSubnets, api.DescribeSubnetsInput{}).Subnets
	same(t, "number of default subnets", len(subnets), 3)
	same(t, "number of free addresses", *subnets[0].AvailableIpAddressCount, 4091)
	call(c, api.ModifySubnetAttribute, api.ModifySubnetAttributeInput{SubnetId: subnets[0].SubnetId, MapPublicIpOnLaunch: &api.AttributeBooleanValue{Value: new(false)}})
	after := call(c, api.DescribeVpcs, api.DescribeVpcsInput{})
	same(t, "number of VPCs", len(after.Vpcs), 1)
	same(t, "the default VPC", *after.Vpcs[0].VpcId, *before.Vpcs[0].VpcId)
	same(t, "recreating it", code(c, api.CreateDefaultVpc, api.CreateDefaultVpcInput{})[:24], "DefaultVpcAlreadyExists:")
	for _, table := range call(c, api.DescribeRouteTables, api.DescribeRouteTablesInput{}).RouteTables {
		same(t, "routes of the main table", len(table.Routes), 2)
		same(t, "state of its default route", *table.Routes[1].State, "active")
	}
}

// stack is what the network of a delivery is made of.
type stack struct{ vpc, public, private, table, gateway, allocation, nat *string }

func (c cloud) build() (s stack) {
	s.vpc = call(c, api.CreateVpc, api.CreateVpcInput{CidrBlock: new("10.10.0.0/16"), TagSpecifications: []api.TagSpecification{{ResourceType: new("vpc"), Tags: []api.Tag{{Key: new("Name"), Value: new("demo")}}}}}).Vpc.VpcId
	s.public = call(c, api.CreateSubnet, api.CreateSubnetInput{VpcId: s.vpc, CidrBlock: new("10.10.0.0/24"), AvailabilityZone: new("us-east-1b")}).Subnet.SubnetId
	s.private = call(c, api.CreateSubnet, api.CreateSubnetInput{VpcId: s.vpc, CidrBlock: new("10.10.1.0/24")}).Subnet.SubnetId
	s.gateway = call(c, api.CreateInternetGateway, api.CreateInternetGatewayInput{}).InternetGateway.InternetGatewayId
	call(c, api.AttachInternetGateway, api.AttachInternetGatewayInput{InternetGatewayId: s.gateway, VpcId: s.vpc})
	s.table = call(c, api.CreateRouteTable, api.CreateRouteTableInput{VpcId: s.vpc}).RouteTable.RouteTableId
	call(c, api.CreateRoute, api.CreateRouteInput{RouteTableId: s.table, DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: s.gateway})
	call(c, api.AssociateRouteTable, api.AssociateRouteTableInput{RouteTableId: s.table, SubnetId: s.public})
	s.allocation = call(c, api.AllocateAddress, api.AllocateAddressInput{Domain: new("vpc")}).AllocationId
	s.nat = call(c, api.CreateNatGateway, api.CreateNatGatewayInput{SubnetId: s.public, AllocationId: s.allocation}).NatGateway.NatGatewayId
	main := call(c, api.DescribeRouteTables, api.DescribeRouteTablesInput{Filters: []api.Filter{
		{Name: new("vpc-id"), Values: []string{*s.vpc}}, {Name: new("association.main"), Values: []string{"true"}},
	}}).RouteTables
	call(c, api.CreateRoute, api.CreateRouteInput{RouteTableId: main[0].RouteTableId, DestinationCidrBlock: new("0.0.0.0/0"), NatGatewayId: s.nat})
	return s
}

func TestStackBecomesRecordsAndComesDownInOrder(t *testing.T) {
	t.Parallel()
	c := open(t)
	s := c.build()
	var vpc network.VPC
	for _, v := range c.state().VPCs {
		if v.ID == *s.vpc {
			vpc = v
		}
	}
	same(t, "range", vpc.CIDRs[0].String(), "10.10.0.0/16")
	same(t, "events for the NAT gateway", len(*c.sent), 1)
	named := call(c, api.DescribeVpcs, api.DescribeVpcsInput{Filters: []api.Filter{{Name: new("tag:Name"), Values: []string{"de*"}}}})
	same(t, "VPCs named de*", len(named.Vpcs), 1)
	group := call(c, api.CreateSecurityGroup, api.CreateSecurityGroupInput{GroupName: new("app"), Description: new("app"), VpcId: s.vpc}).GroupId
	rule := api.IpPermission{IpProtocol: new("tcp"), FromPort: new(int32(80)), ToPort: new(int32(80)), IpRanges: []api.IpRange{{CidrIp: new("0.0.0.0/0")}}}
	call(c, api.AuthorizeSecurityGroupIngress, api.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: []api.IpPermission{rule}})
	same(t, "the same rule again", code(c, api.AuthorizeSecurityGroupIngress, api.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: []api.IpPermission{rule}}),
		`InvalidPermission.Duplicate: the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists`)
	eni := call(c, api.CreateNetworkInterface, api.CreateNetworkInterfaceInput{SubnetId: s.private, Groups: []string{*group}}).NetworkInterface
	same(t, "first address", *eni.PrivateIpAddress, "10.10.1.4")
	same(t, "private name", *eni.PrivateDnsName, "ip-10-10-1-4.ec2.internal")
	next := call(c, api.CreateNetworkInterface, api.CreateNetworkInterfaceInput{SubnetId: s.private, Groups: []string{*group}}).NetworkInterface
	same(t, "next address", *next.PrivateIpAddress, "10.10.1.5")
	call(c, api.ModifyNetworkInterfaceAttribute, api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: eni.NetworkInterfaceId, AssociatePublicIpAddress: new(true)})
	shown := call(c, api.DescribeNetworkInterfaces, api.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{*eni.NetworkInterfaceId}}).NetworkInterfaces[0]
	if shown.Association == nil {
		t.Error("the interface has no public address")
	}

	same(t, "deleting the group", code(c, api.DeleteSecurityGroup, api.DeleteSecurityGroupInput{GroupId: group}), "DependencyViolation: resource "+*group+" has a dependent object")
	same(t, "deleting the subnet", code(c, api.DeleteSubnet, api.DeleteSubnetInput{SubnetId: s.private}), "DependencyViolation: The subnet '"+*s.private+"' has dependencies and cannot be deleted.")
	same(t, "deleting the VPC", code(c, api.DeleteVpc, api.DeleteVpcInput{VpcId: s.vpc}), "DependencyViolation: The vpc '"+*s.vpc+"' has dependencies and cannot be deleted.")
	same(t, "releasing the address", code(c, api.ReleaseAddress, api.ReleaseAddressInput{AllocationId: s.allocation})[:23], "InvalidIPAddress.InUse:")

	for _, id := range []*string{eni.NetworkInterfaceId, next.NetworkInterfaceId} {
		call(c, api.DeleteNetworkInterface, api.DeleteNetworkInterfaceInput{NetworkInterfaceId: id})
	}
	call(c, api.DeleteSecurityGroup, api.DeleteSecurityGroupInput{GroupId: group})
	call(c, api.DeleteNatGateway, api.DeleteNatGatewayInput{NatGatewayId: s.nat})
	call(c, api.ReleaseAddress, api.ReleaseAddressInput{AllocationId: s.allocation})
	call(c, api.DetachInternetGateway, api.DetachInternetGatewayInput{InternetGatewayId: s.gateway, VpcId: s.vpc})
	call(c, api.DeleteInternetGateway, api.DeleteInternetGatewayInput{InternetGatewayId: s.gateway})
	for _, id := range []*string{s.public, s.private} {
		call(c, api.DeleteSubnet, api.DeleteSubnetInput{SubnetId: id})
	}
	call(c, api.DeleteRouteTable, api.DeleteRouteTableInput{RouteTableId: s.table})
	call(c, api.DeleteVpc, api.DeleteVpcInput{VpcId: s.vpc})
	left := c.state()
	same(t, "records of VPCs that are left (the default one)", len(left.VPCs), 1)
	same(t, "records of interfaces that are left", len(left.Interfaces)+len(left.NATs), 0)
	same(t, "reading the VPC", code(c, api.DescribeVpcs, api.DescribeVpcsInput{VpcIds: []string{*s.vpc}}), "InvalidVpcID.NotFound: The vpc ID '"+*s.vpc+"' does not exist")
}

func TestRefusalsAreAWSs(t *testing.T) {
	t.Parallel()
	c := open(t)
	s := c.build()
	for what, x := range map[string]struct{ got, want string }{
		"a range outside":    {code(c, api.CreateSubnet, api.CreateSubnetInput{VpcId: s.vpc, CidrBlock: new("10.11.0.0/24")}), "InvalidSubnet.Range: The CIDR '10.11.0.0/24' is invalid."},
		"an overlap":         {code(c, api.CreateSubnet, api.CreateSubnetInput{VpcId: s.vpc, CidrBlock: new("10.10.0.128/25")}), "InvalidSubnet.Conflict: The CIDR '10.10.0.128/25' conflicts with another subnet"},
		"a large VPC":        {code(c, api.CreateVpc, api.CreateVpcInput{CidrBlock: new("10.0.0.0/8")}), "InvalidVpc.Range: The CIDR '10.0.0.0/8' is invalid."},
		"a second gateway":   {code(c, api.AttachInternetGateway, api.AttachInternetGatewayInput{VpcId: s.vpc, InternetGatewayId: s.gateway}), "Resource.AlreadyAssociated: resource " + *s.gateway + " is already attached to network " + *s.vpc},
		"an existing route":  {code(c, api.CreateRoute, api.CreateRouteInput{RouteTableId: s.table, DestinationCidrBlock: new("0.0.0.0/0"), NatGatewayId: s.nat}), "RouteAlreadyExists: The route identified by 0.0.0.0/0 already exists."},
		"an unknown group":   {code(c, api.DescribeSecurityGroups, api.DescribeSecurityGroupsInput{GroupIds: []string{"sg-0123456789abcdef0"}}), "InvalidGroup.NotFound: The security group 'sg-0123456789abcdef0' does not exist"},
		"an unknown filter":  {code(c, api.DescribeVpcs, api.DescribeVpcsInput{Filters: []api.Filter{{Name: new("colour"), Values: []string{"red"}}}}), "InvalidParameterValue: The filter 'colour' is invalid"},
		"a dry run":          {code(c, api.CreateVpc, api.CreateVpcInput{CidrBlock: new("10.1.0.0/16"), DryRun: new(true)}), "DryRunOperation: Request would have succeeded, but DryRun flag is set."},
		"the default group":  {code(c, api.DeleteSecurityGroup, api.DeleteSecurityGroupInput{GroupId: c.defaultGroup(s.vpc)})[:13], "CannotDelete:"},
		"ports of TCP":       {code(c, api.AuthorizeSecurityGroupIngress, api.AuthorizeSecurityGroupIngressInput{GroupId: c.defaultGroup(s.vpc), IpProtocol: new("tcp"), CidrIp: new("0.0.0.0/0")}), "InvalidParameterValue: Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."},
		"an address in use":  {code(c, api.CreateNetworkInterface, api.CreateNetworkInterfaceInput{SubnetId: s.public, PrivateIpAddress: new("10.10.0.4")}), "InvalidIPAddress.InUse: The specified address is already in use."},
		"a reserved address": {code(c, api.CreateNetworkInterface, api.CreateNetworkInterfaceInput{SubnetId: s.public, PrivateIpAddress: new("10.10.0.2")}), "InvalidParameterValue: Address 10.10.0.2 is in subnet's reserved address range"},
	} {
		same(t, what, x.got, x.want)
	}
}

func (c cloud) defaultGroup(vpc *string) *string {
	c.t.Helper()
	return call(c, api.DescribeSecurityGroups, api.DescribeSecurityGroupsInput{Filters: []api.Filter{
		{Name: new("vpc-id"), Values: []string{*vpc}}, {Name: new("group-name"), Values: []string{"default"}},
	}}).SecurityGroups[0].GroupId
}

func TestRepeatedInternalCreateGivesTheSameInterface(t *testing.T) {
	t.Parallel()
	c := open(t)
	s := c.build()
	in := api.CreateNetworkInterfaceInput{SubnetId: s.public, Description: new("ELB app/demo/1")}
	caller := op.As(dispatchtest.Scope, op.ServiceLinked(dispatchtest.Account, "elasticloadbalancing.amazonaws.com", "AWSServiceRoleForElasticLoadBalancing"), "elb", "elasticloadbalancing.amazonaws.com", "lb/1")
	var got []string
	for range 2 {
		out, err := op.Call(t.Context(), c, caller, api.CreateNetworkInterface, &in)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, *out.NetworkInterface.NetworkInterfaceId)
	}
	same(t, "the second answer", got[1], got[0])
	for _, i := range c.state().Interfaces {
		if i.ID == got[0] {
			same(t, "kind", i.Kind, network.ForLoadBalancer)
		}
	}
	same(t, "a user deleting it", code(c, api.DeleteNetworkInterface, api.DeleteNetworkInterfaceInput{NetworkInterfaceId: &got[0]}), "InvalidParameterValue: Network interface '"+got[0]+"' is currently in use.")
}
