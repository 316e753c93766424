package codepipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// maxTags of a resource.
const maxTags = 50

// tagMap adds tags to those there are.
func tagMap(old map[string]string, list []api.Tag) (map[string]string, error) {
	out := map[string]string{}
	maps.Copy(out, old)
	for _, t := range list {
		if strings.HasPrefix(op.Val(t.Key), "aws:") {
			return nil, api.InvalidTagsException("Not allowed to modify system tags. System tags start with 'aws:'. msg=[Caller is an end user and not allowed to mutate system tags]")
		}
		out[op.Val(t.Key)] = op.Val(t.Value)
	}
	if len(out) > maxTags {
		return nil, api.TooManyTagsException("The resource would have %d tags. There can only be up to %d", len(out), maxTags)
	}
	return out, nil
}

func tagList(tags map[string]string) []api.Tag {
	out := []api.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, api.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out
}

// tagged finds the pipeline that an ARN names.
func (s *Service) tagged(ctx context.Context, r store.Reader, c op.Caller, resource *string) (store.Doc[Pipeline], error) {
	a, ok := arn.Parse(op.Val(resource))
	if !ok || a.Service != "codepipeline" {
		return store.Doc[Pipeline]{}, api.InvalidArnException("The ARN '%s' is not valid", op.Val(resource))
	}
	d, err := pipelines.Get(ctx, r, c.Scope, a.Resource)
	if errors.Is(err, store.ErrNotFound) {
		return d, api.ResourceNotFoundException("The account with id '%s' does not include a pipeline with the name '%s'", c.Account, a.Resource)
	}
	if err != nil {
		return d, fmt.Errorf("read pipeline %s: %w", a.Resource, err)
	}
	return d, nil
}

func (s *Service) tagResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	d, err := s.tagged(ctx, tx, c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if d.Value.Tags, err = tagMap(d.Value.Tags, in.Tags); err != nil {
		return nil, err
	}
	_, err = pipelines.Put(ctx, tx, c.Scope, d.Key, d.Value, d.Version)
	return &api.TagResourceOutput{}, err
}

func (s *Service) untagResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	d, err := s.tagged(ctx, tx, c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	for _, k := range in.TagKeys {
		delete(d.Value.Tags, k)
	}
	_, err = pipelines.Put(ctx, tx, c.Scope, d.Key, d.Value, d.Version)
	return &api.UntagResourceOutput{}, err
}

func (s *Service) listTags(ctx context.Context, r store.Reader, c op.Caller, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	d, err := s.tagged(ctx, r, c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsForResourceOutput{Tags: tagList(d.Value.Tags)}, nil
}
