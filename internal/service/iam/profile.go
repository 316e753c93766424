package iam

import (
	"context"
	"errors"
	"strings"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) createInstanceProfile(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateInstanceProfileInput) (*api.CreateInstanceProfileOutput, error) {
	way, err := path(in.Path)
	if err != nil {
		return nil, err
	}
	p := identity.InstanceProfile{Name: *in.InstanceProfileName, Path: way, ID: ids.Unique("AIPA", ""), Account: c.Account, Created: s.Clock.Now()}
	if p.Tags, err = tagMap(nil, in.Tags); err != nil {
		return nil, err
	}
	_, err = s.Records.Profiles.Put(ctx, tx, identity.In(c.Account), identity.Key(p.Name), p, 0)
	if errors.Is(err, store.ErrVersion) {
		return nil, api.EntityAlreadyExistsException("Instance Profile %s already exists.", p.Name)
	}
	return &api.CreateInstanceProfileOutput{InstanceProfile: showProfile(p, nil)}, err
}

func showProfile(p identity.InstanceProfile, role *api.Role) *api.InstanceProfile {
	out := &api.InstanceProfile{
		Path: new(p.Path), InstanceProfileName: new(p.Name), InstanceProfileId: new(p.ID), Arn: new(p.ARN()),
		CreateDate: op.At(p.Created), Roles: []api.Role{}, Tags: showTags(p.Tags),
	}
	if role != nil {
		out.Roles = append(out.Roles, *role)
	}
	return out
}

func (s *Service) profile(ctx context.Context, r store.Reader, account, name string) (store.Doc[identity.InstanceProfile], error) {
	d, err := s.Records.Profiles.Get(ctx, r, identity.In(account), identity.Key(name))
	if errors.Is(err, store.ErrNotFound) {
		return d, api.NoSuchEntityException("Instance Profile %s cannot be found.", name)
	}
	return d, err
}

// withRole shows a profile with its role in full, as AWS does.
func (s *Service) withRole(ctx context.Context, r store.Reader, p identity.InstanceProfile) (*api.InstanceProfile, error) {
	if p.Role == "" {
		return showProfile(p, nil), nil
	}
	d, err := s.roles.get(ctx, r, p.Account, p.Role)
	if err != nil {
		return nil, err
	}
	return showProfile(p, showRole(d.Value)), nil
}

func (s *Service) getInstanceProfile(ctx context.Context, r store.Reader, c op.Caller, in *api.GetInstanceProfileInput) (*api.GetInstanceProfileOutput, error) {
	d, err := s.profile(ctx, r, c.Account, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	shown, err := s.withRole(ctx, r, d.Value)
	return &api.GetInstanceProfileOutput{InstanceProfile: shown}, err
}

func (s *Service) showProfiles(ctx context.Context, r store.Reader, docs []store.Doc[identity.InstanceProfile], prefix string) ([]api.InstanceProfile, error) {
	out := []api.InstanceProfile{}
	for _, d := range docs {
		if !strings.HasPrefix(d.Value.Path, prefix) {
			continue
		}
		shown, err := s.withRole(ctx, r, d.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, *shown)
	}
	return out, nil
}

func profileName(p api.InstanceProfile) string { return identity.Key(*p.InstanceProfileName) }

func (s *Service) listInstanceProfiles(ctx context.Context, r store.Reader, c op.Caller, in *api.ListInstanceProfilesInput) (*api.ListInstanceProfilesOutput, error) {
	docs, err := s.Records.Profiles.List(ctx, r, identity.In(c.Account), store.Query{})
	if err != nil {
		return nil, err
	}
	all, err := s.showProfiles(ctx, r, docs, op.Val(in.PathPrefix))
	out := &api.ListInstanceProfilesOutput{}
	out.InstanceProfiles, out.IsTruncated, out.Marker = page(all, profileName, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) profilesOf(ctx context.Context, r store.Reader, account, role string) ([]store.Doc[identity.InstanceProfile], error) {
	return s.Records.Profiles.List(ctx, r, identity.In(account), store.Query{Index: "role", Equal: identity.Key(role)})
}

func (s *Service) listInstanceProfilesForRole(ctx context.Context, r store.Reader, c op.Caller, in *api.ListInstanceProfilesForRoleInput) (*api.ListInstanceProfilesForRoleOutput, error) {
	role, err := s.roles.get(ctx, r, c.Account, *in.RoleName)
	if err != nil {
		return nil, err
	}
	docs, err := s.profilesOf(ctx, r, c.Account, role.Value.Name)
	if err != nil {
		return nil, err
	}
	all, err := s.showProfiles(ctx, r, docs, "")
	out := &api.ListInstanceProfilesForRoleOutput{}
	out.InstanceProfiles, out.IsTruncated, out.Marker = page(all, profileName, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) addRoleToInstanceProfile(ctx context.Context, tx store.Tx, c op.Caller, in *api.AddRoleToInstanceProfileInput) (*api.AddRoleToInstanceProfileOutput, error) {
	role, err := s.roles.get(ctx, tx, c.Account, *in.RoleName)
	if err != nil {
		return nil, err
	}
	d, err := s.profile(ctx, tx, c.Account, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if err := s.Guard.Allow(ctx, tx, c, "iam:PassRole", role.Value.ARN(), map[string]string{"iam:PassedToService": "ec2.amazonaws.com"}); err != nil {
		return nil, err
	}
	if d.Value.Role != "" {
		return nil, api.LimitExceededException("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	}
	d.Value.Role = role.Value.Name
	_, err = s.Records.Profiles.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return &api.AddRoleToInstanceProfileOutput{}, err
}

func (s *Service) removeRoleFromInstanceProfile(ctx context.Context, tx store.Tx, c op.Caller, in *api.RemoveRoleFromInstanceProfileInput) (*api.RemoveRoleFromInstanceProfileOutput, error) {
	d, err := s.profile(ctx, tx, c.Account, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(d.Value.Role, *in.RoleName) {
		return nil, api.NoSuchEntityException("The role with name %s cannot be found.", *in.RoleName)
	}
	d.Value.Role = ""
	_, err = s.Records.Profiles.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return &api.RemoveRoleFromInstanceProfileOutput{}, err
}

func (s *Service) deleteInstanceProfile(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteInstanceProfileInput) (*api.DeleteInstanceProfileOutput, error) {
	d, err := s.profile(ctx, tx, c.Account, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if d.Value.Role != "" {
		return nil, api.DeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
	}
	return &api.DeleteInstanceProfileOutput{}, s.Records.Profiles.Delete(ctx, tx, d.Scope, d.Key, d.Version)
}
