package events

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventpattern"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func invalid(message string) *op.Error {
	return &op.Error{Code: "ValidationException", Message: message}
}

// onBus refuses every bus but the default one, told by name or ARN.
func onBus(name *string) error {
	if n := op.Or(name, bus); n != bus && !strings.HasSuffix(n, "event-bus/"+bus) {
		return api.ResourceNotFoundException("Event bus %s does not exist.", n)
	}
	return nil
}

func (s *Service) load(ctx context.Context, r store.Reader, scope store.Scope, name, on *string) (store.Doc[Rule], error) {
	if err := onBus(on); err != nil {
		return store.Doc[Rule]{}, err
	}
	d, err := s.rules.Get(ctx, r, scope, op.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return d, api.ResourceNotFoundException("Rule %s does not exist on EventBus %s.", op.Val(name), bus)
	}
	return d, err
}

func (s *Service) putRule(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutRuleInput) (*api.PutRuleOutput, error) {
	if err := onBus(in.EventBusName); err != nil {
		return nil, err
	}
	pattern, schedule := op.Val(in.EventPattern), op.Val(in.ScheduleExpression)
	if pattern == "" && schedule == "" {
		return nil, invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	if pattern != "" {
		if _, err := eventpattern.Parse(pattern); err != nil {
			return nil, api.InvalidEventPatternException("Event pattern is not valid. Reason: %v", err)
		}
	}
	if schedule != "" {
		if _, err := parseSchedule(schedule); err != nil {
			return nil, invalid(err.Error())
		}
	}
	name := op.Val(in.Name)
	if in.RoleArn != nil {
		if err := s.pass(ctx, tx, c, *in.RoleArn, ruleARN(c.Scope, name)); err != nil {
			return nil, err
		}
	}
	d, err := s.rules.Get(ctx, tx, c.Scope, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	r := d.Value
	r.ARN, r.Pattern, r.Schedule = ruleARN(c.Scope, name), pattern, schedule
	r.State, r.Description, r.RoleARN = op.Or(in.State, api.RuleStateEnabled), op.Val(in.Description), op.Val(in.RoleArn)
	if d.Version == 0 {
		r.CreatedBy = c.Account
		r.Tags = tagMap(in.Tags)
	}
	if err := s.keep(ctx, tx, c.Scope, name, r, d.Version); err != nil {
		return nil, err
	}
	return &api.PutRuleOutput{RuleArn: &r.ARN}, nil
}

// keep writes the rule and lets its machine set or take back the schedule's timer.
func (s *Service) keep(ctx context.Context, tx store.Tx, scope store.Scope, name string, r Rule, old store.Version) error {
	if _, err := s.rules.Put(ctx, tx, scope, name, r, old); err != nil {
		return err
	}
	return s.Engine.Send(ctx, tx, engine.ID{Scope: scope, Kind: ruleKind, Key: name}, engine.Event{Name: "changed"})
}

// pass checks that the caller may give the role to EventBridge for a rule (an ARN),
// and that the role trusts it.
func (s *Service) pass(ctx context.Context, r store.Reader, c op.Caller, role, rule string) error {
	keys := map[string]string{"iam:PassedToService": principal, "iam:AssociatedResourceArn": rule}
	if err := s.Guard.Allow(ctx, r, c, "iam:PassRole", role, keys); err != nil {
		return err
	}
	if err := s.Guard.Trusts(ctx, r, role, principal); err != nil {
		return invalid("Provided role '" + role + "' cannot be assumed by principal '" + principal + "'.")
	}
	return nil
}

func (s *Service) describeRule(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeRuleInput) (*api.DescribeRuleOutput, error) {
	d, err := s.load(ctx, r, c.Scope, in.Name, in.EventBusName)
	if err != nil {
		return nil, err
	}
	return &api.DescribeRuleOutput{
		Name: &d.Key, Arn: new(ruleARN(c.Scope, d.Key)), EventPattern: op.Opt(d.Value.Pattern), ScheduleExpression: op.Opt(d.Value.Schedule), State: &d.Value.State,
		Description: op.Opt(d.Value.Description), RoleArn: op.Opt(d.Value.RoleARN), EventBusName: new(bus), CreatedBy: &d.Value.CreatedBy,
	}, nil
}

func (s *Service) listRules(ctx context.Context, r store.Reader, c op.Caller, in *api.ListRulesInput) (*api.ListRulesOutput, error) {
	if err := onBus(in.EventBusName); err != nil {
		return nil, err
	}
	limit := int(op.Or(in.Limit, 100))
	docs, err := s.rules.List(ctx, r, c.Scope, store.Query{Prefix: op.Val(in.NamePrefix), After: op.Val(in.NextToken), Limit: limit + 1})
	if errors.Is(err, store.ErrCursor) {
		return nil, invalid("The nextToken is not valid.")
	}
	if err != nil {
		return nil, err
	}
	out := &api.ListRulesOutput{Rules: []api.Rule{}}
	for i, d := range docs {
		if i == limit {
			out.NextToken = &docs[i-1].Cursor
			break
		}
		out.Rules = append(out.Rules, api.Rule{
			Name: &d.Key, Arn: new(ruleARN(c.Scope, d.Key)), EventPattern: op.Opt(d.Value.Pattern), ScheduleExpression: op.Opt(d.Value.Schedule), State: &d.Value.State,
			Description: op.Opt(d.Value.Description), RoleArn: op.Opt(d.Value.RoleARN), EventBusName: new(bus),
		})
	}
	return out, nil
}

func (s *Service) alter(ctx context.Context, tx store.Tx, scope store.Scope, name, on *string, f func(*Rule) error) error {
	d, err := s.load(ctx, tx, scope, name, on)
	if err != nil {
		return err
	}
	if err := f(&d.Value); err != nil {
		return err
	}
	return s.keep(ctx, tx, scope, d.Key, d.Value, d.Version)
}

func (s *Service) enableRule(ctx context.Context, tx store.Tx, c op.Caller, in *api.EnableRuleInput) (*api.EnableRuleOutput, error) {
	return &api.EnableRuleOutput{}, s.alter(ctx, tx, c.Scope, in.Name, in.EventBusName, func(r *Rule) error { r.State = api.RuleStateEnabled; return nil })
}

func (s *Service) disableRule(ctx context.Context, tx store.Tx, c op.Caller, in *api.DisableRuleInput) (*api.DisableRuleOutput, error) {
	return &api.DisableRuleOutput{}, s.alter(ctx, tx, c.Scope, in.Name, in.EventBusName, func(r *Rule) error { r.State = api.RuleStateDisabled; return nil })
}

func (s *Service) deleteRule(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteRuleInput) (*api.DeleteRuleOutput, error) {
	if err := onBus(in.EventBusName); err != nil {
		return nil, err
	}
	d, err := s.rules.Get(ctx, tx, c.Scope, op.Val(in.Name))
	if errors.Is(err, store.ErrNotFound) {
		return &api.DeleteRuleOutput{}, nil // AWS takes a missing rule as deleted
	}
	if err != nil {
		return nil, err
	}
	if len(d.Value.Targets) > 0 {
		return nil, invalid("Rule can't be deleted since it has targets.")
	}
	return &api.DeleteRuleOutput{}, s.rules.Delete(ctx, tx, c.Scope, d.Key, d.Version)
}

func tagMap(tags []api.Tag) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[op.Val(t.Key)] = op.Val(t.Value)
	}
	return m
}

