package secretsmanager

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
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
		if strings.HasPrefix(strings.ToLower(op.Val(t.Key)), "aws:") {
			return nil, api.InvalidParameterException("Tag keys can't begin with aws:, that prefix is reserved.")
		}
		out[op.Val(t.Key)] = op.Val(t.Value)
	}
	if len(out) > tagMax {
		return nil, api.InvalidParameterException("The number of tags exceeds the limit of %d.", tagMax)
	}
	return out, nil
}

func showTags(tags map[string]string) []api.Tag {
	var out []api.Tag
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, api.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out
}

func (s *Service) tagResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	_, err := s.edit(ctx, tx, c, *in.SecretId, func(v *Secret) (err error) {
		v.Tags, err = tagMap(v.Tags, in.Tags)
		return err
	})
	return &api.TagResourceOutput{}, err
}

func (s *Service) untagResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	_, err := s.edit(ctx, tx, c, *in.SecretId, func(v *Secret) error {
		for _, k := range in.TagKeys {
			delete(v.Tags, k)
		}
		return nil
	})
	return &api.UntagResourceOutput{}, err
}
