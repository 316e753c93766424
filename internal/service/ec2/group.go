package ec2

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Group is a security group.
type Group struct {
	ID, VPC           string
	Name, Description string
	Rules             []Rule
}

const defaultName = "default"

// defaultGroup lets its members reach each other, and out.
func defaultGroup(v VPC, in, out string) Group {
	return Group{ID: v.Group, VPC: v.ID, Name: defaultName, Description: "default VPC security group", Rules: []Rule{
		{ID: in, Protocol: "-1", From: -1, To: -1, Peer: Peer{Group: v.Group}},
		egressToAll(out),
	}}
}

func egressToAll(id string) Rule {
	return Rule{ID: id, IsEgress: true, Protocol: "-1", From: -1, To: -1, Peer: Peer{CIDR: "0.0.0.0/0"}}
}

func (s *Service) putGroup(ctx context.Context, tx store.Tx, d store.Doc[Group]) error {
	if err := save(ctx, tx, s.groups, d); err != nil {
		return err
	}
	r := network.Group{ID: d.Value.ID, VPC: d.Value.VPC}
	for _, x := range d.Value.Rules {
		r.Rules = append(r.Rules, x.record(d.Scope.Region))
	}
	return must(s.d.Records.PutGroup(ctx, tx, r))
}

func (s *Service) createGroup(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.CreateSecurityGroupInput) (*ec2.CreateSecurityGroupOutput, error) {
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	name, vpc := op.Val(in.GroupName), op.Val(in.VpcId)
	switch {
	case name == defaultName:
		return nil, invalid("Cannot use reserved security group name: %s", name)
	case strings.HasPrefix(name, "sg-"):
		return nil, invalid("Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", name)
	case name == "" || len(name) > 255:
		return nil, invalid("Value (%s) for parameter GroupName is invalid. Character sets beyond 1 to 255 characters are not supported.", name)
	case len(op.Val(in.Description)) > 255:
		return nil, invalid("Value for parameter GroupDescription is too long: at most 255 characters")
	}
	if vpc == "" {
		v, err := s.defaultVPC(ctx, tx, c.Scope)
		if err != nil {
			return nil, err
		}
		vpc = v.ID
	}
	if _, err := find(ctx, tx, s.vpcs, c.Scope, vpc, noVPC(vpc)); err != nil {
		return nil, err
	}
	others, err := values(ctx, tx, s.groups, c.Scope, vpc)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(others, func(g Group) bool { return g.Name == name }) {
		return nil, fail("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, vpc)
	}
	g := Group{ID: newID(c, "sg", ""), VPC: vpc, Name: name, Description: op.Val(in.Description), Rules: []Rule{egressToAll(newID(c, "sgr", ""))}}
	if err := s.putGroup(ctx, tx, store.Doc[Group]{Scope: c.Scope, Key: g.ID, Value: g}); err != nil {
		return nil, err
	}
	if err := s.setTags(ctx, tx, c, g.ID, in.TagSpecifications); err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, tx, c.Scope, g.ID)
	if err != nil {
		return nil, err
	}
	return &ec2.CreateSecurityGroupOutput{GroupId: &g.ID, SecurityGroupArn: new(g.arn(c)), Tags: apiTags(tags.Value.Tags)}, nil
}

func (s *Service) defaultVPC(ctx context.Context, r store.Reader, scope store.Scope) (VPC, error) {
	all, err := values(ctx, r, s.vpcs, scope, "")
	if err != nil {
		return VPC{}, err
	}
	for _, v := range all {
		if v.IsDefault {
			return v, nil
		}
	}
	return VPC{}, fail("VPCIdNotSpecified", "No default VPC for this user")
}

func (g Group) arn(c op.Caller) string {
	return arn.New("ec2", c.Region, c.Account, "security-group/"+g.ID)
}

func (s *Service) describeGroups(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeSecurityGroupsInput) (*ec2.DescribeSecurityGroupsOutput, error) {
	all, err := listed(ctx, s, r, s.groups, c.Scope, func(d defaults) []Group { return []Group{d.group} })
	if err != nil {
		return nil, err
	}
	tags, err := s.allTags(ctx, r, c.Scope)
	if err != nil {
		return nil, err
	}
	filters := in.Filters
	if len(in.GroupNames) > 0 {
		filters = append(filters, ec2.Filter{Name: new("group-name"), Values: in.GroupNames})
		for _, name := range in.GroupNames {
			if !slices.ContainsFunc(all, func(g Group) bool { return g.Name == name }) {
				return nil, noGroup(name)
			}
		}
	}
	for _, id := range in.GroupIds {
		if !strings.HasPrefix(id, "sg-") {
			return nil, fail("InvalidGroupId.Malformed", "Invalid id: \"%s\" (expecting \"sg-...\")", id)
		}
	}
	found, next, err := answer(question{in.GroupIds, filters, in.MaxResults, in.NextToken}, all, func(g Group) string { return g.ID }, func(g Group) facets { return g.facets(c).with(tags[g.ID]) }, noGroup)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeSecurityGroupsOutput{NextToken: next, SecurityGroups: []ec2.SecurityGroup{}}
	for _, g := range found {
		out.SecurityGroups = append(out.SecurityGroups, ec2.SecurityGroup{
			GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, VpcId: &g.VPC, OwnerId: &c.Account, SecurityGroupArn: new(g.arn(c)), Tags: apiTags(tags[g.ID]),
			IpPermissions: permissions(c.Account, g.Rules, false), IpPermissionsEgress: permissions(c.Account, g.Rules, true),
		})
	}
	return out, nil
}

