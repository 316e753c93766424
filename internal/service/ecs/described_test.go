package ecs

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
)

func TestConditionKeysDecide(t *testing.T) {
	t.Parallel()
	w := newStage(t)
	const prefix = "arn:aws:ecs:us-east-1:100000000001:"
	tags := []api.Tag{{Key: new("team"), Value: new("a")}}
	call(w, api.CreateCluster, &api.CreateClusterInput{ClusterName: new("blue"), Tags: tags})
	definition := w.register("sleep 1000")
	call(w, api.TagResource, &api.TagResourceInput{ResourceArn: &definition, Tags: tags})
	made := call(w, api.CreateService, &api.CreateServiceInput{
		Cluster: new("blue"), ServiceName: new("web"), TaskDefinition: &definition, DesiredCount: new(int32(0)), LaunchType: new("FARGATE"), Tags: tags,
		NetworkConfiguration: &api.NetworkConfiguration{AwsvpcConfiguration: &api.AwsVpcConfiguration{Subnets: []string{"subnet-a"}}},
	}).Service
	deployment := call(w, api.ListServiceDeployments, &api.ListServiceDeploymentsInput{Cluster: new("blue"), Service: new("web")}).ServiceDeployments[0].ServiceDeploymentArn

	e := dispatchtest.Enforce(t, w.DB, w.svc)
	describe := dispatchtest.Asking(t, e, api.DescribeServices, &api.DescribeServicesInput{Cluster: new("blue"), Services: []string{"web"}})
	update := func(definition string) func(op.Caller) error {
		return dispatchtest.Asking(t, e, api.UpdateService, &api.UpdateServiceInput{Cluster: new("blue"), Service: new("web"), TaskDefinition: &definition})
	}
	task := func(definition string) func(op.Caller) error {
		return dispatchtest.Asking(t, e, api.RunTask, &api.RunTaskInput{
			Cluster: new("blue"), TaskDefinition: &definition, LaunchType: new("FARGATE"),
			NetworkConfiguration: &api.NetworkConfiguration{AwsvpcConfiguration: &api.AwsVpcConfiguration{Subnets: []string{"subnet-a"}}},
		})
	}
	deployments := dispatchtest.Asking(t, e, api.DescribeServiceDeployments, &api.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{*deployment}})
	for _, key := range []string{"aws:ResourceTag/team", "ecs:ResourceTag/team"} {
		e.Decides(t, key, "a", dispatchtest.Asking(t, e, api.DescribeClusters, &api.DescribeClustersInput{Clusters: []string{"blue"}}))
		e.Decides(t, key, "a", describe)
		e.Decides(t, key, "a", task("web:1")) // the definition's
		e.Decides(t, key, "a", task("web"))   // and of its newest revision
	}
	cluster := prefix + "cluster/blue"
	e.Decides(t, "ecs:cluster", cluster, describe)
	e.Decides(t, "ecs:cluster", cluster, dispatchtest.Asking(t, e, api.DescribeServices, &api.DescribeServicesInput{Services: []string{*made.ServiceArn}}))
	e.Decides(t, "ecs:cluster", cluster, dispatchtest.Asking(t, e, api.DescribeTasks, &api.DescribeTasksInput{Cluster: new("blue"), Tasks: []string{"0123456789abcdef"}}))
	e.Decides(t, "ecs:cluster", cluster, dispatchtest.Asking(t, e, api.ListTasks, &api.ListTasksInput{Cluster: &cluster}))
	e.Decides(t, "ecs:cluster", cluster, dispatchtest.Asking(t, e, api.ListServices, &api.ListServicesInput{Cluster: new("blue")}))
	e.Decides(t, "ecs:cluster", cluster, task("web"))
	e.Decides(t, "ecs:cluster", cluster, deployments)
	e.Decides(t, "ecs:service", prefix+"service/blue/web", deployments)
	for _, name := range []string{"web", "web:1", definition} {
		e.Decides(t, "ecs:task-definition", definition, update(name))
	}
}
