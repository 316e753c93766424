package ec2

import (
	"context"
	"slices"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// rulesPerDirection is AWS's default quota.
const rulesPerDirection = 60

// authorize adds rules to a group.
func (s *Service) authorize(ctx context.Context, tx store.Tx, c op.Caller, d store.Doc[Group], f form, egress bool, specs []ec2.TagSpecification) ([]ec2.SecurityGroupRule, error) {
	rules, err := f.rules(c, egress)
	if err != nil {
		return nil, err
	}
	var out []ec2.SecurityGroupRule
	for n, r := range rules {
		if err := s.resolvePeer(ctx, tx, c, &r, d.Value.VPC); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(d.Value.Rules, r.allows) {
			return nil, fail("InvalidPermission.Duplicate", "the specified rule \"%s\" already exists", r)
		}
		r.ID = newID(c, "sgr", string(rune('a'+n%26))+r.Peer.String())
		d.Value.Rules = append(d.Value.Rules, r)
		if err := s.setTags(ctx, tx, c, r.ID, specs); err != nil {
			return nil, err
		}
		tags, err := s.tagsOf(ctx, tx, c.Scope, r.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, r.api(c, d.Key, tags.Value.Tags))
	}
	count := 0
	for _, r := range d.Value.Rules {
		if r.IsEgress == egress {
			count++
		}
	}
	if count > rulesPerDirection {
		return nil, fail("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	return out, s.putGroup(ctx, tx, d)
}

// resolvePeer checks a referenced group; a name stands for the group of the same VPC.
func (s *Service) resolvePeer(ctx context.Context, r store.Reader, c op.Caller, rule *Rule, vpc string) error {
	if rule.Peer.Group == "" {
		return nil
	}
	all, err := values(ctx, r, s.groups, c.Scope, vpc)
	if err != nil {
		return err
	}
	for _, g := range all {
		if g.ID == rule.Peer.Group || g.Name == rule.Peer.Group {
			rule.Peer.Group = g.ID
			return nil
		}
	}
	return noGroup(rule.Peer.Group)
}

func (s *Service) authorizeIngress(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.AuthorizeSecurityGroupIngressInput) (*ec2.AuthorizeSecurityGroupIngressOutput, error) {
	d, err := s.group(ctx, tx, c.Scope, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	rules, err := s.authorize(ctx, tx, c, d, form{in.IpPermissions, in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId, in.FromPort, in.ToPort}, false, in.TagSpecifications)
	return &ec2.AuthorizeSecurityGroupIngressOutput{Return: new(true), SecurityGroupRules: rules}, err
}

func (s *Service) authorizeEgress(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.AuthorizeSecurityGroupEgressInput) (*ec2.AuthorizeSecurityGroupEgressOutput, error) {
	d, err := s.group(ctx, tx, c.Scope, in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	rules, err := s.authorize(ctx, tx, c, d, form{in.IpPermissions, in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId, in.FromPort, in.ToPort}, true, in.TagSpecifications)
	return &ec2.AuthorizeSecurityGroupEgressOutput{Return: new(true), SecurityGroupRules: rules}, err
}

// revoke takes rules away, by id or by what they allow.
func (s *Service) revoke(ctx context.Context, tx store.Tx, c op.Caller, d store.Doc[Group], ids []string, f form, egress bool) (out []ec2.RevokedSecurityGroupRule, err error) {
	var gone []Rule
	for _, id := range ids {
		i := slices.IndexFunc(d.Value.Rules, func(r Rule) bool { return r.ID == id && r.IsEgress == egress })
		if i < 0 {
			return nil, fail("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
		}
		gone = append(gone, d.Value.Rules[i])
	}
	if len(ids) == 0 {
		rules, err := f.rules(c, egress)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			if err := s.resolvePeer(ctx, tx, c, &r, d.Value.VPC); err != nil {
				return nil, err
			}
			i := slices.IndexFunc(d.Value.Rules, r.allows)
			if i < 0 {
				return nil, fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
			}
			gone = append(gone, d.Value.Rules[i])
		}
	}
	for _, r := range gone {
		d.Value.Rules = slices.DeleteFunc(d.Value.Rules, func(x Rule) bool { return x.ID == r.ID })
		if err := s.untag(ctx, tx, c.Scope, r.ID); err != nil {
			return nil, err
		}
		out = append(out, ec2.RevokedSecurityGroupRule{
			SecurityGroupRuleId: &r.ID, GroupId: &d.Key, IsEgress: &r.IsEgress, IpProtocol: &r.Protocol, FromPort: new(int32(r.From)), ToPort: new(int32(r.To)),
			CidrIpv4: op.Opt(r.Peer.CIDR), CidrIpv6: op.Opt(r.Peer.CIDR6), PrefixListId: op.Opt(r.Peer.List), ReferencedGroupId: op.Opt(r.Peer.Group), Description: op.Opt(r.Description),
		})
	}
	return out, s.putGroup(ctx, tx, d)
}

func (s *Service) revokeIngress(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.RevokeSecurityGroupIngressInput) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	d, err := s.group(ctx, tx, c.Scope, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	rules, err := s.revoke(ctx, tx, c, d, in.SecurityGroupRuleIds, form{in.IpPermissions, in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId, in.FromPort, in.ToPort}, false)
	return &ec2.RevokeSecurityGroupIngressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, err
}

func (s *Service) revokeEgress(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.RevokeSecurityGroupEgressInput) (*ec2.RevokeSecurityGroupEgressOutput, error) {
	d, err := s.group(ctx, tx, c.Scope, in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	rules, err := s.revoke(ctx, tx, c, d, in.SecurityGroupRuleIds, form{in.IpPermissions, in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId, in.FromPort, in.ToPort}, true)
	return &ec2.RevokeSecurityGroupEgressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, err
}

func (s *Service) describeRules(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeSecurityGroupRulesInput) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	groups, err := listed(ctx, s, r, s.groups, c.Scope, func(d defaults) []Group { return []Group{d.group} })
	if err != nil {
		return nil, err
	}
	tags, err := s.allTags(ctx, r, c.Scope)
	if err != nil {
		return nil, err
	}
	type one struct {
		Rule
		group string
	}
	var all []one
	for _, g := range groups {
		for _, x := range g.Rules {
			all = append(all, one{x, g.ID})
		}
	}
	found, next, err := answer(question{in.SecurityGroupRuleIds, in.Filters, in.MaxResults, in.NextToken}, all, func(o one) string { return o.ID }, func(o one) facets {
		return facets{"group-id": {o.group}, "security-group-rule-id": {o.ID}}.with(tags[o.ID])
	}, func(id string) *op.Error {
		return fail("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
	})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeSecurityGroupRulesOutput{NextToken: next, SecurityGroupRules: []ec2.SecurityGroupRule{}}
	for _, o := range found {
		out.SecurityGroupRules = append(out.SecurityGroupRules, o.api(c, o.group, tags[o.ID]))
	}
	return out, nil
}

func (s *Service) modifyRules(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.ModifySecurityGroupRulesInput) (*ec2.ModifySecurityGroupRulesOutput, error) {
	d, err := s.group(ctx, tx, c.Scope, in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	for _, u := range in.SecurityGroupRules {
		i := slices.IndexFunc(d.Value.Rules, func(r Rule) bool { return r.ID == op.Val(u.SecurityGroupRuleId) })
		if i < 0 {
			return nil, fail("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", op.Val(u.SecurityGroupRuleId))
		}
		if u.SecurityGroupRule == nil {
			return nil, missing("SecurityGroupRule")
		}
		p := ec2.IpPermission{IpProtocol: u.SecurityGroupRule.IpProtocol, FromPort: u.SecurityGroupRule.FromPort, ToPort: u.SecurityGroupRule.ToPort}
		switch x := u.SecurityGroupRule; {
		case x.CidrIpv4 != nil:
			p.IpRanges = []ec2.IpRange{{CidrIp: x.CidrIpv4, Description: x.Description}}
		case x.CidrIpv6 != nil:
			p.Ipv6Ranges = []ec2.Ipv6Range{{CidrIpv6: x.CidrIpv6, Description: x.Description}}
		case x.PrefixListId != nil:
			p.PrefixListIds = []ec2.PrefixListId{{PrefixListId: x.PrefixListId, Description: x.Description}}
		case x.ReferencedGroupId != nil:
			p.UserIdGroupPairs = []ec2.UserIdGroupPair{{GroupId: x.ReferencedGroupId, Description: x.Description}}
		}
		rules, err := expand(c, p, d.Value.Rules[i].IsEgress)
		if err != nil {
			return nil, err
		}
		if err := s.resolvePeer(ctx, tx, c, &rules[0], d.Value.VPC); err != nil {
			return nil, err
		}
		rules[0].ID = d.Value.Rules[i].ID
		d.Value.Rules[i] = rules[0]
	}
	return &ec2.ModifySecurityGroupRulesOutput{Return: new(true)}, s.putGroup(ctx, tx, d)
}

// redescribe changes descriptions, of rules named by id or by what they allow.
func (s *Service) redescribe(ctx context.Context, tx store.Tx, c op.Caller, d store.Doc[Group], byID []ec2.SecurityGroupRuleDescription, f form, egress bool) error {
	for _, x := range byID {
		i := slices.IndexFunc(d.Value.Rules, func(r Rule) bool { return r.ID == op.Val(x.SecurityGroupRuleId) })
		if i < 0 {
			return fail("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", op.Val(x.SecurityGroupRuleId))
		}
		d.Value.Rules[i].Description = op.Val(x.Description)
	}
	if len(byID) == 0 {
		rules, err := f.rules(c, egress)
		if err != nil {
			return err
		}
		for _, r := range rules {
			if err := s.resolvePeer(ctx, tx, c, &r, d.Value.VPC); err != nil {
				return err
			}
			i := slices.IndexFunc(d.Value.Rules, r.allows)
			if i < 0 {
				return fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
			}
			d.Value.Rules[i].Description = r.Description
		}
	}
	return s.putGroup(ctx, tx, d)
}

func (s *Service) redescribeIngress(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.UpdateSecurityGroupRuleDescriptionsIngressInput) (*ec2.UpdateSecurityGroupRuleDescriptionsIngressOutput, error) {
	d, err := s.group(ctx, tx, c.Scope, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	return &ec2.UpdateSecurityGroupRuleDescriptionsIngressOutput{Return: new(true)}, s.redescribe(ctx, tx, c, d, in.SecurityGroupRuleDescriptions, form{permissions: in.IpPermissions}, false)
}

func (s *Service) redescribeEgress(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.UpdateSecurityGroupRuleDescriptionsEgressInput) (*ec2.UpdateSecurityGroupRuleDescriptionsEgressOutput, error) {
	d, err := s.group(ctx, tx, c.Scope, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	return &ec2.UpdateSecurityGroupRuleDescriptionsEgressOutput{Return: new(true)}, s.redescribe(ctx, tx, c, d, in.SecurityGroupRuleDescriptions, form{permissions: in.IpPermissions}, true)
}
