package elbv2

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"

	api "github.com/penstock-ci/penstock/api/elbv2"
)

// Rule is one of a listener's rules; the default one is part of its Listener.
type Rule struct {
	ARN, Listener string
	Priority      int32
	Conditions    []api.RuleCondition
	Actions       []api.Action
	Tags          map[string]string
}

func (r Rule) api() api.Rule {
	return api.Rule{
		RuleArn: new(r.ARN), Priority: new(strconv.Itoa(int(r.Priority))), Conditions: r.Conditions, Actions: r.Actions,
		IsDefault: new(false), Transforms: []api.RuleTransform{},
	}
}

func (l Listener) defaultRule() api.Rule {
	return api.Rule{
		RuleArn: new(l.DefaultRule), Priority: new("default"), Conditions: []api.RuleCondition{}, Actions: l.Actions,
		IsDefault: new(true), Transforms: []api.RuleTransform{},
	}
}

// maxRules is AWS's quota of rules of a balancer, defaults not counted.
const maxRules = 100

func (s *Service) createRule(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateRuleInput) (*api.CreateRuleOutput, error) {
	l, err := s.listener(ctx, tx, c, in.ListenerArn)
	if err != nil {
		return nil, err
	}
	if l.Value.Protocol != "HTTP" {
		return nil, api.UnsupportedProtocolException("Rules are not supported for %s listeners", l.Value.Protocol)
	}
	if len(in.Transforms) > 0 {
		return nil, invalid("Transforms are not supported here")
	}
	r := Rule{ARN: ruleARN(l.Key, ids.Hex(16, c.Key)), Listener: l.Key, Priority: op.Val(in.Priority), Tags: map[string]string{}}
	if err := tag(r.Tags, in.Tags); err != nil {
		return nil, err
	}
	if r.Conditions, err = conditions(in.Conditions); err != nil {
		return nil, err
	}
	if r.Actions, err = s.actions(ctx, tx, c.Scope, l.Value, in.Actions); err != nil {
		return nil, err
	}
	others, err := s.rulesOf(ctx, tx, c.Scope, l.Key)
	if err != nil {
		return nil, err
	}
	if len(others) >= maxRules {
		return nil, api.TooManyRulesException("The maximum number of rules has been reached")
	}
	if slices.ContainsFunc(others, func(o Rule) bool { return o.Priority == r.Priority }) {
		return nil, api.PriorityInUseException("Priority '%d' is currently in use", r.Priority)
	}
	if err := s.putRule(ctx, tx, c.Scope, l.Value, r, 0); err != nil {
		return nil, err
	}
	return &api.CreateRuleOutput{Rules: []api.Rule{r.api()}}, nil
}

// rulesOf are a listener's rules by priority.
func (s *Service) rulesOf(ctx context.Context, r store.Reader, scope store.Scope, listener string) ([]Rule, error) {
	docs, err := rules.List(ctx, r, scope, store.Query{Index: "listener", Equal: listener})
	if err != nil {
		return nil, err
	}
	all := values(docs)
	slices.SortFunc(all, func(a, b Rule) int { return cmp.Compare(a.Priority, b.Priority) })
	return all, nil
}

func (s *Service) putRule(ctx context.Context, tx store.Tx, scope store.Scope, l Listener, r Rule, old store.Version) error {
	if _, err := rules.Put(ctx, tx, scope, r.ARN, r, old); err != nil {
		return err
	}
	if err := s.publishListener(ctx, tx, scope, l); err != nil {
		return err
	}
	return s.associate(ctx, tx, scope, l.Balancer)
}

// publishListener writes a listener with its rules for the data plane.
func (s *Service) publishListener(ctx context.Context, tx store.Tx, scope store.Scope, l Listener) error {
	rs, err := s.rulesOf(ctx, tx, scope, l.ARN)
	if err != nil {
		return err
	}
	rec := dataplane.Listener{ID: l.ARN, Balancer: l.Balancer, Protocol: l.Protocol, Port: uint16(l.Port)}
	for _, r := range rs {
		rec.Rules = append(rec.Rules, dataplane.Rule{
			ID: r.ARN, Priority: int(r.Priority), Conditions: conditionRecords(r.Conditions), Action: actionRecord(r.Actions),
		})
	}
	rec.Rules = append(rec.Rules, dataplane.Rule{ID: l.DefaultRule, Action: actionRecord(l.Actions)})
	_, err = s.Records.PutListener(ctx, tx, rec)
	return err
}

func (s *Service) describeRules(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeRulesInput) (*api.DescribeRulesOutput, error) {
	out := &api.DescribeRulesOutput{Rules: []api.Rule{}}
	if in.ListenerArn != nil {
		l, err := s.listener(ctx, r, c, in.ListenerArn)
		if err != nil {
			return nil, err
		}
		all, err := s.rulesOf(ctx, r, c.Scope, l.Key)
		if err != nil {
			return nil, err
		}
		for _, rule := range all {
			out.Rules = append(out.Rules, rule.api())
		}
		out.Rules = append(out.Rules, l.Value.defaultRule())
		return out, nil
	}
	if len(in.RuleArns) == 0 {
		return nil, invalid("You must specify either listener rule ARNs or a listener ARN")
	}
	for _, a := range in.RuleArns {
		rule, err := s.ruleAPI(ctx, r, c, a)
		if err != nil {
			return nil, err
		}
		out.Rules = append(out.Rules, rule)
	}
	return out, nil
}

