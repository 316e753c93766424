package elbv2

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/elbv2"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
)

func TestTagsDecide(t *testing.T) {
	t.Parallel()
	w := setup(t)
	tags := []api.Tag{{Key: new("team"), Value: new("a")}}
	balancer := call(w, api.CreateLoadBalancer, &api.CreateLoadBalancerInput{Name: new("web"), Subnets: []string{"subnet-1", "subnet-2"}, Tags: tags}).LoadBalancers[0].LoadBalancerArn
	group := call(w, api.CreateTargetGroup, &api.CreateTargetGroupInput{
		Name: new("blue"), Protocol: new("HTTP"), Port: new(int32(8080)), VpcId: new("vpc-1"), TargetType: new("ip"), Tags: tags,
	}).TargetGroups[0].TargetGroupArn
	forward := []api.Action{{Type: new("forward"), TargetGroupArn: group}}
	listener := call(w, api.CreateListener, &api.CreateListenerInput{LoadBalancerArn: balancer, Protocol: new("HTTP"), Port: new(int32(80)), DefaultActions: forward, Tags: tags}).Listeners[0].ListenerArn
	rule := call(w, api.CreateRule, &api.CreateRuleInput{
		ListenerArn: listener, Priority: new(int32(10)), Actions: forward, Tags: tags, Conditions: []api.RuleCondition{{Field: new("path-pattern"), Values: []string{"/a"}}},
	}).Rules[0].RuleArn
	e := dispatchtest.Enforce(t, w.DB, New(Deps{}))
	for _, resource := range []*string{balancer, group, listener, rule} {
		for _, key := range []string{"aws:ResourceTag/team", "elasticloadbalancing:ResourceTag/team"} {
			e.Decides(t, key, "a", dispatchtest.Asking(t, e, api.RemoveTags, &api.RemoveTagsInput{ResourceArns: []string{*resource}, TagKeys: []string{"none"}}))
		}
	}
	e.Decides(t, "aws:TagKeys", "none", dispatchtest.Asking(t, e, api.RemoveTags, &api.RemoveTagsInput{ResourceArns: []string{*group}, TagKeys: []string{"none"}}))
}
