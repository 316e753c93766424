package elbv2

import (
	"context"
	"slices"
	"strconv"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"

	"github.com/penstock-ci/penstock/api/ec2"
	api "github.com/penstock-ci/penstock/api/elbv2"
)

// subnets looks the subnets up in EC2: one VPC, each in a zone of its own.
func (s *Service) subnets(ctx context.Context, c op.Caller, ids []string, kind string) (vpc string, out []Subnet, err error) {
	found, err := op.Call(ctx, s.AWS, s.self(c.Scope, ""), ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: ids})
	if err != nil {
		return "", nil, refused(err, "InvalidSubnetID.NotFound", func(m string) *op.Error { return api.SubnetNotFoundException("%s", m) })
	}
	zones := map[string]string{}
	for _, sub := range found.Subnets {
		id, zone := op.Val(sub.SubnetId), op.Val(sub.AvailabilityZone)
		if vpc == "" {
			vpc = op.Val(sub.VpcId)
		}
		if vpc != op.Val(sub.VpcId) {
			return "", nil, invalid("All subnets must belong to the same VPC: '%s'", vpc)
		}
		if other, taken := zones[zone]; taken {
			return "", nil, api.InvalidConfigurationRequestException("A load balancer cannot be attached to multiple subnets in the same Availability Zone: '%s' and '%s' are in '%s'", other, id, zone)
		}
		zones[zone] = id
		out = append(out, Subnet{ID: id, Zone: zone})
	}
	if kind == application && len(out) < 2 {
		return "", nil, invalid("At least two subnets in two different Availability Zones must be specified")
	}
	return vpc, out, nil
}

// securityGroups are the given ones, or the VPC's default.
func (s *Service) securityGroups(ctx context.Context, c op.Caller, b Balancer, given []string) ([]string, error) {
	if b.Type == networkType && len(given) == 0 {
		return nil, nil
	}
	in := &ec2.DescribeSecurityGroupsInput{GroupIds: given}
	if len(given) == 0 {
		in.Filters = []ec2.Filter{{Name: new("vpc-id"), Values: []string{b.VPC}}, {Name: new("group-name"), Values: []string{"default"}}}
	}
	out, err := op.Call(ctx, s.AWS, s.self(c.Scope, ""), ec2.DescribeSecurityGroups, in)
	if err != nil {
		return nil, refused(err, "InvalidGroup.NotFound", func(m string) *op.Error { return api.InvalidSecurityGroupException("%s", m) })
	}
	if len(given) > 0 {
		for _, g := range out.SecurityGroups {
			if op.Val(g.VpcId) != b.VPC {
				return nil, api.InvalidConfigurationRequestException("One or more security groups are invalid: '%s' is not in '%s'", op.Val(g.GroupId), b.VPC)
			}
		}
		return given, nil
	}
	var ids []string
	for _, g := range out.SecurityGroups {
		ids = append(ids, op.Val(g.GroupId))
	}
	return ids, nil
}

func (s *Service) setSubnets(ctx context.Context, tx store.Tx, c op.Caller, in *api.SetSubnetsInput) (*api.SetSubnetsOutput, error) {
	d, err := s.balancer(ctx, tx, c, in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	b := d.Value
	ids, err := subnetIDs(in.Subnets, in.SubnetMappings)
	if err != nil {
		return nil, err
	}
	vpc, wanted, err := s.subnets(ctx, c, ids, b.Type)
	if err != nil {
		return nil, err
	}
	if vpc != b.VPC {
		return nil, api.InvalidConfigurationRequestException("The specified subnets are not in the load balancer's VPC '%s'", b.VPC)
	}
	for _, old := range b.Subnets {
		i := slices.IndexFunc(wanted, func(n Subnet) bool { return n.ID == old.ID })
		if i >= 0 {
			wanted[i] = old
		} else if old.Interface != "" {
			b.Leaving = append(b.Leaving, old.Interface)
		}
	}
	b.Subnets = wanted
	if err := s.change(ctx, tx, c, b, d.Version); err != nil {
		return nil, err
	}
	return &api.SetSubnetsOutput{AvailabilityZones: b.api().AvailabilityZones, IpAddressType: &b.IPAddressType}, nil
}

func (s *Service) setSecurityGroups(ctx context.Context, tx store.Tx, c op.Caller, in *api.SetSecurityGroupsInput) (*api.SetSecurityGroupsOutput, error) {
	d, err := s.balancer(ctx, tx, c, in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	b := d.Value
	if b.Type == networkType && len(b.Groups) == 0 {
		return nil, api.InvalidConfigurationRequestException("Security groups can't be set on a network load balancer that was created without any")
	}
	if b.Groups, err = s.securityGroups(ctx, c, b, in.SecurityGroups); err != nil {
		return nil, err
	}
	if err := s.change(ctx, tx, c, b, d.Version); err != nil {
		return nil, err
	}
	return &api.SetSecurityGroupsOutput{SecurityGroupIds: b.Groups}, nil
}

// change stores b and tells its machine to bring its interfaces there.
func (s *Service) change(ctx context.Context, tx store.Tx, c op.Caller, b Balancer, v store.Version) error {
	b.Turn++
	if _, err := balancers.Put(ctx, tx, c.Scope, b.ARN, b, v); err != nil {
		return err
	}
	return s.Engine.Send(ctx, tx, b.id(c.Scope), engine.Event{ID: "changed/" + strconv.Itoa(b.Turn), Name: evChanged, At: s.Clock.Now()})
}

func (s *Service) setIPAddressType(ctx context.Context, tx store.Tx, c op.Caller, in *api.SetIpAddressTypeInput) (*api.SetIpAddressTypeOutput, error) {
	if _, err := s.balancer(ctx, tx, c, in.LoadBalancerArn); err != nil {
		return nil, err
	}
	if op.Val(in.IpAddressType) != "ipv4" {
		return nil, invalid("IP address type '%s' is not supported here; use 'ipv4'", op.Val(in.IpAddressType))
	}
	return &api.SetIpAddressTypeOutput{IpAddressType: in.IpAddressType}, nil
}

func (s *Service) describeLoadBalancerAttributes(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeLoadBalancerAttributesInput) (*api.DescribeLoadBalancerAttributesOutput, error) {
	d, err := s.balancer(ctx, r, c, in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	return &api.DescribeLoadBalancerAttributesOutput{Attributes: d.Value.attributesAPI()}, nil
}

func (s *Service) modifyLoadBalancerAttributes(ctx context.Context, tx store.Tx, c op.Caller, in *api.ModifyLoadBalancerAttributesInput) (*api.ModifyLoadBalancerAttributesOutput, error) {
	d, err := s.balancer(ctx, tx, c, in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	b := d.Value
	for _, a := range in.Attributes {
		if err := b.Attributes.set("Load balancer", op.Val(a.Key), op.Val(a.Value)); err != nil {
			return nil, err
		}
	}
	if _, err := balancers.Put(ctx, tx, c.Scope, b.ARN, b, d.Version); err != nil {
		return nil, err
	}
	if b.State == active {
		if _, err := s.Records.PutBalancer(ctx, tx, b.record()); err != nil {
			return nil, err
		}
	}
	return &api.ModifyLoadBalancerAttributesOutput{Attributes: b.attributesAPI()}, nil
}

func (s *Service) describeCapacityReservation(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeCapacityReservationInput) (*api.DescribeCapacityReservationOutput, error) {
	if _, err := s.balancer(ctx, r, c, in.LoadBalancerArn); err != nil {
		return nil, err
	}
	return &api.DescribeCapacityReservationOutput{CapacityReservationState: []api.ZonalCapacityReservationState{}}, nil
}
