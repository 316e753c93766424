package rds

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const maxTags = 50

// tagged is have with the given tags.
func tagged(have map[string]string, given []api.Tag) (map[string]string, error) {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]string{}
	}
	for _, t := range given {
		k := op.Val(t.Key)
		if k == "" || strings.HasPrefix(strings.ToLower(k), "aws:") || len(k) > 128 {
			return nil, invalid("Invalid tag key: '%s'. Tag keys have 1 to 128 characters and do not begin with 'aws:'.", k)
		}
		out[k] = op.Val(t.Value)
	}
	if len(out) > maxTags {
		return nil, invalid("A resource can have at most %d tags.", maxTags)
	}
	return out, nil
}

func apiTags(m map[string]string) []api.Tag {
	out := []api.Tag{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, api.Tag{Key: new(k), Value: new(m[k])})
	}
	return out
}

// tags finds a resource's tags and how to store them.
func (s *Service) tags(ctx context.Context, r store.Reader, c op.Caller, name *string) (map[string]string, func(context.Context, store.Tx, map[string]string) error, error) {
	a, ok := arn.Parse(op.Val(name))
	kind, id, _ := strings.Cut(a.Resource, ":")
	switch {
	case !ok || a.Service != "rds":
		return nil, nil, invalid("Invalid resource name: %s", op.Val(name))
	case kind == "db":
		d, err := s.find(ctx, r, c, &id)
		return d.Value.Tags, func(ctx context.Context, tx store.Tx, m map[string]string) error {
			d.Value.Tags = m
			_, err := instances.Put(ctx, tx, c.Scope, d.Key, d.Value, d.Version)
			return err
		}, err
	case kind == "subgrp":
		d, err := s.findGroup(ctx, r, c, &id)
		return d.Value.Tags, func(ctx context.Context, tx store.Tx, m map[string]string) error {
			d.Value.Tags = m
			_, err := groups.Put(ctx, tx, c.Scope, d.Key, d.Value, d.Version)
			return err
		}, err
	case kind == "pg" && id == parameters:
		return nil, func(context.Context, store.Tx, map[string]string) error {
			return invalid("The default parameter group %s cannot be tagged.", id)
		}, nil
	}
	return nil, nil, invalid("The specified resource name does not match an RDS resource in this region: %s", op.Val(name))
}

func (s *Service) addTagsToResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.AddTagsToResourceInput) (*api.AddTagsToResourceOutput, error) {
	have, put, err := s.tags(ctx, tx, c, in.ResourceName)
	if err != nil {
		return nil, err
	}
	if have, err = tagged(have, in.Tags); err != nil {
		return nil, err
	}
	return &api.AddTagsToResourceOutput{}, put(ctx, tx, have)
}

func (s *Service) removeTagsFromResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.RemoveTagsFromResourceInput) (*api.RemoveTagsFromResourceOutput, error) {
	have, put, err := s.tags(ctx, tx, c, in.ResourceName)
	if err != nil {
		return nil, err
	}
	have = maps.Clone(have)
	for _, k := range in.TagKeys {
		delete(have, k)
	}
	return &api.RemoveTagsFromResourceOutput{}, put(ctx, tx, have)
}

func (s *Service) listTagsForResource(ctx context.Context, r store.Reader, c op.Caller, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	have, _, err := s.tags(ctx, r, c, in.ResourceName)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsForResourceOutput{TagList: apiTags(have)}, nil
}
