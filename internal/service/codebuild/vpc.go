package codebuild

import (
	"context"
	"errors"
	"fmt"
	"strings"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
)

// checkVPC looks the project's subnets and groups up, as its role: reads of another
// service are allowed in a transaction.
func (s *Service) checkVPC(ctx context.Context, c op.Caller, p Project) error {
	v := p.VpcConfig
	if v == nil {
		return nil
	}
	if op.Val(v.VpcId) == "" || len(v.Subnets) == 0 || len(v.SecurityGroupIds) == 0 {
		return api.InvalidInputException("Invalid vpc config: vpcId, subnets and securityGroupIds must all be given")
	}
	if len(v.Subnets) > 16 || len(v.SecurityGroupIds) > 5 {
		return api.InvalidInputException("Invalid vpc config: at most 16 subnets and 5 security groups are allowed")
	}
	as := op.As(c.Scope, op.Val(p.ServiceRole), "AWSCodeBuild-"+op.Val(p.Name), servicePrincipal, "").For(projectARN(c.Scope, op.Val(p.Name)))
	groups, err := op.Call(ctx, s.AWS, as, ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupIds: v.SecurityGroupIds})
	if err != nil {
		return vpcError(err, "DescribeSecurityGroups")
	}
	for _, g := range groups.SecurityGroups {
		if op.Val(g.VpcId) != op.Val(v.VpcId) {
			return api.InvalidInputException("Invalid vpc config: the security group %s is not in the VPC %s", op.Val(g.GroupId), op.Val(v.VpcId))
		}
	}
	subnets, err := op.Call(ctx, s.AWS, as, ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: v.Subnets})
	if err != nil {
		return vpcError(err, "DescribeSubnets")
	}
	for _, n := range subnets.Subnets {
		if op.Val(n.VpcId) != op.Val(v.VpcId) {
			return api.InvalidInputException("Invalid vpc config: the subnet %s is not in the VPC %s", op.Val(n.SubnetId), op.Val(v.VpcId))
		}
	}
	return nil
}

func vpcError(err error, operation string) error {
	e, ok := errors.AsType[*op.Error](err)
	switch {
	case !ok || e.IsTransient():
		return err
	case strings.HasPrefix(e.Code, "Unauthorized") || strings.HasPrefix(e.Code, "AccessDenied"):
		return api.InvalidInputException("Not authorized to perform %s", operation)
	}
	return api.InvalidInputException("Invalid vpc config: %s", e.Message)
}

// vpcActions are what CodeBuild does with the role beside what is called here; a
// role that lacks one cannot build in a VPC on AWS either.
var vpcActions = []string{"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups", "ec2:DescribeDhcpOptions", "ec2:DescribeVpcs"}

// attach makes the build's network interface.
func (s *Service) attach(ctx context.Context, _ engine.ID, b Build, _ engine.Effect, token string) (*engine.Event, error) {
	if b.Complete() {
		return nil, nil
	}
	a, err := s.makeInterface(ctx, b, token)
	if e, ok := errors.AsType[*op.Error](err); ok && !e.IsTransient() {
		// AWS tells the code alone; whoever reads it wants to know what is lacking.
		return s.refuse("VPC_CLIENT_ERROR", "Unexpected EC2 error: %s: %s", e.Code, e.Message)
	}
	if err != nil {
		return nil, err
	}
	return event(evAttached, s.Clock.Now(), a)
}

// makeInterface acts as the build's role.
func (s *Service) makeInterface(ctx context.Context, b Build, token string) (Attachment, error) {
	v := b.Asked.VPC
	for _, action := range vpcActions {
		if err := s.may(ctx, b, action, "*", nil); err != nil {
			return Attachment{}, unauthorized(err)
		}
	}
	subnet := v.Subnets[int(b.Number)%len(v.Subnets)]
	out, err := op.Call(ctx, s.AWS, s.as(b, token+"/interface"), ec2.CreateNetworkInterface, &ec2.CreateNetworkInterfaceInput{
		SubnetId: new(subnet), Groups: v.SecurityGroupIds, Description: new(b.ARN()), ClientToken: new(b.UUID),
	})
	if err != nil {
		return Attachment{}, err
	}
	if out.NetworkInterface == nil {
		return Attachment{}, errors.New("ec2:CreateNetworkInterface answered no interface")
	}
	a := Attachment{op.Val(out.NetworkInterface.NetworkInterfaceId), subnet}
	eni := "arn:aws:ec2:" + b.Region + ":" + b.Account + ":network-interface/"
	err = s.may(ctx, b, "ec2:CreateNetworkInterfacePermission", eni+"*", map[string]string{
		"ec2:Subnet":            "arn:aws:ec2:" + b.Region + ":" + b.Account + ":subnet/" + subnet,
		"ec2:AuthorizedService": servicePrincipal,
	})
	if err == nil {
		err = s.may(ctx, b, "ec2:DeleteNetworkInterface", eni+a.Interface, nil)
	}
	if err != nil {
		// The build ends here, and nobody would know of the interface.
		return Attachment{}, errors.Join(unauthorized(err), s.deleteInterface(ctx, b, a.Interface, token))
	}
	return a, nil
}

// unauthorized puts a refusal in EC2's own code.
func unauthorized(err error) error {
	if e, ok := errors.AsType[*op.Error](err); ok && !e.IsTransient() {
		return &op.Error{Code: "UnauthorizedOperation", Message: e.Message, Status: 403}
	}
	return err
}

// detach deletes the build's network interface, as its role.
func (s *Service) detach(ctx context.Context, b Build, token string) error {
	if b.Interface == "" {
		return nil
	}
	return s.deleteInterface(ctx, b, b.Interface, token)
}

func (s *Service) deleteInterface(ctx context.Context, b Build, id, token string) error {
	in := &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: new(id)}
	_, err := op.Call(ctx, s.AWS, s.as(b, token+"/delete"), ec2.DeleteNetworkInterface, in)
	if e, ok := errors.AsType[*op.Error](err); ok && (e.Code == "UnauthorizedOperation" || e.Code == "NoSuchEntity" || e.Code == "AccessDenied") {
		// The role has lost the permission, or is gone: the interface stays, as on AWS.
		s.Log.Warn("network interface of a build stays: its role may not delete it", "build", b.ID(), "interface", id, "error", err)
		return nil
	}
	if err != nil && !isCode(err, "InvalidNetworkInterfaceID.NotFound") {
		return fmt.Errorf("delete network interface %s: %w", id, err)
	}
	return nil
}
