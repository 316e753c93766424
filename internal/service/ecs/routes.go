package ecs

import (
	"strings"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface. An operation that is not listed is refused by name.
func (c *Control) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.CreateCluster, func(by op.Caller, in *api.CreateClusterInput) []string { return inCluster(by, in.ClusterName) }, c.createCluster),
		op.Read(api.DescribeClusters, clusters, c.describeClusters),
		op.Read(api.ListClusters, nil, c.listClusters),
		op.Change(api.UpdateCluster, func(by op.Caller, in *api.UpdateClusterInput) []string { return inCluster(by, in.Cluster) }, c.updateCluster),
		op.Change(api.UpdateClusterSettings, func(by op.Caller, in *api.UpdateClusterSettingsInput) []string { return inCluster(by, in.Cluster) }, c.updateClusterSettings),
		op.Change(api.PutClusterCapacityProviders, func(by op.Caller, in *api.PutClusterCapacityProvidersInput) []string {
			return inCluster(by, in.Cluster)
		}, c.putClusterCapacityProviders),
		op.Change(api.DeleteCluster, func(by op.Caller, in *api.DeleteClusterInput) []string { return inCluster(by, in.Cluster) }, c.deleteCluster),
		op.Read(api.DescribeCapacityProviders, nil, c.describeCapacityProviders),
		op.Read(api.ListContainerInstances, func(by op.Caller, in *api.ListContainerInstancesInput) []string { return inCluster(by, in.Cluster) }, c.listContainerInstances),
		op.Read(api.DescribeContainerInstances, nil, c.describeContainerInstances),

		op.Change(api.RegisterTaskDefinition, nil, c.registerTaskDefinition),
		op.Read(api.DescribeTaskDefinition, nil, c.describeTaskDefinition),
		op.Read(api.ListTaskDefinitions, nil, c.listTaskDefinitions),
		op.Read(api.ListTaskDefinitionFamilies, nil, c.listTaskDefinitionFamilies),
		op.Change(api.DeregisterTaskDefinition, nil, c.deregisterTaskDefinition),
		op.Change(api.DeleteTaskDefinitions, nil, c.deleteTaskDefinitions),

		op.Change(api.CreateService, func(by op.Caller, in *api.CreateServiceInput) []string {
			return inService(by, in.Cluster, in.ServiceName)
		}, c.createService).
			LooksUp(runsOf(c, func(in *api.CreateServiceInput) *string { return in.TaskDefinition })),
		op.Read(api.DescribeServices, services, c.describeServices),
		op.Read(api.ListServices, nil, c.listServices).
			With(op.KeyOf("ecs:cluster", func(by op.Caller, in *api.ListServicesInput) []string { return inCluster(by, in.Cluster) })),
		op.Change(api.UpdateService, func(by op.Caller, in *api.UpdateServiceInput) []string { return inService(by, in.Cluster, in.Service) }, c.updateService).
			LooksUp(runsOf(c, func(in *api.UpdateServiceInput) *string { return in.TaskDefinition })),
		op.Change(api.DeleteService, func(by op.Caller, in *api.DeleteServiceInput) []string { return inService(by, in.Cluster, in.Service) }, c.deleteService),
		op.Read(api.ListServiceDeployments, func(by op.Caller, in *api.ListServiceDeploymentsInput) []string {
			return inService(by, in.Cluster, in.Service)
		}, c.listServiceDeployments),
		op.Read(api.DescribeServiceDeployments, func(_ op.Caller, in *api.DescribeServiceDeploymentsInput) []string { return in.ServiceDeploymentArns }, c.describeServiceDeployments),
		op.Read(api.DescribeServiceRevisions, func(_ op.Caller, in *api.DescribeServiceRevisionsInput) []string { return in.ServiceRevisionArns }, c.describeServiceRevisions),
		op.Change(api.StopServiceDeployment, func(_ op.Caller, in *api.StopServiceDeploymentInput) []string {
			return []string{*in.ServiceDeploymentArn}
		}, c.stopServiceDeployment),

		op.Change(api.RunTask, runs, c.runTask).
			With(op.KeyOf("ecs:cluster", func(by op.Caller, in *api.RunTaskInput) []string { return inCluster(by, in.Cluster) })),
		op.Change(api.StopTask, func(by op.Caller, in *api.StopTaskInput) []string { return inTasks(by, in.Cluster, []string{*in.Task}) }, c.stopTask),
		op.Read(api.DescribeTasks, func(by op.Caller, in *api.DescribeTasksInput) []string { return inTasks(by, in.Cluster, in.Tasks) }, c.describeTasks),
		op.Read(api.ListTasks, nil, c.listTasks).
			With(op.KeyOf("ecs:cluster", func(by op.Caller, in *api.ListTasksInput) []string { return inCluster(by, in.Cluster) })),
		op.Read(api.GetTaskProtection, func(by op.Caller, in *api.GetTaskProtectionInput) []string { return inTasks(by, in.Cluster, in.Tasks) }, c.getTaskProtection),
		op.Change(api.UpdateTaskProtection, func(by op.Caller, in *api.UpdateTaskProtectionInput) []string {
			return inTasks(by, in.Cluster, in.Tasks)
		}, c.updateTaskProtection),

		op.Change(api.TagResource, func(_ op.Caller, in *api.TagResourceInput) []string { return []string{*in.ResourceArn} }, c.tagResource),
		op.Change(api.UntagResource, func(_ op.Caller, in *api.UntagResourceInput) []string { return []string{*in.ResourceArn} }, c.untagResource),
		op.Read(api.ListTagsForResource, func(_ op.Caller, in *api.ListTagsForResourceInput) []string { return []string{*in.ResourceArn} }, c.listTagsForResource),
		op.Read(api.ListAccountSettings, nil, c.listAccountSettings),
		op.Change(api.PutAccountSetting, nil, c.putAccountSetting),
		op.Change(api.PutAccountSettingDefault, nil, c.putAccountSettingDefault),
	}
}

func inCluster(by op.Caller, ref *string) []string {
	return []string{clusterARN(by.Scope, clusterOf(ref))}
}

func clusters(by op.Caller, in *api.DescribeClustersInput) []string {
	if len(in.Clusters) == 0 {
		return inCluster(by, nil)
	}
	var out []string
	for _, ref := range in.Clusters {
		out = append(out, clusterARN(by.Scope, nameOf(ref)))
	}
	return out
}

func inService(by op.Caller, cluster, ref *string) []string {
	k, name := serviceOf(cluster, op.Val(ref))
	return []string{arn.New("ecs", by.Region, by.Account, "service/"+k+"/"+name)}
}

func services(by op.Caller, in *api.DescribeServicesInput) []string {
	var out []string
	for _, ref := range in.Services {
		out = append(out, inService(by, in.Cluster, &ref)...)
	}
	return out
}

// runs is the task definition that a task is run from. One without a revision is
// asked about as "family:*", as AWS documents it for policies.
func runs(by op.Caller, in *api.RunTaskInput) []string {
	name := nameOf(*in.TaskDefinition)
	if !strings.Contains(name, ":") {
		name += ":*"
	}
	return []string{arn.New("ecs", by.Region, by.Account, "task-definition/"+name)}
}

func inTasks(by op.Caller, cluster *string, refs []string) []string {
	var out []string
	for _, ref := range refs {
		out = append(out, taskARN(by.Scope, clusterOf(cluster), nameOf(ref)))
	}
	return out
}
