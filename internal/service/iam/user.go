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

func (s *Service) createUser(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateUserInput) (*api.CreateUserOutput, error) {
	p, err := path(in.Path)
	if err != nil {
		return nil, err
	}
	u := identity.User{Principal: s.newPrincipal(c, *in.UserName, p, "AIDA")}
	if u.Tags, err = tagMap(nil, in.Tags); err != nil {
		return nil, err
	}
	if in.PermissionsBoundary != nil {
		if err := s.attachable(ctx, tx, c.Account, *in.PermissionsBoundary); err != nil {
			return nil, err
		}
		u.Boundary = *in.PermissionsBoundary
	}
	if err := s.users.add(ctx, tx, u); err != nil {
		return nil, err
	}
	return &api.CreateUserOutput{User: showUser(u)}, nil
}

// nameOr is the named user, or the caller's own name: "" for a root.
func nameOr(c op.Caller, name *string) (string, error) {
	if name != nil {
		return *name, nil
	}
	id, _ := arn.Parse(c.ARN)
	switch {
	case id.Resource == "root":
		return "", nil
	case strings.HasPrefix(id.Resource, "user/"):
		return id.Name(), nil
	}
	return "", invalid("Must specify userName when calling with non-User credentials")
}

func (s *Service) getUser(ctx context.Context, r store.Reader, c op.Caller, in *api.GetUserInput) (*api.GetUserOutput, error) {
	name, err := nameOr(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if name == "" {
		account, err := s.Records.Accounts.Get(ctx, r, identity.Everywhere, c.Account)
		if err != nil {
			return nil, wrap(err, "account %s", c.Account)
		}
		return &api.GetUserOutput{User: &api.User{UserId: new(c.Account), Arn: new(c.ARN), CreateDate: op.At(account.Value.Created)}}, nil
	}
	d, err := s.users.get(ctx, r, c.Account, name)
	if err != nil {
		return nil, err
	}
	return &api.GetUserOutput{User: showUser(d.Value)}, nil
}

func (s *Service) listUsers(ctx context.Context, r store.Reader, c op.Caller, in *api.ListUsersInput) (*api.ListUsersOutput, error) {
	all, err := s.users.list(ctx, r, c.Account, op.Val(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	out := &api.ListUsersOutput{Users: []api.User{}}
	all, out.IsTruncated, out.Marker = page(all, func(u identity.User) string { return identity.Key(u.Name) }, in.Marker, in.MaxItems)
	for _, u := range all {
		shown := showUser(u)
		shown.Tags, shown.PermissionsBoundary = nil, nil // lists leave them out
		out.Users = append(out.Users, *shown)
	}
	return out, nil
}

// updateUser moves a user; its keys and credentials follow the name.
func (s *Service) updateUser(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateUserInput) (*api.UpdateUserOutput, error) {
	d, err := s.users.get(ctx, tx, c.Account, *in.UserName)
	if err != nil {
		return nil, err
	}
	u := d.Value
	if in.NewPath != nil {
		if u.Path, err = path(in.NewPath); err != nil {
			return nil, err
		}
	}
	u.Name = op.Or(in.NewUserName, u.Name)
	if err := s.Records.Users.Delete(ctx, tx, d.Scope, d.Key, d.Version); err != nil {
		return nil, err
	}
	if err := s.users.add(ctx, tx, u); err != nil {
		return nil, err
	}
	if err := s.moveKeys(ctx, tx, c.Account, d.Value.Name, u.Name); err != nil {
		return nil, err
	}
	tx.OnCommit(func() { s.Authority.Forget("") })
	return &api.UpdateUserOutput{}, nil
}

func (s *Service) deleteUser(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteUserInput) (*api.DeleteUserOutput, error) {
	d, err := s.users.get(ctx, tx, c.Account, *in.UserName)
	if err != nil {
		return nil, err
	}
	keys, err := s.keysOf(ctx, tx, c.Account, d.Value.Name)
	if err != nil {
		return nil, err
	}
	credentials, err := s.credentialsOf(ctx, tx, c.Account, d.Value.Name)
	if err != nil {
		return nil, err
	}
	switch {
	case len(keys) > 0:
		return nil, api.DeleteConflictException("Cannot delete entity, must delete access keys first.")
	case len(credentials) > 0:
		return nil, api.DeleteConflictException("Cannot delete entity, must delete referenced objects first.")
	case len(d.Value.Groups) > 0:
		return nil, api.DeleteConflictException("Cannot delete entity, must remove users from group first.")
	}
	tx.OnCommit(func() { s.Authority.Forget("") })
	return &api.DeleteUserOutput{}, s.users.remove(ctx, tx, d)
}
