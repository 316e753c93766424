package ecs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Users name a thing by its ARN or by what follows the last slash.
func nameOf(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// clusterOf is the name of the cluster that ref means.
func clusterOf(ref *string) string {
	if op.Val(ref) == "" {
		return "default"
	}
	return nameOf(*ref)
}

// serviceOf splits a service's name or ARN; a long ARN names its cluster too.
func serviceOf(cluster *string, ref string) (string, string) {
	if a, ok := arn.Parse(ref); ok {
		if p := strings.Split(a.Resource, "/"); len(p) == 3 {
			return p[1], p[2]
		}
	}
	return clusterOf(cluster), nameOf(ref)
}

// cluster is an ACTIVE cluster, or AWS's error.
func (c *Control) cluster(ctx context.Context, r store.Reader, s store.Scope, name string) (store.Doc[Cluster], error) {
	d, err := c.clusters.Get(ctx, r, s, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return d, api.ClusterNotFoundException("Cluster not found.")
	case err != nil:
		return d, fmt.Errorf("read cluster %s: %w", name, err)
	case d.Value.Status != "ACTIVE":
		return d, api.ClusterNotFoundException("Cluster not found.")
	}
	return d, nil
}

// useCluster is cluster, and makes the one called default at its first use.
func (c *Control) useCluster(ctx context.Context, tx store.Tx, s store.Scope, name string) (Cluster, error) {
	d, err := c.clusters.Get(ctx, tx, s, name)
	if errors.Is(err, store.ErrNotFound) && name == "default" {
		made := Cluster{Scope: s, Name: name, Status: "ACTIVE", Settings: defaultSettings()}
		if _, err := c.clusters.Put(ctx, tx, s, name, made, 0); err != nil {
			return made, fmt.Errorf("make the default cluster: %w", err)
		}
		return made, nil
	}
	if err == nil && d.Value.Status == "INACTIVE" {
		return d.Value, api.InvalidParameterException("The referenced cluster was inactive.")
	}
	d, err = c.cluster(ctx, tx, s, name)
	return d.Value, err
}

// service is a service in whatever state, or AWS's error.
func (c *Control) service(ctx context.Context, r store.Reader, s store.Scope, cluster, name string) (store.Doc[Service], error) {
	if _, err := c.cluster(ctx, r, s, cluster); err != nil {
		return store.Doc[Service]{}, err
	}
	d, err := c.services.Get(ctx, r, s, cluster+"/"+name)
	if errors.Is(err, store.ErrNotFound) {
		return d, api.ServiceNotFoundException("Service not found.")
	}
	if err != nil {
		return d, fmt.Errorf("read service %s/%s: %w", cluster, name, err)
	}
	return d, nil
}

// servicesOf are all services of a cluster, in the order of their names.
func (c *Control) servicesOf(ctx context.Context, r store.Reader, s store.Scope, cluster string) ([]Service, error) {
	return all(ctx, r, c.services, s, "cluster", cluster, func(v Service) bool { return v.Cluster == cluster })
}

// tasksOf are all tasks of a cluster that are not forgotten.
func (c *Control) tasksOf(ctx context.Context, r store.Reader, s store.Scope, cluster string) ([]Task, error) {
	return all(ctx, r, c.tasks, s, "cluster", cluster, func(t Task) bool { return t.Cluster == cluster && t.Status != Deleted })
}

// all reads what an index holds for a value, page by page.
func all[T any](ctx context.Context, r store.Reader, from store.Collection[T], s store.Scope, index, value string, keep func(T) bool) ([]T, error) {
	const limit = 500
	var found []T
	for after := ""; ; {
		docs, err := from.List(ctx, r, s, queryOf(index, value, after, limit))
		if err != nil {
			return nil, fmt.Errorf("list by %s %q: %w", index, value, err)
		}
		for _, d := range docs {
			if keep(d.Value) {
				found = append(found, d.Value)
			}
		}
		if len(docs) < limit {
			return found, nil
		}
		after = docs[len(docs)-1].Cursor
	}
}

// missing is the failure of a Describe for something unknown.
func missing(c op.Caller, ref, resource string) api.Failure {
	if !strings.HasPrefix(ref, "arn:") {
		ref = arn.New("ecs", c.Region, c.Account, resource)
	}
	return api.Failure{Arn: &ref, Reason: new("MISSING")}
}

// queryOf asks an index for a value, or the keys for a prefix.
func queryOf(index, value, after string, limit int) store.Query {
	if index == "" {
		return store.Query{Prefix: value, After: after, Limit: limit}
	}
	return store.Query{Index: index, Equal: value, After: after, Limit: limit}
}
