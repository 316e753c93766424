package iam

import (
	"context"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) createServiceLinkedRole(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateServiceLinkedRoleInput) (*api.CreateServiceLinkedRoleOutput, error) {
	role, ok := identity.LinkedRole(c.Account, *in.AWSServiceName)
	if !ok {
		return nil, api.InvalidInputException("%s is not a valid service principal for a service-linked role.", *in.AWSServiceName)
	}
	if in.CustomSuffix != nil {
		return nil, api.InvalidInputException("Custom suffix is not allowed for %s", *in.AWSServiceName)
	}
	role.Created, role.Description = s.Clock.Now(), op.Or(in.Description, role.Description)
	if _, err := s.roles.get(ctx, tx, c.Account, role.Name); err == nil {
		return nil, api.InvalidInputException("Service role name %s has been taken in this account, please try a different suffix.", role.Name)
	}
	if err := s.roles.add(ctx, tx, role); err != nil {
		return nil, err
	}
	return &api.CreateServiceLinkedRoleOutput{Role: showRole(role)}, nil
}

// deleteServiceLinkedRole is done at once; the task that AWS speaks of has
// succeeded when it is asked for. The service makes the role anew when it needs it.
func (s *Service) deleteServiceLinkedRole(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteServiceLinkedRoleInput) (*api.DeleteServiceLinkedRoleOutput, error) {
	d, err := s.roles.get(ctx, tx, c.Account, *in.RoleName)
	if err != nil {
		return nil, err
	}
	if d.Value.LinkedTo == "" {
		return nil, api.InvalidInputException("Role %s is not a service-linked role.", *in.RoleName)
	}
	task := "task" + d.Value.Path + d.Value.Name + "/" + d.Value.ID
	return &api.DeleteServiceLinkedRoleOutput{DeletionTaskId: &task}, s.Records.Roles.Delete(ctx, tx, d.Scope, d.Key, d.Version)
}

func (s *Service) getServiceLinkedRoleDeletionStatus(context.Context, store.Reader, op.Caller, *api.GetServiceLinkedRoleDeletionStatusInput) (*api.GetServiceLinkedRoleDeletionStatusOutput, error) {
	return &api.GetServiceLinkedRoleDeletionStatusOutput{Status: new("SUCCEEDED")}, nil
}

func linkedARN(c op.Caller, in *api.CreateServiceLinkedRoleInput) []string {
	role, ok := identity.LinkedRole(c.Account, op.Val(in.AWSServiceName))
	if !ok {
		return []string{arn.New("iam", "", c.Account, "role/aws-service-role/"+op.Val(in.AWSServiceName)+"/*")}
	}
	return []string{role.ARN()}
}
