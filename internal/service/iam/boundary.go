package iam

import (
	"context"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func bound[T any](ctx context.Context, s *Service, h holder[T], tx store.Tx, account, name, policyARN string) error {
	if err := s.attachable(ctx, tx, account, policyARN); err != nil {
		return err
	}
	return h.editPrincipal(ctx, tx, account, name, func(p *identity.Principal) error {
		p.Boundary = policyARN
		return nil
	})
}

func (h holder[T]) unbound(ctx context.Context, tx store.Tx, account, name string) error {
	return h.editPrincipal(ctx, tx, account, name, func(p *identity.Principal) error {
		if p.Boundary == "" {
			return api.NoSuchEntityException("The permissions boundary of %s %s cannot be found.", h.kind, name)
		}
		p.Boundary = ""
		return nil
	})
}

func (s *Service) putRolePermissionsBoundary(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutRolePermissionsBoundaryInput) (*api.PutRolePermissionsBoundaryOutput, error) {
	if err := s.ownRole(ctx, tx, c, *in.RoleName); err != nil {
		return nil, err
	}
	return &api.PutRolePermissionsBoundaryOutput{}, bound(ctx, s, s.roles, tx, c.Account, *in.RoleName, *in.PermissionsBoundary)
}

func (s *Service) deleteRolePermissionsBoundary(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteRolePermissionsBoundaryInput) (*api.DeleteRolePermissionsBoundaryOutput, error) {
	return &api.DeleteRolePermissionsBoundaryOutput{}, s.roles.unbound(ctx, tx, c.Account, *in.RoleName)
}

func (s *Service) putUserPermissionsBoundary(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutUserPermissionsBoundaryInput) (*api.PutUserPermissionsBoundaryOutput, error) {
	return &api.PutUserPermissionsBoundaryOutput{}, bound(ctx, s, s.users, tx, c.Account, *in.UserName, *in.PermissionsBoundary)
}

func (s *Service) deleteUserPermissionsBoundary(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteUserPermissionsBoundaryInput) (*api.DeleteUserPermissionsBoundaryOutput, error) {
	return &api.DeleteUserPermissionsBoundaryOutput{}, s.users.unbound(ctx, tx, c.Account, *in.UserName)
}
