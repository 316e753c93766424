package iam

import (
	"context"
	"strings"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// tagMax is AWS's quota of tags on one resource.
const tagMax = 50

// tagMap is have with tags added.
func tagMap(have map[string]string, tags []api.Tag) (map[string]string, error) {
	out := map[string]string{}
	for k, v := range have {
		out[k] = v
	}
	for _, t := range tags {
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, api.InvalidInputException("aws: prefixed tag key names are not allowed for external use.")
		}
		out[*t.Key] = *t.Value
	}
	if len(out) > tagMax {
		return nil, api.LimitExceededException("The number of tags has reached the maximum limit of %d.", tagMax)
	}
	return out, nil
}

func untag(have map[string]string, keys []string) {
	for _, k := range keys {
		delete(have, k)
	}
}

func tagKey(t api.Tag) string { return *t.Key }

func addTags(tags []api.Tag) func(*identity.Principal) error {
	return func(p *identity.Principal) (err error) {
		p.Tags, err = tagMap(p.Tags, tags)
		return err
	}
}

func removeTags(keys []string) func(*identity.Principal) error {
	return func(p *identity.Principal) error {
		untag(p.Tags, keys)
		return nil
	}
}

func (s *Service) tagRole(ctx context.Context, tx store.Tx, c op.Caller, in *api.TagRoleInput) (*api.TagRoleOutput, error) {
	return &api.TagRoleOutput{}, s.roles.editPrincipal(ctx, tx, c.Account, *in.RoleName, addTags(in.Tags))
}

func (s *Service) untagRole(ctx context.Context, tx store.Tx, c op.Caller, in *api.UntagRoleInput) (*api.UntagRoleOutput, error) {
	return &api.UntagRoleOutput{}, s.roles.editPrincipal(ctx, tx, c.Account, *in.RoleName, removeTags(in.TagKeys))
}

func (s *Service) listRoleTags(ctx context.Context, r store.Reader, c op.Caller, in *api.ListRoleTagsInput) (*api.ListRoleTagsOutput, error) {
	d, err := s.roles.get(ctx, r, c.Account, *in.RoleName)
	out := &api.ListRoleTagsOutput{}
	out.Tags, out.IsTruncated, out.Marker = page(showTags(d.Value.Tags), tagKey, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) tagUser(ctx context.Context, tx store.Tx, c op.Caller, in *api.TagUserInput) (*api.TagUserOutput, error) {
	return &api.TagUserOutput{}, s.users.editPrincipal(ctx, tx, c.Account, *in.UserName, addTags(in.Tags))
}

func (s *Service) untagUser(ctx context.Context, tx store.Tx, c op.Caller, in *api.UntagUserInput) (*api.UntagUserOutput, error) {
	return &api.UntagUserOutput{}, s.users.editPrincipal(ctx, tx, c.Account, *in.UserName, removeTags(in.TagKeys))
}

func (s *Service) listUserTags(ctx context.Context, r store.Reader, c op.Caller, in *api.ListUserTagsInput) (*api.ListUserTagsOutput, error) {
	d, err := s.users.get(ctx, r, c.Account, *in.UserName)
	out := &api.ListUserTagsOutput{}
	out.Tags, out.IsTruncated, out.Marker = page(showTags(d.Value.Tags), tagKey, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) tagPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.TagPolicyInput) (*api.TagPolicyOutput, error) {
	return &api.TagPolicyOutput{}, s.editPolicy(ctx, tx, c, *in.PolicyArn, func(p *identity.Policy) (err error) {
		p.Tags, err = tagMap(p.Tags, in.Tags)
		return err
	})
}

func (s *Service) untagPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.UntagPolicyInput) (*api.UntagPolicyOutput, error) {
	return &api.UntagPolicyOutput{}, s.editPolicy(ctx, tx, c, *in.PolicyArn, func(p *identity.Policy) error {
		untag(p.Tags, in.TagKeys)
		return nil
	})
}

func (s *Service) listPolicyTags(ctx context.Context, r store.Reader, c op.Caller, in *api.ListPolicyTagsInput) (*api.ListPolicyTagsOutput, error) {
	d, err := s.policy(ctx, r, c.Account, *in.PolicyArn)
	out := &api.ListPolicyTagsOutput{}
	out.Tags, out.IsTruncated, out.Marker = page(showTags(d.Value.Tags), tagKey, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) editProfile(ctx context.Context, tx store.Tx, account, name string, f func(*identity.InstanceProfile) error) error {
	d, err := s.profile(ctx, tx, account, name)
	if err != nil {
		return err
	}
	if err := f(&d.Value); err != nil {
		return err
	}
	_, err = s.Records.Profiles.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return err
}

func (s *Service) tagInstanceProfile(ctx context.Context, tx store.Tx, c op.Caller, in *api.TagInstanceProfileInput) (*api.TagInstanceProfileOutput, error) {
	return &api.TagInstanceProfileOutput{}, s.editProfile(ctx, tx, c.Account, *in.InstanceProfileName, func(p *identity.InstanceProfile) (err error) {
		p.Tags, err = tagMap(p.Tags, in.Tags)
		return err
	})
}

func (s *Service) untagInstanceProfile(ctx context.Context, tx store.Tx, c op.Caller, in *api.UntagInstanceProfileInput) (*api.UntagInstanceProfileOutput, error) {
	return &api.UntagInstanceProfileOutput{}, s.editProfile(ctx, tx, c.Account, *in.InstanceProfileName, func(p *identity.InstanceProfile) error {
		untag(p.Tags, in.TagKeys)
		return nil
	})
}

func (s *Service) listInstanceProfileTags(ctx context.Context, r store.Reader, c op.Caller, in *api.ListInstanceProfileTagsInput) (*api.ListInstanceProfileTagsOutput, error) {
	d, err := s.profile(ctx, r, c.Account, *in.InstanceProfileName)
	out := &api.ListInstanceProfileTagsOutput{}
	out.Tags, out.IsTruncated, out.Marker = page(showTags(d.Value.Tags), tagKey, in.Marker, in.MaxItems)
	return out, err
}
