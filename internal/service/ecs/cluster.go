package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Cluster is a name under which services and tasks run.
type Cluster struct {
	store.Scope
	Name          string
	Status        string // ACTIVE, INACTIVE
	Settings      []Variable
	Providers     []string
	Strategy      []StrategyItem
	Configuration *api.ClusterConfiguration // stored and echoed only
	Namespace     string
	Tags          []Tag
}

func defaultSettings() []Variable { return []Variable{{"containerInsights", "disabled"}} }

func (c *Control) createCluster(ctx context.Context, tx store.Tx, by op.Caller, in *api.CreateClusterInput) (*api.CreateClusterOutput, error) {
	name := op.Or(in.ClusterName, "default")
	if !isName(name) {
		return nil, api.InvalidParameterException("The cluster name is invalid: up to 255 letters, numbers, underscores and hyphens are allowed.")
	}
	old, err := c.clusters.Get(ctx, tx, by.Scope, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("read cluster %s: %w", name, err)
	}
	if err == nil && old.Value.Status == "ACTIVE" {
		return &api.CreateClusterOutput{Cluster: clusterOut(old.Value, clusterCounts{}, true)}, nil
	}
	made := Cluster{
		Scope: by.Scope, Name: name, Status: "ACTIVE", Settings: merge(defaultSettings(), in.Settings), Providers: in.CapacityProviders,
		Strategy: strategyIn(in.DefaultCapacityProviderStrategy), Configuration: in.Configuration, Tags: tagsIn(in.Tags),
	}
	if in.ServiceConnectDefaults != nil {
		made.Namespace = op.Val(in.ServiceConnectDefaults.Namespace)
	}
	if err := made.checkProviders(); err != nil {
		return nil, err
	}
	if err := c.mayTag(ctx, tx, by, in.Tags, clusterARN(by.Scope, name), "CreateCluster"); err != nil {
		return nil, err
	}
	if _, err := c.clusters.Put(ctx, tx, by.Scope, name, made, old.Version); err != nil {
		return nil, fmt.Errorf("write cluster %s: %w", name, err)
	}
	return &api.CreateClusterOutput{Cluster: clusterOut(made, clusterCounts{}, true)}, nil
}

func merge(settings []Variable, changes []api.ClusterSetting) []Variable {
	for _, s := range changes {
		i := slices.IndexFunc(settings, func(v Variable) bool { return v.Name == op.Val(s.Name) })
		if i < 0 {
			settings = append(settings, Variable{op.Val(s.Name), op.Val(s.Value)})
		} else {
			settings[i].Value = op.Val(s.Value)
		}
	}
	return settings
}

func (k *Cluster) checkProviders() error {
	for _, p := range k.Providers {
		if p != "FARGATE" && p != "FARGATE_SPOT" {
			return api.InvalidParameterException("The specified capacity provider '%s' was not found. Specify a valid name or ARN and try again.", p)
		}
	}
	for _, s := range k.Strategy {
		if !slices.Contains(k.Providers, s.Provider) {
			return api.InvalidParameterException("The specified capacity provider strategy contains a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.")
		}
	}
	return nil
}

func (c *Control) describeClusters(ctx context.Context, r store.Reader, by op.Caller, in *api.DescribeClustersInput) (*api.DescribeClustersOutput, error) {
	refs := in.Clusters
	if len(refs) == 0 {
		refs = []string{"default"}
	}
	out := &api.DescribeClustersOutput{Clusters: []api.Cluster{}, Failures: []api.Failure{}}
	for _, ref := range refs {
		d, err := c.clusters.Get(ctx, r, by.Scope, nameOf(ref))
		if errors.Is(err, store.ErrNotFound) {
			out.Failures = append(out.Failures, missing(by, ref, "cluster/"+ref))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read cluster %s: %w", ref, err)
		}
		counts, err := c.countCluster(ctx, r, d.Value)
		if err != nil {
			return nil, err
		}
		k := clusterOut(d.Value, counts, slices.Contains(in.Include, "SETTINGS"))
		if !slices.Contains(in.Include, "TAGS") {
			k.Tags = []api.Tag{}
		}
		if !slices.Contains(in.Include, "CONFIGURATIONS") {
			k.Configuration = nil
		}
		out.Clusters = append(out.Clusters, *k)
	}
	return out, nil
}

// clusterCounts are what runs in a cluster.
type clusterCounts struct{ services, pending, running int32 }

