package ecs

import (
	"context"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the tags of clusters, services, tasks and task
// definitions, and for the cluster and the service that an ARN names.
func (c *Control) Described() []op.Described {
	return []op.Described{
		op.Tagged(c.tagsOf, "ecs:ResourceTag/"),
		{Names: []string{"ecs:cluster", "ecs:service"}, Read: holders},
	}
}

func (c *Control) tagsOf(ctx context.Context, r store.Reader, a arn.ARN) (map[string]string, error) {
	scope := store.Scope{Account: a.Account, Region: a.Region}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	tags, err := []Tag(nil), store.ErrNotFound
	switch kind {
	case "cluster":
		d, failed := c.clusters.Get(ctx, r, scope, rest)
		tags, err = d.Value.Tags, failed
	case "service":
		d, failed := c.services.Get(ctx, r, scope, rest)
		tags, err = d.Value.Settings.Tags, failed
	case "task":
		d, failed := c.tasks.Get(ctx, r, scope, a.Name())
		tags, err = d.Value.Tags, failed
	case "task-definition": // "family:*" is its newest revision, which a task would be run from
		d, failed := c.definition(ctx, r, scope, strings.TrimSuffix(rest, ":*"))
		tags, err = d.Value.Tags, failed
	}
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out, err
}

// runsOf lets policies ask for the ARN of the revision that a service is to run,
// however the request names it.
func runsOf[I any](c *Control, definition func(*I) *string) op.Lookup {
	const key = "ecs:task-definition"
	return op.LookupOf(func(ctx context.Context, r store.Reader, by op.Caller, in *I) (map[string][]string, error) {
		ref := definition(in)
		if ref == nil {
			return nil, nil
		}
		d, err := c.definition(ctx, r, by.Scope, *ref)
		if err != nil {
			return nil, err
		}
		return map[string][]string{key: {d.Value.arn()}}, nil
	}, key)
}

// holders are the cluster that a service or task is in, and the service that a
// deployment or revision is of: the ARN itself names them.
func holders(_ context.Context, _ store.Reader, a arn.ARN) (map[string][]string, error) {
	parts := strings.Split(a.Resource, "/")
	keys := map[string][]string{}
	switch {
	case len(parts) < 3 || parts[0] == "task-definition" || parts[0] == "cluster":
		return nil, nil
	case len(parts) == 4: // service-deployment/CLUSTER/SERVICE/ID
		keys["ecs:service"] = []string{arn.New("ecs", a.Region, a.Account, "service/"+parts[1]+"/"+parts[2])}
	}
	keys["ecs:cluster"] = []string{arn.New("ecs", a.Region, a.Account, "cluster/"+parts[1])}
	return keys, nil
}