// nameOf is the rule's name in its ARN.
func nameOf(resource *string) *string {
	_, name, _ := strings.Cut(op.Val(resource), ":rule/")
	return new(strings.TrimPrefix(name, bus+"/"))
}

func (s *Service) tag(ctx context.Context, tx store.Tx, c op.Caller, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return &api.TagResourceOutput{}, s.alter(ctx, tx, c.Scope, nameOf(in.ResourceARN), nil, func(r *Rule) error {
		if r.Tags == nil {
			r.Tags = map[string]string{}
		}
		maps.Copy(r.Tags, tagMap(in.Tags))
		return nil
	})
}

func (s *Service) untag(ctx context.Context, tx store.Tx, c op.Caller, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return &api.UntagResourceOutput{}, s.alter(ctx, tx, c.Scope, nameOf(in.ResourceARN), nil, func(r *Rule) error {
		for _, k := range in.TagKeys {
			delete(r.Tags, k)
		}
		return nil
	})
}

func (s *Service) listTags(ctx context.Context, r store.Reader, c op.Caller, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	d, err := s.load(ctx, r, c.Scope, nameOf(in.ResourceARN), nil)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceOutput{Tags: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(d.Value.Tags)) {
		out.Tags = append(out.Tags, api.Tag{Key: &k, Value: new(d.Value.Tags[k])})
	}
	return out, nil
}

func (s *Service) testPattern(_ context.Context, _ store.Reader, _ op.Caller, in *api.TestEventPatternInput) (*api.TestEventPatternOutput, error) {
	p, err := eventpattern.Parse(op.Val(in.EventPattern))
	if err != nil {
		return nil, api.InvalidEventPatternException("Event pattern is not valid. Reason: %v", err)
	}
	return &api.TestEventPatternOutput{Result: new(p.Matches([]byte(op.Val(in.Event))))}, nil
}

func (s *Service) describeBus(_ context.Context, _ store.Reader, c op.Caller, in *api.DescribeEventBusInput) (*api.DescribeEventBusOutput, error) {
	return &api.DescribeEventBusOutput{Name: new(bus), Arn: &busARN(c)[0]}, onBus(in.Name)
}

func (s *Service) listBuses(_ context.Context, _ store.Reader, c op.Caller, _ *api.ListEventBusesInput) (*api.ListEventBusesOutput, error) {
	return &api.ListEventBusesOutput{EventBuses: []api.EventBus{{Name: new(bus), Arn: &busARN(c)[0]}}}, nil
}
