package iam

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// attachMax is AWS's quota of managed policies on one user, group or role.
const attachMax = 10

// attachable: a policy of the account, or one of AWS's. AWS's that we do not
// know attach too, with no effect, so that stacks that name them go through.
func (s *Service) attachable(ctx context.Context, r store.Reader, account, policyARN string) error {
	if _, ok := identity.ManagedName(policyARN); ok {
		return nil
	}
	missing := api.NoSuchEntityException("Policy %s does not exist or is not attachable.", policyARN)
	id, ok := arn.Parse(policyARN)
	if !ok {
		return invalid("ARN " + policyARN + " is not valid.")
	}
	if id.Account != account {
		return missing
	}
	d, err := s.Records.Policies.Get(ctx, r, identity.In(account), identity.Key(id.Name()))
	if errors.Is(err, store.ErrNotFound) || err == nil && d.Value.ARN() != policyARN {
		return missing
	}
	return err
}

func attach[T any](ctx context.Context, s *Service, h holder[T], tx store.Tx, account, name, policyARN string) error {
	if err := s.attachable(ctx, tx, account, policyARN); err != nil {
		return err
	}
	return h.editPrincipal(ctx, tx, account, name, func(p *identity.Principal) error {
		if slices.Contains(p.Attached, policyARN) {
			return nil
		}
		if len(p.Attached) >= attachMax {
			return api.LimitExceededException("Cannot exceed quota for PoliciesPer%s: %d", strings.ToUpper(h.kind[:1])+h.kind[1:], attachMax)
		}
		p.Attached = append(p.Attached, policyARN)
		return nil
	})
}

func (h holder[T]) detach(ctx context.Context, tx store.Tx, account, name, policyARN string) error {
	return h.editPrincipal(ctx, tx, account, name, func(p *identity.Principal) error {
		i := slices.Index(p.Attached, policyARN)
		if i < 0 {
			return api.NoSuchEntityException("Policy %s was not found.", policyARN)
		}
		p.Attached = slices.Delete(p.Attached, i, i+1)
		return nil
	})
}

func (h holder[T]) attached(ctx context.Context, r store.Reader, account, name, prefix string) ([]api.AttachedPolicy, error) {
	d, err := h.get(ctx, r, account, name)
	if err != nil {
		return nil, err
	}
	var out []api.AttachedPolicy
	for _, a := range h.principal(&d.Value).Attached {
		id, _ := arn.Parse(a)
		if strings.HasPrefix(strings.TrimPrefix(id.Resource, "policy"), prefix) {
			out = append(out, api.AttachedPolicy{PolicyName: new(id.Name()), PolicyArn: new(a)})
		}
	}
	slices.SortFunc(out, func(a, b api.AttachedPolicy) int { return strings.Compare(attachedName(a), attachedName(b)) })
	return out, nil
}

func attachedName(a api.AttachedPolicy) string { return *a.PolicyArn }

func (s *Service) attachRolePolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.AttachRolePolicyInput) (*api.AttachRolePolicyOutput, error) {
	if err := s.ownRole(ctx, tx, c, *in.RoleName); err != nil {
		return nil, err
	}
	return &api.AttachRolePolicyOutput{}, attach(ctx, s, s.roles, tx, c.Account, *in.RoleName, *in.PolicyArn)
}

func (s *Service) detachRolePolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.DetachRolePolicyInput) (*api.DetachRolePolicyOutput, error) {
	if err := s.ownRole(ctx, tx, c, *in.RoleName); err != nil {
		return nil, err
	}
	return &api.DetachRolePolicyOutput{}, s.roles.detach(ctx, tx, c.Account, *in.RoleName, *in.PolicyArn)
}

func (s *Service) listAttachedRolePolicies(ctx context.Context, r store.Reader, c op.Caller, in *api.ListAttachedRolePoliciesInput) (*api.ListAttachedRolePoliciesOutput, error) {
	all, err := s.roles.attached(ctx, r, c.Account, *in.RoleName, op.Val(in.PathPrefix))
	out := &api.ListAttachedRolePoliciesOutput{}
	out.AttachedPolicies, out.IsTruncated, out.Marker = page(all, attachedName, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) attachUserPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.AttachUserPolicyInput) (*api.AttachUserPolicyOutput, error) {
	return &api.AttachUserPolicyOutput{}, attach(ctx, s, s.users, tx, c.Account, *in.UserName, *in.PolicyArn)
}

func (s *Service) detachUserPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.DetachUserPolicyInput) (*api.DetachUserPolicyOutput, error) {
	return &api.DetachUserPolicyOutput{}, s.users.detach(ctx, tx, c.Account, *in.UserName, *in.PolicyArn)
}

func (s *Service) listAttachedUserPolicies(ctx context.Context, r store.Reader, c op.Caller, in *api.ListAttachedUserPoliciesInput) (*api.ListAttachedUserPoliciesOutput, error) {
	all, err := s.users.attached(ctx, r, c.Account, *in.UserName, op.Val(in.PathPrefix))
	out := &api.ListAttachedUserPoliciesOutput{}
	out.AttachedPolicies, out.IsTruncated, out.Marker = page(all, attachedName, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) attachGroupPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.AttachGroupPolicyInput) (*api.AttachGroupPolicyOutput, error) {
	return &api.AttachGroupPolicyOutput{}, attach(ctx, s, s.groups, tx, c.Account, *in.GroupName, *in.PolicyArn)
}

func (s *Service) detachGroupPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.DetachGroupPolicyInput) (*api.DetachGroupPolicyOutput, error) {
	return &api.DetachGroupPolicyOutput{}, s.groups.detach(ctx, tx, c.Account, *in.GroupName, *in.PolicyArn)
}

func (s *Service) listAttachedGroupPolicies(ctx context.Context, r store.Reader, c op.Caller, in *api.ListAttachedGroupPoliciesInput) (*api.ListAttachedGroupPoliciesOutput, error) {
	all, err := s.groups.attached(ctx, r, c.Account, *in.GroupName, op.Val(in.PathPrefix))
	out := &api.ListAttachedGroupPoliciesOutput{}
	out.AttachedPolicies, out.IsTruncated, out.Marker = page(all, attachedName, in.Marker, in.MaxItems)
	return out, err
}
