package elbv2

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"

	api "github.com/penstock-ci/penstock/api/elbv2"
)

const maxTags = 50

// tag puts given tags into have.
func tag(have map[string]string, given []api.Tag) error {
	seen := map[string]bool{}
	for _, t := range given {
		k := op.Val(t.Key)
		if seen[k] {
			return api.DuplicateTagKeysException("The tag key '%s' appears more than once", k)
		}
		if strings.HasPrefix(k, "aws:") {
			return invalid("Tag keys cannot start with 'aws:'")
		}
		seen[k] = true
		have[k] = op.Val(t.Value)
	}
	if len(have) > maxTags {
		return api.TooManyTagsException("A resource cannot have more than '%d' tags", maxTags)
	}
	return nil
}

func tagsAPI(m map[string]string) []api.Tag {
	out := []api.Tag{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, api.Tag{Key: new(k), Value: new(m[k])})
	}
	return out
}

// tags finds a resource's tags and how to store them.
func (s *Service) tags(ctx context.Context, r store.Reader, c op.Caller, a string) (map[string]string, func(context.Context, store.Tx, map[string]string) error, error) {
	switch {
	case strings.Contains(a, ":loadbalancer/"):
		d, err := s.balancer(ctx, r, c, &a)
		return d.Value.Tags, func(ctx context.Context, tx store.Tx, m map[string]string) error {
			d.Value.Tags = m
			_, err := balancers.Put(ctx, tx, c.Scope, a, d.Value, d.Version)
			return err
		}, err
	case strings.Contains(a, ":targetgroup/"):
		d, err := s.group(ctx, r, c, &a)
		return d.Value.Tags, func(ctx context.Context, tx store.Tx, m map[string]string) error {
			d.Value.Tags = m
			_, err := groups.Put(ctx, tx, c.Scope, a, d.Value, d.Version)
			return err
		}, err
	case strings.Contains(a, ":listener/"):
		d, err := s.listener(ctx, r, c, &a)
		return d.Value.Tags, func(ctx context.Context, tx store.Tx, m map[string]string) error {
			d.Value.Tags = m
			_, err := listeners.Put(ctx, tx, c.Scope, a, d.Value, d.Version)
			return err
		}, err
	case strings.Contains(a, ":listener-rule/"):
		d, err := rules.Get(ctx, r, c.Scope, a)
		return d.Value.Tags, func(ctx context.Context, tx store.Tx, m map[string]string) error {
			d.Value.Tags = m
			_, err := rules.Put(ctx, tx, c.Scope, a, d.Value, d.Version)
			return err
		}, missing(err, api.RuleNotFoundException("One or more rules not found"))
	}
	return nil, nil, invalid("'%s' is not a valid resource ARN", a)
}

func (s *Service) addTags(ctx context.Context, tx store.Tx, c op.Caller, in *api.AddTagsInput) (*api.AddTagsOutput, error) {
	for _, a := range in.ResourceArns {
		have, put, err := s.tags(ctx, tx, c, a)
		if err != nil {
			return nil, err
		}
		if have == nil {
			have = map[string]string{}
		}
		if err := tag(have, in.Tags); err != nil {
			return nil, err
		}
		if err := put(ctx, tx, have); err != nil {
			return nil, err
		}
	}
	return &api.AddTagsOutput{}, nil
}

func (s *Service) removeTags(ctx context.Context, tx store.Tx, c op.Caller, in *api.RemoveTagsInput) (*api.RemoveTagsOutput, error) {
	for _, a := range in.ResourceArns {
		have, put, err := s.tags(ctx, tx, c, a)
		if err != nil {
			return nil, err
		}
		for _, k := range in.TagKeys {
			delete(have, k)
		}
		if err := put(ctx, tx, have); err != nil {
			return nil, err
		}
	}
	return &api.RemoveTagsOutput{}, nil
}

func (s *Service) describeTags(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeTagsInput) (*api.DescribeTagsOutput, error) {
	out := &api.DescribeTagsOutput{TagDescriptions: []api.TagDescription{}}
	for _, a := range in.ResourceArns {
		have, _, err := s.tags(ctx, r, c, a)
		if err != nil {
			return nil, err
		}
		out.TagDescriptions = append(out.TagDescriptions, api.TagDescription{ResourceArn: new(a), Tags: tagsAPI(have)})
	}
	return out, nil
}
