package iam

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/identity/policy"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	trustMax       = 2048 // AWS's default quota ACLSizePerRole
	defaultSession = 3600
)

func (s *Service) createRole(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateRoleInput) (*api.CreateRoleOutput, error) {
	p, err := path(in.Path)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(p, "/aws-service-role/") {
		return nil, invalid("The path /aws-service-role/ is reserved for service-linked roles: use CreateServiceLinkedRole.")
	}
	if err := s.checkTrust(ctx, tx, *in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	role := identity.Role{
		Principal: s.newPrincipal(c, *in.RoleName, p, "AROA"),
		Trust:     *in.AssumeRolePolicyDocument, Description: op.Val(in.Description), MaxSession: int(op.Or(in.MaxSessionDuration, defaultSession)),
	}
	if role.Tags, err = tagMap(nil, in.Tags); err != nil {
		return nil, err
	}
	if in.PermissionsBoundary != nil {
		if err := s.attachable(ctx, tx, c.Account, *in.PermissionsBoundary); err != nil {
			return nil, err
		}
		role.Boundary = *in.PermissionsBoundary
	}
	if err := s.roles.add(ctx, tx, role); err != nil {
		return nil, err
	}
	return &api.CreateRoleOutput{Role: showRole(role)}, nil
}

func (s *Service) newPrincipal(c op.Caller, name, path, prefix string) identity.Principal {
	seed := ""
	if c.Key != "" {
		seed = c.Key + name
	}
	return identity.Principal{Name: name, Path: path, Account: c.Account, ID: ids.Unique(prefix, seed), Created: s.Clock.Now()}
}

func (s *Service) checkTrust(ctx context.Context, r store.Reader, document string) error {
	d, err := checkDocument(policy.Trust, document)
	if err != nil {
		return err
	}
	if size(document) > trustMax {
		return api.LimitExceededException("Cannot exceed quota for ACLSizePerRole: %d", trustMax)
	}
	for _, name := range d.AWS() {
		if err := s.checkPrincipal(ctx, r, name); err != nil {
			return err
		}
	}
	return nil
}

var accountID = regexp.MustCompile(`^\d{12}$`)

// checkPrincipal: a user or role that a trust policy names must exist.
func (s *Service) checkPrincipal(ctx context.Context, r store.Reader, name string) error {
	unknown := api.MalformedPolicyDocumentException("Invalid principal in policy: %q:%q", "AWS", name)
	id, isARN := arn.Parse(name)
	switch {
	case name == "*" || accountID.MatchString(name):
		return nil
	case !isARN || !accountID.MatchString(id.Account):
		return unknown
	case id.Service == "sts" || id.Resource == "root":
		return nil
	case id.Service != "iam":
		return unknown
	}
	var err error
	var found string
	switch {
	case strings.HasPrefix(id.Resource, "role/aws-service-role/"):
		return nil
	case strings.HasPrefix(id.Resource, "role/"):
		var d store.Doc[identity.Role]
		d, err = s.roles.get(ctx, r, id.Account, id.Name())
		found = d.Value.ARN()
	case strings.HasPrefix(id.Resource, "user/"):
		var d store.Doc[identity.User]
		d, err = s.users.get(ctx, r, id.Account, id.Name())
		found = d.Value.ARN()
	}
	if err != nil || found != name {
		return unknown
	}
	return nil
}

func (s *Service) getRole(ctx context.Context, r store.Reader, c op.Caller, in *api.GetRoleInput) (*api.GetRoleOutput, error) {
	d, err := s.roles.get(ctx, r, c.Account, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &api.GetRoleOutput{Role: showRole(d.Value)}, nil
}

func (s *Service) listRoles(ctx context.Context, r store.Reader, c op.Caller, in *api.ListRolesInput) (*api.ListRolesOutput, error) {
	all, err := s.roles.list(ctx, r, c.Account, op.Val(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	out := &api.ListRolesOutput{}
	all, out.IsTruncated, out.Marker = page(all, func(r identity.Role) string { return identity.Key(r.Name) }, in.Marker, in.MaxItems)
	out.Roles = []api.Role{}
	for _, role := range all {
		shown := showRole(role)
		shown.Tags, shown.PermissionsBoundary, shown.RoleLastUsed = nil, nil, nil // lists leave them out
		out.Roles = append(out.Roles, *shown)
	}
	return out, nil
}

// ownRole refuses changes of a role that belongs to a service.
func (s *Service) ownRole(ctx context.Context, r store.Reader, c op.Caller, name string) error {
	d, err := s.roles.get(ctx, r, c.Account, name)
	if err != nil {
		return err
	}
	if d.Value.LinkedTo != "" {
		return &op.Error{Code: "UnmodifiableEntity", Message: fmt.Sprintf("Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", name)}
	}
	return nil
}

func (s *Service) updateRole(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateRoleInput) (*api.UpdateRoleOutput, error) {
	return &api.UpdateRoleOutput{}, s.roles.edit(ctx, tx, c.Account, *in.RoleName, func(r *identity.Role) error {
		r.Description = op.Or(in.Description, r.Description)
		r.MaxSession = int(op.Or(in.MaxSessionDuration, int32(r.MaxSession)))
		return nil
	})
}

func (s *Service) updateRoleDescription(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateRoleDescriptionInput) (*api.UpdateRoleDescriptionOutput, error) {
	var shown *api.Role
	err := s.roles.edit(ctx, tx, c.Account, *in.RoleName, func(r *identity.Role) error {
		r.Description = *in.Description
		shown = showRole(*r)
		return nil
	})
	return &api.UpdateRoleDescriptionOutput{Role: shown}, err
}

func (s *Service) updateAssumeRolePolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateAssumeRolePolicyInput) (*api.UpdateAssumeRolePolicyOutput, error) {
	if err := s.ownRole(ctx, tx, c, *in.RoleName); err != nil {
		return nil, err
	}
	if err := s.checkTrust(ctx, tx, *in.PolicyDocument); err != nil {
		return nil, err
	}
	return &api.UpdateAssumeRolePolicyOutput{}, s.roles.edit(ctx, tx, c.Account, *in.RoleName, func(r *identity.Role) error {
		r.Trust = *in.PolicyDocument
		return nil
	})
}

func (s *Service) deleteRole(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteRoleInput) (*api.DeleteRoleOutput, error) {
	if err := s.ownRole(ctx, tx, c, *in.RoleName); err != nil {
		return nil, err
	}
	d, err := s.roles.get(ctx, tx, c.Account, *in.RoleName)
	if err != nil {
		return nil, err
	}
	profiles, err := s.profilesOf(ctx, tx, c.Account, d.Value.Name)
	if err != nil {
		return nil, err
	}
	if len(profiles) > 0 {
		return nil, api.DeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
	}
	tx.OnCommit(func() { s.Authority.Forget("") })
	return &api.DeleteRoleOutput{}, s.roles.remove(ctx, tx, d)
}
