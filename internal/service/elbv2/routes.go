package elbv2

import (
	api "github.com/penstock-ci/penstock/api/elbv2"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface of the service. An operation that is not listed is
// refused by name.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.CreateLoadBalancer, nil, s.createLoadBalancer),
		op.Read(api.DescribeLoadBalancers, nil, s.describeLoadBalancers),
		op.Change(api.SetSubnets, on(func(in *api.SetSubnetsInput) *string { return in.LoadBalancerArn }), s.setSubnets),
		op.Change(api.SetSecurityGroups, on(func(in *api.SetSecurityGroupsInput) *string { return in.LoadBalancerArn }), s.setSecurityGroups),
		op.Change(api.SetIpAddressType, on(func(in *api.SetIpAddressTypeInput) *string { return in.LoadBalancerArn }), s.setIPAddressType),
		op.Read(api.DescribeLoadBalancerAttributes, nil, s.describeLoadBalancerAttributes),
		op.Change(api.ModifyLoadBalancerAttributes, on(func(in *api.ModifyLoadBalancerAttributesInput) *string { return in.LoadBalancerArn }), s.modifyLoadBalancerAttributes),
		op.Read(api.DescribeCapacityReservation, nil, s.describeCapacityReservation),
		op.Change(api.DeleteLoadBalancer, on(func(in *api.DeleteLoadBalancerInput) *string { return in.LoadBalancerArn }), s.deleteLoadBalancer),

		op.Change(api.CreateListener, on(func(in *api.CreateListenerInput) *string { return in.LoadBalancerArn }), s.createListener),
		op.Read(api.DescribeListeners, nil, s.describeListeners),
		op.Change(api.ModifyListener, on(func(in *api.ModifyListenerInput) *string { return in.ListenerArn }), s.modifyListener),
		op.Read(api.DescribeListenerAttributes, nil, s.describeListenerAttributes),
		op.Change(api.ModifyListenerAttributes, on(func(in *api.ModifyListenerAttributesInput) *string { return in.ListenerArn }), s.modifyListenerAttributes),
		op.Read(api.DescribeListenerCertificates, nil, s.describeListenerCertificates),
		op.Change(api.DeleteListener, on(func(in *api.DeleteListenerInput) *string { return in.ListenerArn }), s.deleteListener),

		op.Change(api.CreateRule, on(func(in *api.CreateRuleInput) *string { return in.ListenerArn }), s.createRule),
		op.Read(api.DescribeRules, nil, s.describeRules),
		op.Change(api.ModifyRule, on(func(in *api.ModifyRuleInput) *string { return in.RuleArn }), s.modifyRule),
		op.Change(api.SetRulePriorities, nil, s.setRulePriorities),
		op.Change(api.DeleteRule, on(func(in *api.DeleteRuleInput) *string { return in.RuleArn }), s.deleteRule),

		op.Change(api.CreateTargetGroup, nil, s.createTargetGroup),
		op.Read(api.DescribeTargetGroups, nil, s.describeTargetGroups),
		op.Change(api.ModifyTargetGroup, on(func(in *api.ModifyTargetGroupInput) *string { return in.TargetGroupArn }), s.modifyTargetGroup),
		op.Read(api.DescribeTargetGroupAttributes, nil, s.describeTargetGroupAttributes),
		op.Change(api.ModifyTargetGroupAttributes, on(func(in *api.ModifyTargetGroupAttributesInput) *string { return in.TargetGroupArn }), s.modifyTargetGroupAttributes),
		op.Change(api.RegisterTargets, on(func(in *api.RegisterTargetsInput) *string { return in.TargetGroupArn }), s.registerTargets),
		op.Change(api.DeregisterTargets, on(func(in *api.DeregisterTargetsInput) *string { return in.TargetGroupArn }), s.deregisterTargets),
		op.Read(api.DescribeTargetHealth, nil, s.describeTargetHealth),
		op.Change(api.DeleteTargetGroup, on(func(in *api.DeleteTargetGroupInput) *string { return in.TargetGroupArn }), s.deleteTargetGroup),

		op.Change(api.AddTags, func(_ op.Caller, in *api.AddTagsInput) []string { return in.ResourceArns }, s.addTags),
		op.Change(api.RemoveTags, func(_ op.Caller, in *api.RemoveTagsInput) []string { return in.ResourceArns }, s.removeTags),
		op.Read(api.DescribeTags, nil, s.describeTags),
		op.Read(api.DescribeSSLPolicies, nil, s.describeSSLPolicies),
		op.Read(api.DescribeAccountLimits, nil, s.describeAccountLimits),
	}
}

// on asks the policy about the resource that the input names.
func on[I any](f func(*I) *string) func(op.Caller, *I) []string {
	return func(_ op.Caller, in *I) []string { return []string{op.Val(f(in))} }
}
