package ssm

import (
	"context"
	"errors"
	"maps"
	"slices"

	api "github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const tagMax = 50

func tagMap(have map[string]string, tags []api.Tag) (map[string]string, error) {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]string{}
	}
	for _, t := range tags {
		out[op.Val(t.Key)] = op.Val(t.Value)
	}
	if len(out) > tagMax {
		return nil, api.TooManyTagsError("The number of tags exceeds the limit of %d.", tagMax)
	}
	return out, nil
}

// tagged finds the parameter; other resource types of Systems Manager do not exist here.
func (s *Service) tagged(ctx context.Context, r store.Reader, c op.Caller, kind, id string) (store.Doc[Parameter], error) {
	if kind != api.ResourceTypeForTaggingParameter {
		return store.Doc[Parameter]{}, api.InvalidResourceType("The resource type %s is not offered by this installation, Parameter alone is.", kind)
	}
	d, err := s.find(ctx, r, c, id)
	if e, ok := errors.AsType[*op.Error](err); ok && e.Code == "ParameterNotFound" {
		return d, api.InvalidResourceId("The resource ID %s is not valid. Verify that you entered the correct ID and try again.", id)
	}
	return d, err
}

func (s *Service) addTagsToResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.AddTagsToResourceInput) (*api.AddTagsToResourceOutput, error) {
	d, err := s.tagged(ctx, tx, c, *in.ResourceType, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	if d.Value.Tags, err = tagMap(d.Value.Tags, in.Tags); err != nil {
		return nil, err
	}
	_, err = s.parameters.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return &api.AddTagsToResourceOutput{}, err
}

func (s *Service) removeTagsFromResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.RemoveTagsFromResourceInput) (*api.RemoveTagsFromResourceOutput, error) {
	d, err := s.tagged(ctx, tx, c, *in.ResourceType, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	for _, k := range in.TagKeys {
		delete(d.Value.Tags, k)
	}
	_, err = s.parameters.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return &api.RemoveTagsFromResourceOutput{}, err
}

func (s *Service) listTagsForResource(ctx context.Context, r store.Reader, c op.Caller, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	d, err := s.tagged(ctx, r, c, *in.ResourceType, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceOutput{TagList: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(d.Value.Tags)) {
		out.TagList = append(out.TagList, api.Tag{Key: new(k), Value: new(d.Value.Tags[k])})
	}
	return out, nil
}