func (c *Control) countCluster(ctx context.Context, r store.Reader, k Cluster) (n clusterCounts, err error) {
	services, err := c.servicesOf(ctx, r, k.Scope, k.Name)
	if err != nil {
		return n, err
	}
	for _, s := range services {
		if s.Status == "ACTIVE" {
			n.services++
		}
	}
	tasks, err := c.tasksOf(ctx, r, k.Scope, k.Name)
	for _, t := range tasks {
		switch {
		case t.Status == Running:
			n.running++
		case t.Status.before(Running):
			n.pending++
		}
	}
	return n, err
}

func (c *Control) listClusters(ctx context.Context, r store.Reader, by op.Caller, in *api.ListClustersInput) (*api.ListClustersOutput, error) {
	clusters, err := all(ctx, r, c.clusters, by.Scope, "", "", func(k Cluster) bool { return k.Status == "ACTIVE" })
	if err != nil {
		return nil, err
	}
	var names []string
	for _, k := range clusters {
		names = append(names, clusterARN(k.Scope, k.Name))
	}
	names, next, err := page(names, in.NextToken, in.MaxResults, 100)
	return &api.ListClustersOutput{ClusterArns: names, NextToken: next}, err
}

func (c *Control) updateCluster(ctx context.Context, tx store.Tx, by op.Caller, in *api.UpdateClusterInput) (*api.UpdateClusterOutput, error) {
	k, err := c.changeCluster(ctx, tx, by, in.Cluster, func(k *Cluster) error {
		k.Settings = merge(k.Settings, in.Settings)
		if in.Configuration != nil {
			k.Configuration = in.Configuration
		}
		if in.ServiceConnectDefaults != nil {
			k.Namespace = op.Val(in.ServiceConnectDefaults.Namespace)
		}
		return nil
	})
	return &api.UpdateClusterOutput{Cluster: k}, err
}

func (c *Control) updateClusterSettings(ctx context.Context, tx store.Tx, by op.Caller, in *api.UpdateClusterSettingsInput) (*api.UpdateClusterSettingsOutput, error) {
	k, err := c.changeCluster(ctx, tx, by, in.Cluster, func(k *Cluster) error {
		k.Settings = merge(k.Settings, in.Settings)
		return nil
	})
	return &api.UpdateClusterSettingsOutput{Cluster: k}, err
}

func (c *Control) putClusterCapacityProviders(ctx context.Context, tx store.Tx, by op.Caller, in *api.PutClusterCapacityProvidersInput) (*api.PutClusterCapacityProvidersOutput, error) {
	k, err := c.changeCluster(ctx, tx, by, in.Cluster, func(k *Cluster) error {
		k.Providers, k.Strategy = in.CapacityProviders, strategyIn(in.DefaultCapacityProviderStrategy)
		return k.checkProviders()
	})
	return &api.PutClusterCapacityProvidersOutput{Cluster: k}, err
}

func (c *Control) changeCluster(ctx context.Context, tx store.Tx, by op.Caller, ref *string, f func(*Cluster) error) (*api.Cluster, error) {
	d, err := c.cluster(ctx, tx, by.Scope, clusterOf(ref))
	if err != nil {
		return nil, err
	}
	if err := f(&d.Value); err != nil {
		return nil, err
	}
	if _, err := c.clusters.Put(ctx, tx, by.Scope, d.Key, d.Value, d.Version); err != nil {
		return nil, fmt.Errorf("write cluster %s: %w", d.Key, err)
	}
	counts, err := c.countCluster(ctx, tx, d.Value)
	return clusterOut(d.Value, counts, true), err
}

func (c *Control) deleteCluster(ctx context.Context, tx store.Tx, by op.Caller, in *api.DeleteClusterInput) (*api.DeleteClusterOutput, error) {
	k, err := c.changeCluster(ctx, tx, by, in.Cluster, func(k *Cluster) error {
		n, err := c.countCluster(ctx, tx, *k)
		switch {
		case err != nil:
			return err
		case n.services > 0:
			return api.ClusterContainsServicesException("The Cluster cannot be deleted while Services are active.")
		case n.running+n.pending > 0:
			return api.ClusterContainsTasksException("The Cluster cannot be deleted while Tasks are active.")
		}
		k.Status = "INACTIVE"
		return nil
	})
	return &api.DeleteClusterOutput{Cluster: k}, err
}
