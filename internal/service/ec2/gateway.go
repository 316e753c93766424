package ec2

import (
	"context"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Gateway is an internet gateway; VPC "" while it is detached.
type Gateway struct{ ID, VPC string }

func (g Gateway) api(account string, tags map[string]string) ec2.InternetGateway {
	out := ec2.InternetGateway{InternetGatewayId: &g.ID, OwnerId: &account, Tags: apiTags(tags), Attachments: []ec2.InternetGatewayAttachment{}}
	if g.VPC != "" {
		out.Attachments = []ec2.InternetGatewayAttachment{{VpcId: &g.VPC, State: new("available")}}
	}
	return out
}

func (s *Service) createGateway(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.CreateInternetGatewayInput) (*ec2.CreateInternetGatewayOutput, error) {
	g := Gateway{ID: newID(c, "igw", "")}
	if err := add(ctx, tx, s.gateways, c.Scope, g.ID, g); err != nil {
		return nil, err
	}
	if err := s.setTags(ctx, tx, c, g.ID, in.TagSpecifications); err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, tx, c.Scope, g.ID)
	if err != nil {
		return nil, err
	}
	return &ec2.CreateInternetGatewayOutput{InternetGateway: new(g.api(c.Account, tags.Value.Tags))}, nil
}

func (s *Service) describeGateways(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeInternetGatewaysInput) (*ec2.DescribeInternetGatewaysOutput, error) {
	all, err := listed(ctx, s, r, s.gateways, c.Scope, func(d defaults) []Gateway { return []Gateway{d.gateway} })
	if err != nil {
		return nil, err
	}
	tags, err := s.allTags(ctx, r, c.Scope)
	if err != nil {
		return nil, err
	}
	found, next, err := answer(question{in.InternetGatewayIds, in.Filters, in.MaxResults, in.NextToken}, all, func(g Gateway) string { return g.ID }, func(g Gateway) facets {
		f := facets{"internet-gateway-id": {g.ID}, "owner-id": {c.Account}, "attachment.vpc-id": nil, "attachment.state": nil}
		if g.VPC != "" {
			f["attachment.vpc-id"], f["attachment.state"] = []string{g.VPC}, []string{"available"}
		}
		return f.with(tags[g.ID])
	}, noGateway)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeInternetGatewaysOutput{NextToken: next, InternetGateways: []ec2.InternetGateway{}}
	for _, g := range found {
		out.InternetGateways = append(out.InternetGateways, g.api(c.Account, tags[g.ID]))
	}
	return out, nil
}

func (s *Service) attachGateway(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.AttachInternetGatewayInput) (*ec2.AttachInternetGatewayOutput, error) {
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	d, err := find(ctx, tx, s.gateways, c.Scope, op.Val(in.InternetGatewayId), noGateway(op.Val(in.InternetGatewayId)))
	if err != nil {
		return nil, err
	}
	v, err := find(ctx, tx, s.vpcs, c.Scope, op.Val(in.VpcId), noVPC(op.Val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	if d.Value.VPC != "" {
		return nil, fail("Resource.AlreadyAssociated", "resource %s is already attached to network %s", d.Key, d.Value.VPC)
	}
	others, err := values(ctx, tx, s.gateways, c.Scope, v.Key)
	if err != nil {
		return nil, err
	}
	if len(others) > 0 {
		return nil, invalid("Network %s already has an internet gateway attached", v.Key)
	}
	d.Value.VPC = v.Key
	if err := must(s.d.Records.PutGateway(ctx, tx, network.Gateway{ID: d.Key, VPC: v.Key})); err != nil {
		return nil, err
	}
	return &ec2.AttachInternetGatewayOutput{}, save(ctx, tx, s.gateways, d)
}

func (s *Service) detachGateway(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DetachInternetGatewayInput) (*ec2.DetachInternetGatewayOutput, error) {
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	d, err := find(ctx, tx, s.gateways, c.Scope, op.Val(in.InternetGatewayId), noGateway(op.Val(in.InternetGatewayId)))
	if err != nil {
		return nil, err
	}
	if d.Value.VPC != op.Val(in.VpcId) {
		return nil, fail("Gateway.NotAttached", "resource %s is not attached to network %s", d.Key, op.Val(in.VpcId))
	}
	interfaces, err := values(ctx, tx, s.interfaces, c.Scope, d.Value.VPC)
	if err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		if i.Public.IsValid() {
			return nil, fail("DependencyViolation", "Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", d.Value.VPC)
		}
	}
	d.Value.VPC = ""
	if err := must(s.d.Records.DeleteGateway(ctx, tx, d.Key)); err != nil {
		return nil, err
	}
	return &ec2.DetachInternetGatewayOutput{}, save(ctx, tx, s.gateways, d)
}

func (s *Service) deleteGateway(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DeleteInternetGatewayInput) (*ec2.DeleteInternetGatewayOutput, error) {
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	d, err := find(ctx, tx, s.gateways, c.Scope, op.Val(in.InternetGatewayId), noGateway(op.Val(in.InternetGatewayId)))
	if err != nil {
		return nil, err
	}
	if d.Value.VPC != "" {
		return nil, depends("internetGateway", d.Key)
	}
	if err := s.untag(ctx, tx, c.Scope, d.Key); err != nil {
		return nil, err
	}
	return &ec2.DeleteInternetGatewayOutput{}, drop(ctx, tx, s.gateways, d)
}