func (g Group) facets(c op.Caller) facets {
	f := facets{"group-id": {g.ID}, "group-name": {g.Name}, "description": {g.Description}, "vpc-id": {g.VPC}, "owner-id": {c.Account}}
	for _, prefix := range []string{"ip-permission.", "egress.ip-permission."} {
		for _, name := range []string{"cidr", "ipv6-cidr", "from-port", "to-port", "protocol", "group-id", "group-name", "prefix-list-id", "user-id"} {
			f[prefix+name] = nil
		}
	}
	for _, r := range g.Rules {
		prefix := "ip-permission."
		if r.IsEgress {
			prefix = "egress.ip-permission."
		}
		for name, v := range map[string]string{"cidr": r.Peer.CIDR, "ipv6-cidr": r.Peer.CIDR6, "group-id": r.Peer.Group, "prefix-list-id": r.Peer.List, "protocol": r.Protocol, "from-port": strconv.Itoa(r.From), "to-port": strconv.Itoa(r.To)} {
			if v != "" {
				f[prefix+name] = append(f[prefix+name], v)
			}
		}
	}
	return f
}

func (s *Service) groupReferences(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeSecurityGroupReferencesInput) (*ec2.DescribeSecurityGroupReferencesOutput, error) {
	return &ec2.DescribeSecurityGroupReferencesOutput{SecurityGroupReferenceSet: []ec2.SecurityGroupReference{}}, nil // references from peered VPCs only: there are none
}

// group finds one by id, or by name in the default VPC.
func (s *Service) group(ctx context.Context, tx store.Tx, scope store.Scope, id, name *string) (store.Doc[Group], error) {
	if err := s.open(ctx, tx, scope); err != nil {
		return store.Doc[Group]{}, err
	}
	if id != nil {
		return find(ctx, tx, s.groups, scope, *id, noGroup(*id))
	}
	if name == nil {
		return store.Doc[Group]{}, missing("groupId")
	}
	v, err := s.defaultVPC(ctx, tx, scope)
	if err != nil {
		return store.Doc[Group]{}, err
	}
	docs, err := s.groups.List(ctx, tx, scope, store.Query{Index: "vpc", Equal: v.ID})
	if err != nil {
		return store.Doc[Group]{}, err
	}
	for _, d := range docs {
		if d.Value.Name == *name {
			return d, nil
		}
	}
	return store.Doc[Group]{}, noGroup(*name)
}

func (s *Service) deleteGroup(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DeleteSecurityGroupInput) (*ec2.DeleteSecurityGroupOutput, error) {
	d, err := s.group(ctx, tx, c.Scope, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	if d.Value.Name == defaultName {
		return nil, fail("CannotDelete", "the specified group: \"%s\" name: \"%s\" cannot be deleted by a user", d.Key, d.Value.Name)
	}
	interfaces, err := values(ctx, tx, s.interfaces, c.Scope, d.Value.VPC)
	if err != nil {
		return nil, err
	}
	others, err := values(ctx, tx, s.groups, c.Scope, d.Value.VPC)
	if err != nil {
		return nil, err
	}
	used := slices.ContainsFunc(interfaces, func(i Interface) bool { return slices.Contains(i.Groups, d.Key) }) ||
		slices.ContainsFunc(others, func(g Group) bool {
			return g.ID != d.Key && slices.ContainsFunc(g.Rules, func(r Rule) bool { return r.Peer.Group == d.Key })
		})
	if used {
		return nil, fail("DependencyViolation", "resource %s has a dependent object", d.Key)
	}
	if err := must(s.d.Records.DeleteGroup(ctx, tx, d.Key)); err != nil {
		return nil, err
	}
	for _, id := range append([]string{d.Key}, d.Value.ruleIDs()...) {
		if err := s.untag(ctx, tx, c.Scope, id); err != nil {
			return nil, err
		}
	}
	return &ec2.DeleteSecurityGroupOutput{Return: new(true), GroupId: &d.Key}, drop(ctx, tx, s.groups, d)
}

func (g Group) ruleIDs() (ids []string) {
	for _, r := range g.Rules {
		ids = append(ids, r.ID)
	}
	return ids
}
