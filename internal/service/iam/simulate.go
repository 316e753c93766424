package iam

import (
	"context"
	"strings"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Policies answers what-if questions with the very code that decides.
type Policies interface {
	Decide(ctx context.Context, r store.Reader, q identity.Question) (*identity.Refusal, error)
}

// simulatePrincipalPolicy takes no further policy documents: those are refused by name.
func (s *Service) simulatePrincipalPolicy(ctx context.Context, r store.Reader, c op.Caller, in *api.SimulatePrincipalPolicyInput) (*api.SimulatePrincipalPolicyOutput, error) {
	if len(in.PolicyInputList) > 0 || len(in.PermissionsBoundaryPolicyInputList) > 0 || in.ResourcePolicy != nil {
		return nil, api.InvalidInputException("PolicyInputList, PermissionsBoundaryPolicyInputList and ResourcePolicy are not supported here: attach the policy to a test principal instead.")
	}
	who, err := s.simulated(ctx, r, c, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	facts := map[string][]string{}
	for _, e := range in.ContextEntries {
		facts[op.Val(e.ContextKeyName)] = e.ContextKeyValues
	}
	resources := in.ResourceArns
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	out := &api.SimulatePrincipalPolicyOutput{IsTruncated: new(false), EvaluationResults: []api.EvaluationResult{}}
	for _, action := range in.ActionNames {
		for _, resource := range resources {
			refusal, err := s.Policies.Decide(ctx, r, identity.Question{Caller: who, Action: action, Resource: resource, Context: facts})
			if err != nil {
				return nil, err
			}
			decision := api.PolicyEvaluationDecisionTypeAllowed
			if refusal != nil {
				decision = api.PolicyEvaluationDecisionTypeImplicitDeny
				if strings.HasPrefix(refusal.Reason, "with an explicit deny") {
					decision = api.PolicyEvaluationDecisionTypeExplicitDeny
				}
			}
			out.EvaluationResults = append(out.EvaluationResults, api.EvaluationResult{EvalActionName: new(action), EvalResourceName: new(resource), EvalDecision: new(decision)})
		}
	}
	return out, nil
}

// simulated is the user or role, as it would call.
func (s *Service) simulated(ctx context.Context, r store.Reader, c op.Caller, source string) (op.Caller, error) {
	id, _ := arn.Parse(source)
	if id.Account != c.Account {
		return op.Caller{}, api.NoSuchEntityException("The entity with ARN %s cannot be found.", source)
	}
	if strings.HasPrefix(id.Resource, "role/") {
		if _, err := s.roles.get(ctx, r, c.Account, id.Name()); err != nil {
			return op.Caller{}, err
		}
		return op.As(c.Scope, source, "simulation", "", ""), nil
	}
	_, err := s.users.get(ctx, r, c.Account, id.Name())
	return op.Caller{Scope: c.Scope, ARN: source}, err
}
