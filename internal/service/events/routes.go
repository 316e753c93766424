package events

import (
	api "github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface of the service.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.PutRule, func(c op.Caller, in *api.PutRuleInput) []string { return ruleARNs(c, in.Name) }, s.putRule),
		op.Read(api.DescribeRule, func(c op.Caller, in *api.DescribeRuleInput) []string { return ruleARNs(c, in.Name) }, s.describeRule),
		op.Read(api.ListRules, func(c op.Caller, in *api.ListRulesInput) []string { return ruleARNs(c, new(op.Val(in.NamePrefix)+"*")) }, s.listRules),
		op.Change(api.EnableRule, func(c op.Caller, in *api.EnableRuleInput) []string { return ruleARNs(c, in.Name) }, s.enableRule),
		op.Change(api.DisableRule, func(c op.Caller, in *api.DisableRuleInput) []string { return ruleARNs(c, in.Name) }, s.disableRule),
		op.Change(api.DeleteRule, func(c op.Caller, in *api.DeleteRuleInput) []string { return ruleARNs(c, in.Name) }, s.deleteRule),

		op.Change(api.PutTargets, func(c op.Caller, in *api.PutTargetsInput) []string { return ruleARNs(c, in.Rule) }, s.putTargets),
		op.Read(api.ListTargetsByRule, func(c op.Caller, in *api.ListTargetsByRuleInput) []string { return ruleARNs(c, in.Rule) }, s.listTargets),
		op.Read(api.ListRuleNamesByTarget, func(c op.Caller, _ *api.ListRuleNamesByTargetInput) []string { return ruleARNs(c, new("*")) }, s.listRuleNames),
		op.Change(api.RemoveTargets, func(c op.Caller, in *api.RemoveTargetsInput) []string { return ruleARNs(c, in.Rule) }, s.removeTargets),

		op.Change(api.PutEvents, func(c op.Caller, _ *api.PutEventsInput) []string { return busARN(c) }, s.putEvents),
		op.Read(api.TestEventPattern, nil, s.testPattern),
		op.Read(api.DescribeEventBus, func(c op.Caller, _ *api.DescribeEventBusInput) []string { return busARN(c) }, s.describeBus),
		op.Read(api.ListEventBuses, nil, s.listBuses),

		op.Change(api.TagResource, func(_ op.Caller, in *api.TagResourceInput) []string { return []string{op.Val(in.ResourceARN)} }, s.tag),
		op.Change(api.UntagResource, func(_ op.Caller, in *api.UntagResourceInput) []string { return []string{op.Val(in.ResourceARN)} }, s.untag),
		op.Read(api.ListTagsForResource, func(_ op.Caller, in *api.ListTagsForResourceInput) []string { return []string{op.Val(in.ResourceARN)} }, s.listTags),
	}
}

func ruleARNs(c op.Caller, name *string) []string { return []string{ruleARN(c.Scope, op.Val(name))} }

func busARN(c op.Caller) []string {
	return []string{arn.New("events", c.Region, c.Account, "event-bus/"+bus)}
}
