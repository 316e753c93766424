package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const maxTags = 50

func (c *Control) tagResource(ctx context.Context, tx store.Tx, by op.Caller, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	err := c.changeTags(ctx, tx, by.Scope, *in.ResourceArn, func(tags []Tag) ([]Tag, error) {
		for _, t := range tagsIn(in.Tags) {
			i := slices.IndexFunc(tags, func(o Tag) bool { return o.Key == t.Key })
			if i < 0 {
				tags = append(tags, t)
			} else {
				tags[i] = t
			}
		}
		if len(tags) > maxTags {
			return nil, api.InvalidParameterException("The number of tags cannot exceed %d.", maxTags)
		}
		return tags, nil
	})
	return &api.TagResourceOutput{}, err
}

func (c *Control) untagResource(ctx context.Context, tx store.Tx, by op.Caller, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	err := c.changeTags(ctx, tx, by.Scope, *in.ResourceArn, func(tags []Tag) ([]Tag, error) {
		return slices.DeleteFunc(tags, func(t Tag) bool { return slices.Contains(in.TagKeys, t.Key) }), nil
	})
	return &api.UntagResourceOutput{}, err
}

func (c *Control) listTagsForResource(ctx context.Context, r store.Reader, by op.Caller, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	_, tags, err := c.tagged(ctx, r, by.Scope, *in.ResourceArn)
	return &api.ListTagsForResourceOutput{Tags: tagsOut(tags)}, err
}

func (c *Control) changeTags(ctx context.Context, tx store.Tx, s store.Scope, resource string, f func([]Tag) ([]Tag, error)) error {
	put, tags, err := c.tagged(ctx, tx, s, resource)
	if err != nil {
		return err
	}
	if tags, err = f(slices.Clone(tags)); err != nil {
		return err
	}
	if err := put(tx, tags); err != nil {
		return fmt.Errorf("write the tags of %s: %w", resource, err)
	}
	return nil
}

// tagged finds what an ARN names: its tags and how they are written.
func (c *Control) tagged(ctx context.Context, r store.Reader, s store.Scope, resource string) (func(store.Tx, []Tag) error, []Tag, error) {
	a, ok := arn.Parse(resource)
	kind, rest, _ := strings.Cut(a.Resource, "/")
	if !ok || a.Service != "ecs" || rest == "" {
		return nil, nil, api.InvalidParameterException("The ARN %s is not valid. Specify the ARN of a cluster, service, task or task definition.", resource)
	}
	switch kind {
	case "cluster":
		d, err := c.cluster(ctx, r, s, rest)
		return writer(ctx, c.clusters, s, d, func(v *Cluster) *[]Tag { return &v.Tags }), d.Value.Tags, err
	case "service":
		d, err := c.services.Get(ctx, r, s, rest)
		return writer(ctx, c.services, s, d, func(v *Service) *[]Tag { return &v.Settings.Tags }), d.Value.Settings.Tags, notFound(err)
	case "task":
		d, err := c.tasks.Get(ctx, r, s, a.Name())
		return writer(ctx, c.tasks, s, d, func(v *Task) *[]Tag { return &v.Tags }), d.Value.Tags, notFound(err)
	case "task-definition":
		d, err := c.definition(ctx, r, s, resource)
		return writer(ctx, c.definitions, s, d, func(v *Definition) *[]Tag { return &v.Tags }), d.Value.Tags, notFound(err)
	}
	return nil, nil, api.InvalidParameterException("Tags of %s are not supported.", kind)
}

func notFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return api.InvalidParameterException("The specified resource was not found. Verify the ARN and try again.")
	}
	return err
}

func writer[T any](ctx context.Context, to store.Collection[T], s store.Scope, d store.Doc[T], tags func(*T) *[]Tag) func(store.Tx, []Tag) error {
	return func(tx store.Tx, now []Tag) error {
		*tags(&d.Value) = now
		_, err := to.Put(ctx, tx, s, d.Key, d.Value, d.Version)
		return err
	}
}

func tagsIn(tags []api.Tag) []Tag {
	var out []Tag
	for _, t := range tags {
		out = append(out, Tag{op.Val(t.Key), op.Val(t.Value)})
	}
	return out
}

func tagsOut(tags []Tag) []api.Tag {
	out := []api.Tag{}
	for _, t := range tags {
		out = append(out, api.Tag{Key: &t.Key, Value: &t.Value})
	}
	return out
}
