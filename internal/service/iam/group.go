package iam

import (
	"context"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) createGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateGroupInput) (*api.CreateGroupOutput, error) {
	p, err := path(in.Path)
	if err != nil {
		return nil, err
	}
	g := identity.Group{Principal: s.newPrincipal(c, *in.GroupName, p, "AGPA")}
	if err := s.groups.add(ctx, tx, g); err != nil {
		return nil, err
	}
	return &api.CreateGroupOutput{Group: showGroup(g)}, nil
}

// members are the users of a group, by name.
func (s *Service) members(ctx context.Context, r store.Reader, account, group string) ([]identity.User, error) {
	users, err := s.users.list(ctx, r, account, "")
	return slices.DeleteFunc(users, func(u identity.User) bool { return !inGroup(u, group) }), err
}

func inGroup(u identity.User, group string) bool {
	return slices.ContainsFunc(u.Groups, func(g string) bool { return strings.EqualFold(g, group) })
}

func (s *Service) getGroup(ctx context.Context, r store.Reader, c op.Caller, in *api.GetGroupInput) (*api.GetGroupOutput, error) {
	d, err := s.groups.get(ctx, r, c.Account, *in.GroupName)
	if err != nil {
		return nil, err
	}
	users, err := s.members(ctx, r, c.Account, d.Value.Name)
	if err != nil {
		return nil, err
	}
	out := &api.GetGroupOutput{Group: showGroup(d.Value), Users: []api.User{}}
	users, out.IsTruncated, out.Marker = page(users, func(u identity.User) string { return identity.Key(u.Name) }, in.Marker, in.MaxItems)
	for _, u := range users {
		out.Users = append(out.Users, *showUser(u))
	}
	return out, nil
}

func showGroups(groups []identity.Group, marker *string, max *int32) ([]api.Group, *bool, *string) {
	shown, truncated, next := page(groups, func(g identity.Group) string { return identity.Key(g.Name) }, marker, max)
	out := []api.Group{}
	for _, g := range shown {
		out = append(out, *showGroup(g))
	}
	return out, truncated, next
}

func (s *Service) listGroups(ctx context.Context, r store.Reader, c op.Caller, in *api.ListGroupsInput) (*api.ListGroupsOutput, error) {
	all, err := s.groups.list(ctx, r, c.Account, op.Val(in.PathPrefix))
	out := &api.ListGroupsOutput{}
	out.Groups, out.IsTruncated, out.Marker = showGroups(all, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) listGroupsForUser(ctx context.Context, r store.Reader, c op.Caller, in *api.ListGroupsForUserInput) (*api.ListGroupsForUserOutput, error) {
	u, err := s.users.get(ctx, r, c.Account, *in.UserName)
	if err != nil {
		return nil, err
	}
	all, err := s.groups.list(ctx, r, c.Account, "")
	all = slices.DeleteFunc(all, func(g identity.Group) bool { return !inGroup(u.Value, g.Name) })
	out := &api.ListGroupsForUserOutput{}
	out.Groups, out.IsTruncated, out.Marker = showGroups(all, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) addUserToGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.AddUserToGroupInput) (*api.AddUserToGroupOutput, error) {
	g, err := s.groups.get(ctx, tx, c.Account, *in.GroupName)
	if err != nil {
		return nil, err
	}
	return &api.AddUserToGroupOutput{}, s.users.edit(ctx, tx, c.Account, *in.UserName, func(u *identity.User) error {
		if !inGroup(*u, g.Value.Name) {
			u.Groups = append(u.Groups, g.Value.Name)
		}
		return nil
	})
}

func (s *Service) removeUserFromGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.RemoveUserFromGroupInput) (*api.RemoveUserFromGroupOutput, error) {
	g, err := s.groups.get(ctx, tx, c.Account, *in.GroupName)
	if err != nil {
		return nil, err
	}
	return &api.RemoveUserFromGroupOutput{}, s.users.edit(ctx, tx, c.Account, *in.UserName, func(u *identity.User) error {
		if !inGroup(*u, g.Value.Name) {
			return api.NoSuchEntityException("The user with name %s cannot be found in group %s.", *in.UserName, *in.GroupName)
		}
		u.Groups = slices.DeleteFunc(u.Groups, func(n string) bool { return strings.EqualFold(n, g.Value.Name) })
		return nil
	})
}

func (s *Service) updateGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateGroupInput) (*api.UpdateGroupOutput, error) {
	d, err := s.groups.get(ctx, tx, c.Account, *in.GroupName)
	if err != nil {
		return nil, err
	}
	g := d.Value
	if in.NewPath != nil {
		if g.Path, err = path(in.NewPath); err != nil {
			return nil, err
		}
	}
	g.Name = op.Or(in.NewGroupName, g.Name)
	users, err := s.members(ctx, tx, c.Account, d.Value.Name)
	if err != nil {
		return nil, err
	}
	if err := s.Records.Groups.Delete(ctx, tx, d.Scope, d.Key, d.Version); err != nil {
		return nil, err
	}
	if err := s.groups.add(ctx, tx, g); err != nil {
		return nil, err
	}
	for _, u := range users {
		err := s.users.edit(ctx, tx, c.Account, u.Name, func(u *identity.User) error {
			u.Groups = append(slices.DeleteFunc(u.Groups, func(n string) bool { return strings.EqualFold(n, d.Value.Name) }), g.Name)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return &api.UpdateGroupOutput{}, nil
}

func (s *Service) deleteGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteGroupInput) (*api.DeleteGroupOutput, error) {
	d, err := s.groups.get(ctx, tx, c.Account, *in.GroupName)
	if err != nil {
		return nil, err
	}
	users, err := s.members(ctx, tx, c.Account, d.Value.Name)
	if err != nil {
		return nil, err
	}
	if len(users) > 0 {
		return nil, api.DeleteConflictException("Cannot delete entity, must remove users from group first.")
	}
	return &api.DeleteGroupOutput{}, s.groups.remove(ctx, tx, d)
}
