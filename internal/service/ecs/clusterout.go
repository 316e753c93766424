package ecs

import (
	"maps"
	"slices"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
)

// clusterOut is a cluster as the API tells it.
func clusterOut(k Cluster, n clusterCounts, withSettings bool) *api.Cluster {
	out := &api.Cluster{
		ClusterArn: new(clusterARN(k.Scope, k.Name)), ClusterName: &k.Name, Status: &k.Status, Configuration: k.Configuration,
		RegisteredContainerInstancesCount: new(int32(0)), RunningTasksCount: &n.running, PendingTasksCount: &n.pending, ActiveServicesCount: &n.services,
		Statistics: []api.KeyValuePair{}, Tags: tagsOut(k.Tags), Settings: []api.ClusterSetting{},
		CapacityProviders: orEmpty(k.Providers), DefaultCapacityProviderStrategy: orEmpty(strategyOut(k.Strategy)),
	}
	if withSettings {
		for _, s := range k.Settings {
			out.Settings = append(out.Settings, api.ClusterSetting{Name: &s.Name, Value: &s.Value})
		}
	}
	if k.Namespace != "" {
		out.ServiceConnectDefaults = &api.ClusterServiceConnectDefaults{Namespace: op.Opt(k.Namespace)}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
