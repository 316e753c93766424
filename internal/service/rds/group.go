package rds

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/api/ec2"
	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// SubnetGroup is where instances may lie.
type SubnetGroup struct {
	store.Scope
	Name, Description, VPC string
	Subnets                []Subnet
	Tags                   map[string]string `json:",omitzero"`
}

// Subnet is a subnet with its zone.
type Subnet struct{ ID, Zone string }

const (
	defaultGroup = "default"
	minZones     = 2
)

var groupForm = regexp.MustCompile(`^[a-z0-9][a-z0-9 ._-]{0,254}$`)

// ARN names the group.
func (g SubnetGroup) ARN() string { return arn.New("rds", g.Region, g.Account, "subgrp:"+g.Name) }

func (s *Service) findGroup(ctx context.Context, r store.Reader, c op.Caller, name *string) (store.Doc[SubnetGroup], error) {
	d, err := groups.Get(ctx, r, c.Scope, strings.ToLower(op.Val(name)))
	if errors.Is(err, store.ErrNotFound) {
		return d, api.DBSubnetGroupNotFoundFault("DB subnet group '%s' does not exist.", op.Val(name))
	}
	return d, err
}

func (s *Service) createDBSubnetGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateDBSubnetGroupInput) (*api.CreateDBSubnetGroupOutput, error) {
	g := SubnetGroup{Scope: c.Scope, Name: strings.ToLower(*in.DBSubnetGroupName), Description: *in.DBSubnetGroupDescription}
	if g.Name == defaultGroup || !groupForm.MatchString(g.Name) {
		return nil, invalid("The parameter DBSubnetGroupName is not a valid identifier: it must contain only letters, numbers, periods, underscores, spaces and hyphens, and must not be 'default'.")
	}
	if _, err := groups.Get(ctx, tx, c.Scope, g.Name); !errors.Is(err, store.ErrNotFound) {
		if err == nil {
			err = api.DBSubnetGroupAlreadyExistsFault("The DB subnet group '%s' already exists.", g.Name)
		}
		return nil, err
	}
	if err := s.cover(ctx, c, &g, in.SubnetIds); err != nil {
		return nil, err
	}
	var err error
	if g.Tags, err = tagged(nil, in.Tags); err != nil {
		return nil, err
	}
	if _, err := groups.Put(ctx, tx, c.Scope, g.Name, g, 0); err != nil {
		return nil, err
	}
	return &api.CreateDBSubnetGroupOutput{DBSubnetGroup: g.api()}, nil
}

// cover gives the group its subnets: in one VPC, in two zones at least.
func (s *Service) cover(ctx context.Context, c op.Caller, g *SubnetGroup, ids []string) error {
	found, err := op.Call(ctx, s.AWS, s.self(c.Scope, ""), ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: ids})
	if isCode(err, "InvalidSubnetID.NotFound", "InvalidSubnetId.NotFound", "InvalidSubnetID.Malformed") {
		e, _ := errors.AsType[*op.Error](err)
		return api.InvalidSubnet("%s", e.Message)
	}
	if err != nil {
		return err
	}
	g.fill(found.Subnets)
	zones := map[string]bool{}
	for i, sub := range found.Subnets {
		if op.Val(sub.VpcId) != g.VPC {
			return api.InvalidSubnet("The subnets of a DB subnet group must all be in one VPC: %s is not in %s.", g.Subnets[i].ID, g.VPC)
		}
		zones[op.Val(sub.AvailabilityZone)] = true
	}
	if len(zones) < minZones {
		return api.DBSubnetGroupDoesNotCoverEnoughAZs("The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: %s. Add subnets to cover at least 2 AZs.", strings.Join(g.zones(), ", "))
	}
	return nil
}

func (g *SubnetGroup) fill(found []ec2.Subnet) {
	g.VPC, g.Subnets = "", nil
	for _, sub := range found {
		if g.VPC == "" {
			g.VPC = op.Val(sub.VpcId)
		}
		g.Subnets = append(g.Subnets, Subnet{op.Val(sub.SubnetId), op.Val(sub.AvailabilityZone)})
	}
}

func (g SubnetGroup) zones() (out []string) {
	for _, s := range g.Subnets {
		if !slices.Contains(out, s.Zone) {
			out = append(out, s.Zone)
		}
	}
	slices.Sort(out)
	return out
}

