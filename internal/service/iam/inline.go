package iam

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/identity/policy"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (h holder[T]) putInline(ctx context.Context, tx store.Tx, account, name, policyName, document string) error {
	if _, err := checkDocument(policy.Identity, document); err != nil {
		return err
	}
	return h.editPrincipal(ctx, tx, account, name, func(p *identity.Principal) error {
		if p.Inline == nil {
			p.Inline = map[string]string{}
		}
		p.Inline[policyName] = document
		total := 0
		for _, text := range p.Inline {
			total += size(text)
		}
		if total > h.inlineMax {
			return api.LimitExceededException("Maximum policy size of %d bytes exceeded for %s %s", h.inlineMax, h.kind, name)
		}
		return nil
	})
}

func (h holder[T]) getInline(ctx context.Context, r store.Reader, account, name, policyName string) (string, error) {
	d, err := h.get(ctx, r, account, name)
	if err != nil {
		return "", err
	}
	text, ok := h.principal(&d.Value).Inline[policyName]
	if !ok {
		return "", noInline(h.kind, policyName)
	}
	return encode(text), nil
}

func (h holder[T]) deleteInline(ctx context.Context, tx store.Tx, account, name, policyName string) error {
	return h.editPrincipal(ctx, tx, account, name, func(p *identity.Principal) error {
		if _, ok := p.Inline[policyName]; !ok {
			return noInline(h.kind, policyName)
		}
		delete(p.Inline, policyName)
		return nil
	})
}

func (h holder[T]) inlineNames(ctx context.Context, r store.Reader, account, name string) ([]string, error) {
	d, err := h.get(ctx, r, account, name)
	return slices.Sorted(maps.Keys(h.principal(&d.Value).Inline)), err
}

func noInline(kind, name string) error {
	return api.NoSuchEntityException("The %s policy with name %s cannot be found.", kind, name)
}

// encode is RFC 3986: answers carry documents so.
func encode(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

func (s *Service) putRolePolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutRolePolicyInput) (*api.PutRolePolicyOutput, error) {
	if err := s.ownRole(ctx, tx, c, *in.RoleName); err != nil {
		return nil, err
	}
	return &api.PutRolePolicyOutput{}, s.roles.putInline(ctx, tx, c.Account, *in.RoleName, *in.PolicyName, *in.PolicyDocument)
}

func (s *Service) getRolePolicy(ctx context.Context, r store.Reader, c op.Caller, in *api.GetRolePolicyInput) (*api.GetRolePolicyOutput, error) {
	text, err := s.roles.getInline(ctx, r, c.Account, *in.RoleName, *in.PolicyName)
	return &api.GetRolePolicyOutput{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: &text}, err
}

func (s *Service) deleteRolePolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteRolePolicyInput) (*api.DeleteRolePolicyOutput, error) {
	return &api.DeleteRolePolicyOutput{}, s.roles.deleteInline(ctx, tx, c.Account, *in.RoleName, *in.PolicyName)
}

func (s *Service) listRolePolicies(ctx context.Context, r store.Reader, c op.Caller, in *api.ListRolePoliciesInput) (*api.ListRolePoliciesOutput, error) {
	names, err := s.roles.inlineNames(ctx, r, c.Account, *in.RoleName)
	out := &api.ListRolePoliciesOutput{}
	out.PolicyNames, out.IsTruncated, out.Marker = page(names, itself, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) putUserPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutUserPolicyInput) (*api.PutUserPolicyOutput, error) {
	return &api.PutUserPolicyOutput{}, s.users.putInline(ctx, tx, c.Account, *in.UserName, *in.PolicyName, *in.PolicyDocument)
}

func (s *Service) getUserPolicy(ctx context.Context, r store.Reader, c op.Caller, in *api.GetUserPolicyInput) (*api.GetUserPolicyOutput, error) {
	text, err := s.users.getInline(ctx, r, c.Account, *in.UserName, *in.PolicyName)
	return &api.GetUserPolicyOutput{UserName: in.UserName, PolicyName: in.PolicyName, PolicyDocument: &text}, err
}

func (s *Service) deleteUserPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteUserPolicyInput) (*api.DeleteUserPolicyOutput, error) {
	return &api.DeleteUserPolicyOutput{}, s.users.deleteInline(ctx, tx, c.Account, *in.UserName, *in.PolicyName)
}

func (s *Service) listUserPolicies(ctx context.Context, r store.Reader, c op.Caller, in *api.ListUserPoliciesInput) (*api.ListUserPoliciesOutput, error) {
	names, err := s.users.inlineNames(ctx, r, c.Account, *in.UserName)
	out := &api.ListUserPoliciesOutput{}
	out.PolicyNames, out.IsTruncated, out.Marker = page(names, itself, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) putGroupPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutGroupPolicyInput) (*api.PutGroupPolicyOutput, error) {
	return &api.PutGroupPolicyOutput{}, s.groups.putInline(ctx, tx, c.Account, *in.GroupName, *in.PolicyName, *in.PolicyDocument)
}

func (s *Service) getGroupPolicy(ctx context.Context, r store.Reader, c op.Caller, in *api.GetGroupPolicyInput) (*api.GetGroupPolicyOutput, error) {
	text, err := s.groups.getInline(ctx, r, c.Account, *in.GroupName, *in.PolicyName)
	return &api.GetGroupPolicyOutput{GroupName: in.GroupName, PolicyName: in.PolicyName, PolicyDocument: &text}, err
}

func (s *Service) deleteGroupPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteGroupPolicyInput) (*api.DeleteGroupPolicyOutput, error) {
	return &api.DeleteGroupPolicyOutput{}, s.groups.deleteInline(ctx, tx, c.Account, *in.GroupName, *in.PolicyName)
}

func (s *Service) listGroupPolicies(ctx context.Context, r store.Reader, c op.Caller, in *api.ListGroupPoliciesInput) (*api.ListGroupPoliciesOutput, error) {
	names, err := s.groups.inlineNames(ctx, r, c.Account, *in.GroupName)
	out := &api.ListGroupPoliciesOutput{}
	out.PolicyNames, out.IsTruncated, out.Marker = page(names, itself, in.Marker, in.MaxItems)
	return out, err
}
