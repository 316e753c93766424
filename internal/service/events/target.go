package events

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// maxTargets is AWS's limit of targets per rule.
const maxTargets = 5

func (s *Service) putTargets(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutTargetsInput) (*api.PutTargetsOutput, error) {
	var targets []Target
	for _, t := range in.Targets {
		if err := checkTarget(t); err != nil {
			return nil, err
		}
		if err := s.pass(ctx, tx, c, *t.RoleArn, ruleARN(c.Scope, op.Val(in.Rule))); err != nil {
			return nil, err
		}
		target := Target{ID: op.Val(t.Id), ARN: op.Val(t.Arn), RoleARN: op.Val(t.RoleArn), Input: op.Val(t.Input), InputPath: op.Val(t.InputPath)}
		if t.InputTransformer != nil {
			target.Paths, target.Template = t.InputTransformer.InputPathsMap, op.Val(t.InputTransformer.InputTemplate)
		}
		targets = append(targets, target)
	}
	err := s.alter(ctx, tx, c.Scope, in.Rule, in.EventBusName, func(r *Rule) error {
		for _, t := range targets {
			i := slices.IndexFunc(r.Targets, func(old Target) bool { return old.ID == t.ID })
			if i >= 0 {
				r.Targets[i] = t
				continue
			}
			r.Targets = append(r.Targets, t)
		}
		if len(r.Targets) > maxTargets {
			return api.LimitExceededException("The requested resource exceeds the maximum number allowed.")
		}
		return nil
	})
	return &api.PutTargetsOutput{FailedEntryCount: new(int32(0)), FailedEntries: []api.PutTargetsResultEntry{}}, err
}

// checkTarget refuses what would never be delivered, when it is written.
func checkTarget(t api.Target) error {
	n := 0
	for _, given := range []bool{t.Input != nil, t.InputPath != nil, t.InputTransformer != nil} {
		if given {
			n++
		}
	}
	if n > 1 {
		return invalid(fmt.Sprintf("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", op.Val(t.Id)))
	}
	if t.Input != nil && !json.Valid([]byte(*t.Input)) {
		return invalid(fmt.Sprintf("JSON syntax error in input for target %s", op.Val(t.Id)))
	}
	a, ok := arn.Parse(op.Val(t.Arn))
	if !ok {
		return invalid("Parameter " + op.Val(t.Arn) + " is not valid. Reason: Provided Arn is not in correct format.")
	}
	if a.Service != "codepipeline" && !(a.Service == "codebuild" && strings.HasPrefix(a.Resource, "project/")) {
		return invalid("Targets of the service " + a.Service + " are not supported by Penstock: pipelines and build projects are. See docs/parity.md.")
	}
	if t.RoleArn == nil {
		return invalid("RoleArn is required for target " + op.Val(t.Arn) + ".")
	}
	return nil
}

func (s *Service) listTargets(ctx context.Context, r store.Reader, c op.Caller, in *api.ListTargetsByRuleInput) (*api.ListTargetsByRuleOutput, error) {
	d, err := s.load(ctx, r, c.Scope, in.Rule, in.EventBusName)
	if err != nil {
		return nil, err
	}
	out := &api.ListTargetsByRuleOutput{Targets: []api.Target{}}
	for _, t := range d.Value.Targets {
		shown := api.Target{Id: &t.ID, Arn: &t.ARN, RoleArn: op.Opt(t.RoleARN), Input: op.Opt(t.Input), InputPath: op.Opt(t.InputPath)}
		if t.Template != "" {
			shown.InputTransformer = &api.InputTransformer{InputPathsMap: t.Paths, InputTemplate: &t.Template}
		}
		out.Targets = append(out.Targets, shown)
	}
	return out, nil
}

func (s *Service) listRuleNames(ctx context.Context, r store.Reader, c op.Caller, in *api.ListRuleNamesByTargetInput) (*api.ListRuleNamesByTargetOutput, error) {
	docs, err := s.rules.List(ctx, r, c.Scope, store.Query{})
	out := &api.ListRuleNamesByTargetOutput{RuleNames: []string{}}
	for _, d := range docs {
		if slices.ContainsFunc(d.Value.Targets, func(t Target) bool { return t.ARN == op.Val(in.TargetArn) }) {
			out.RuleNames = append(out.RuleNames, d.Key)
		}
	}
	return out, err
}

func (s *Service) removeTargets(ctx context.Context, tx store.Tx, c op.Caller, in *api.RemoveTargetsInput) (*api.RemoveTargetsOutput, error) {
	out := &api.RemoveTargetsOutput{FailedEntries: []api.RemoveTargetsResultEntry{}}
	err := s.alter(ctx, tx, c.Scope, in.Rule, in.EventBusName, func(r *Rule) error {
		for _, id := range in.Ids {
			i := slices.IndexFunc(r.Targets, func(t Target) bool { return t.ID == id })
			if i < 0 {
				out.FailedEntries = append(out.FailedEntries, api.RemoveTargetsResultEntry{TargetId: &id, ErrorCode: new("ResourceNotFoundException"), ErrorMessage: new("Rule does not contain target " + id)})
				continue
			}
			r.Targets = slices.Delete(r.Targets, i, i+1)
		}
		return nil
	})
	out.FailedEntryCount = new(int32(len(out.FailedEntries)))
	return out, err
}