// placeGroup is the named group; "default" is made of the default VPC at first use.
func (s *Service) placeGroup(ctx context.Context, tx store.Tx, c op.Caller, name *string) (SubnetGroup, error) {
	key := op.Or(name, defaultGroup)
	d, err := s.findGroup(ctx, tx, c, &key)
	if err == nil || key != defaultGroup || !isCode(err, "DBSubnetGroupNotFoundFault") {
		return d.Value, err
	}
	found, err := op.Call(ctx, s.AWS, s.self(c.Scope, ""), ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{
		Filters: []ec2.Filter{{Name: new("default-for-az"), Values: []string{"true"}}},
	})
	if err != nil {
		return SubnetGroup{}, err
	}
	if len(found.Subnets) == 0 {
		return SubnetGroup{}, api.DBSubnetGroupNotFoundFault("No default subnet detected in VPC. Please contact AWS Support to recreate default Subnets, or name a DB subnet group.")
	}
	g := SubnetGroup{Scope: c.Scope, Name: defaultGroup, Description: defaultGroup}
	g.fill(found.Subnets)
	_, err = groups.Put(ctx, tx, c.Scope, g.Name, g, 0)
	return g, err
}

func (s *Service) modifyDBSubnetGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.ModifyDBSubnetGroupInput) (*api.ModifyDBSubnetGroupOutput, error) {
	d, err := s.findGroup(ctx, tx, c, in.DBSubnetGroupName)
	if err != nil {
		return nil, err
	}
	g := d.Value
	g.Description = op.Or(in.DBSubnetGroupDescription, g.Description)
	vpc := g.VPC
	if err := s.cover(ctx, c, &g, in.SubnetIds); err != nil {
		return nil, err
	}
	used, err := s.inGroup(ctx, tx, c, g.Name)
	if err != nil {
		return nil, err
	}
	for _, i := range used {
		if g.VPC != vpc {
			return nil, api.InvalidSubnet("The new subnets must be in the VPC %s, as DB instance %s uses the group.", vpc, i.ID)
		}
		if !slices.ContainsFunc(g.Subnets, func(s Subnet) bool { return s.ID == i.Subnet }) {
			return nil, api.SubnetAlreadyInUse("The specified subnet is already in use in DB instance %s: %s", i.ID, i.Subnet)
		}
	}
	if _, err := groups.Put(ctx, tx, c.Scope, g.Name, g, d.Version); err != nil {
		return nil, err
	}
	return &api.ModifyDBSubnetGroupOutput{DBSubnetGroup: g.api()}, nil
}

func (s *Service) inGroup(ctx context.Context, r store.Reader, c op.Caller, name string) (out []Instance, err error) {
	docs, err := instances.List(ctx, r, c.Scope, store.Query{Index: "group", Equal: name})
	for _, d := range docs {
		out = append(out, d.Value)
	}
	return out, err
}

func (s *Service) deleteDBSubnetGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteDBSubnetGroupInput) (*api.DeleteDBSubnetGroupOutput, error) {
	d, err := s.findGroup(ctx, tx, c, in.DBSubnetGroupName)
	if err != nil {
		return nil, err
	}
	used, err := s.inGroup(ctx, tx, c, d.Key)
	if err != nil {
		return nil, err
	}
	if len(used) > 0 {
		return nil, api.InvalidDBSubnetGroupStateFault("Cannot delete the subnet group '%s' because at least one database instance: %s is still using it.", d.Key, used[0].ID)
	}
	return &api.DeleteDBSubnetGroupOutput{}, groups.Delete(ctx, tx, c.Scope, d.Key, d.Version)
}

// securityGroups are the given ones, or the VPC's default.
func (s *Service) securityGroups(ctx context.Context, c op.Caller, vpc string, given []string) ([]string, error) {
	in := &ec2.DescribeSecurityGroupsInput{GroupIds: given}
	if len(given) == 0 {
		in.Filters = []ec2.Filter{{Name: new("vpc-id"), Values: []string{vpc}}, {Name: new("group-name"), Values: []string{"default"}}}
	}
	out, err := op.Call(ctx, s.AWS, s.self(c.Scope, ""), ec2.DescribeSecurityGroups, in)
	if isCode(err, "InvalidGroup.NotFound", "InvalidGroupId.Malformed", "InvalidGroupId.NotFound") {
		return nil, invalid("Invalid security group , groupId= %s, groupName=.", strings.Join(given, ", "))
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, g := range out.SecurityGroups {
		if op.Val(g.VpcId) != vpc {
			return nil, combination("The DB instance and EC2 security group are in different VPCs. The DB instance is in %s and the EC2 security group is in %s", vpc, op.Val(g.VpcId))
		}
		ids = append(ids, op.Val(g.GroupId))
	}
	return ids, nil
}