// ruleAPI finds a rule, also a default one.
func (s *Service) ruleAPI(ctx context.Context, r store.Reader, c op.Caller, a string) (api.Rule, error) {
	d, err := rules.Get(ctx, r, c.Scope, a)
	if err == nil {
		return d.Value.api(), nil
	}
	l, isDefault, lerr := s.defaultOf(ctx, r, c.Scope, a)
	if lerr != nil {
		return api.Rule{}, lerr
	}
	if isDefault {
		return l.defaultRule(), nil
	}
	return api.Rule{}, missing(err, api.RuleNotFoundException("One or more rules not found"))
}

// defaultOf is the listener whose default rule a is.
func (s *Service) defaultOf(ctx context.Context, r store.Reader, scope store.Scope, a string) (Listener, bool, error) {
	docs, err := listeners.List(ctx, r, scope, store.Query{})
	if err != nil {
		return Listener{}, false, err
	}
	for _, d := range docs {
		if d.Value.DefaultRule == a {
			return d.Value, true, nil
		}
	}
	return Listener{}, false, nil
}

// ruleToChange finds a rule that is not a default one, which what may not be done to.
func (s *Service) ruleToChange(ctx context.Context, r store.Reader, c op.Caller, a *string, what string) (d store.Doc[Rule], l Listener, err error) {
	if d, err = rules.Get(ctx, r, c.Scope, op.Val(a)); err == nil {
		ld, err := s.listener(ctx, r, c, &d.Value.Listener)
		return d, ld.Value, err
	}
	_, isDefault, lerr := s.defaultOf(ctx, r, c.Scope, op.Val(a))
	if lerr != nil {
		return d, l, lerr
	}
	if isDefault {
		return d, l, api.OperationNotPermittedException("Default rule '%s' cannot be %s", op.Val(a), what)
	}
	return d, l, missing(err, api.RuleNotFoundException("One or more rules not found"))
}

func (s *Service) modifyRule(ctx context.Context, tx store.Tx, c op.Caller, in *api.ModifyRuleInput) (*api.ModifyRuleOutput, error) {
	d, l, err := s.ruleToChange(ctx, tx, c, in.RuleArn, "modified")
	if err != nil {
		return nil, err
	}
	if len(in.Transforms) > 0 {
		return nil, invalid("Transforms are not supported here")
	}
	r := d.Value
	if len(in.Conditions) > 0 {
		if r.Conditions, err = conditions(in.Conditions); err != nil {
			return nil, err
		}
	}
	if len(in.Actions) > 0 {
		if r.Actions, err = s.actions(ctx, tx, c.Scope, l, in.Actions); err != nil {
			return nil, err
		}
	}
	if err := s.putRule(ctx, tx, c.Scope, l, r, d.Version); err != nil {
		return nil, err
	}
	return &api.ModifyRuleOutput{Rules: []api.Rule{r.api()}}, nil
}

// setRulePriorities changes all at once; rules may swap.
func (s *Service) setRulePriorities(ctx context.Context, tx store.Tx, c op.Caller, in *api.SetRulePrioritiesInput) (*api.SetRulePrioritiesOutput, error) {
	out := &api.SetRulePrioritiesOutput{}
	changed := map[string]Listener{}
	for _, p := range in.RulePriorities {
		d, l, err := s.ruleToChange(ctx, tx, c, p.RuleArn, "given a priority")
		if err != nil {
			return nil, err
		}
		d.Value.Priority = op.Val(p.Priority)
		if _, err := rules.Put(ctx, tx, c.Scope, d.Key, d.Value, d.Version); err != nil {
			return nil, err
		}
		changed[l.ARN] = l
		out.Rules = append(out.Rules, d.Value.api())
	}
	for _, l := range changed {
		all, err := s.rulesOf(ctx, tx, c.Scope, l.ARN)
		if err != nil {
			return nil, err
		}
		for i := 1; i < len(all); i++ {
			if all[i].Priority == all[i-1].Priority {
				return nil, api.PriorityInUseException("Priority '%d' is currently in use", all[i].Priority)
			}
		}
		if err := s.publishListener(ctx, tx, c.Scope, l); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) deleteRule(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteRuleInput) (*api.DeleteRuleOutput, error) {
	d, l, err := s.ruleToChange(ctx, tx, c, in.RuleArn, "deleted")
	if err != nil {
		return nil, err
	}
	if err := rules.Delete(ctx, tx, c.Scope, d.Key, d.Version); err != nil {
		return nil, err
	}
	if err := s.publishListener(ctx, tx, c.Scope, l); err != nil {
		return nil, err
	}
	return &api.DeleteRuleOutput{}, s.associate(ctx, tx, c.Scope, l.Balancer)
}
