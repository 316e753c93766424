package ecr

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	api "github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) setPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.SetRepositoryPolicyInput) (*api.SetRepositoryPolicyOutput, error) {
	at := scope(c, in.RegistryId)
	var document map[string]any
	if json.Unmarshal([]byte(op.Val(in.PolicyText)), &document) != nil || document["Statement"] == nil {
		return nil, api.InvalidParameterException("Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'")
	}
	return &api.SetRepositoryPolicyOutput{RegistryId: &at.Account, RepositoryName: in.RepositoryName, PolicyText: in.PolicyText},
		s.alter(ctx, tx, at, in.RepositoryName, func(r *registry.Repository) error { r.Policy = *in.PolicyText; return nil })
}

func (s *Service) policy(ctx context.Context, r store.Reader, at store.Scope, name *string) (string, error) {
	d, err := s.repository(ctx, r, at, name)
	if err == nil && d.Value.Policy == "" {
		err = api.RepositoryPolicyNotFoundException("Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", op.Val(name), at.Account)
	}
	return d.Value.Policy, err
}

func (s *Service) getPolicy(ctx context.Context, r store.Reader, c op.Caller, in *api.GetRepositoryPolicyInput) (*api.GetRepositoryPolicyOutput, error) {
	at := scope(c, in.RegistryId)
	text, err := s.policy(ctx, r, at, in.RepositoryName)
	return &api.GetRepositoryPolicyOutput{RegistryId: &at.Account, RepositoryName: in.RepositoryName, PolicyText: &text}, err
}

func (s *Service) deletePolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteRepositoryPolicyInput) (*api.DeleteRepositoryPolicyOutput, error) {
	at := scope(c, in.RegistryId)
	text, err := s.policy(ctx, tx, at, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	return &api.DeleteRepositoryPolicyOutput{RegistryId: &at.Account, RepositoryName: in.RepositoryName, PolicyText: &text},
		s.alter(ctx, tx, at, in.RepositoryName, func(r *registry.Repository) error { r.Policy = ""; return nil })
}

// maxTags of a resource.
const maxTags = 50

func addTags(r *registry.Repository, tags []api.Tag) error {
	if r.Tags == nil {
		r.Tags = map[string]string{}
	}
	for _, t := range tags {
		r.Tags[op.Val(t.Key)] = op.Val(t.Value)
	}
	if len(r.Tags) > maxTags {
		return api.TooManyTagsException("The list of tags on the repository is over the limit. The maximum number of tags that can be applied to a repository is %d.", maxTags)
	}
	return nil
}

// tagged is the repository that a tag operation names.
func tagged(c op.Caller, resource *string) (store.Scope, string, error) {
	at, name, ok := parseARN(op.Val(resource))
	if !ok || at.Region != c.Region {
		return at, name, api.InvalidParameterException("Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
	}
	return at, name, nil
}

func (s *Service) tagResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	at, name, err := tagged(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &api.TagResourceOutput{}, s.alter(ctx, tx, at, &name, func(r *registry.Repository) error { return addTags(r, in.Tags) })
}

func (s *Service) untagResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	at, name, err := tagged(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &api.UntagResourceOutput{}, s.alter(ctx, tx, at, &name, func(r *registry.Repository) error {
		for _, k := range in.TagKeys {
			delete(r.Tags, k)
		}
		return nil
	})
}

func (s *Service) listTags(ctx context.Context, r store.Reader, c op.Caller, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	at, name, err := tagged(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	d, err := s.repository(ctx, r, at, &name)
	out := &api.ListTagsForResourceOutput{Tags: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(d.Value.Tags)) {
		out.Tags = append(out.Tags, api.Tag{Key: &k, Value: new(d.Value.Tags[k])})
	}
	return out, err
}
