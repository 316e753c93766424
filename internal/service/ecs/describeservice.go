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

func (c *Control) describeServices(ctx context.Context, r store.Reader, by op.Caller, in *api.DescribeServicesInput) (*api.DescribeServicesOutput, error) {
	if len(in.Services) == 0 {
		return nil, api.InvalidParameterException("Services cannot be empty.")
	}
	if len(in.Services) > 10 {
		return nil, api.InvalidParameterException("Services can have at most 10 items.")
	}
	out := &api.DescribeServicesOutput{Services: []api.Service{}, Failures: []api.Failure{}}
	for _, ref := range in.Services {
		cluster, name := serviceOf(in.Cluster, ref)
		if _, err := c.cluster(ctx, r, by.Scope, cluster); err != nil {
			return nil, err
		}
		d, err := c.services.Get(ctx, r, by.Scope, cluster+"/"+name)
		if errors.Is(err, store.ErrNotFound) {
			out.Failures = append(out.Failures, missing(by, ref, "service/"+cluster+"/"+name))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read service %s/%s: %w", cluster, name, err)
		}
		out.Services = append(out.Services, *serviceOut(&d.Value, slices.Contains(in.Include, "TAGS")))
	}
	return out, nil
}

func (c *Control) listServices(ctx context.Context, r store.Reader, by op.Caller, in *api.ListServicesInput) (*api.ListServicesOutput, error) {
	cluster := clusterOf(in.Cluster)
	if _, err := c.cluster(ctx, r, by.Scope, cluster); err != nil {
		return nil, err
	}
	services, err := c.servicesOf(ctx, r, by.Scope, cluster)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range services {
		if s.Status != "ACTIVE" || in.SchedulingStrategy != nil && *in.SchedulingStrategy != s.Settings.Strategy {
			continue
		}
		if p := s.primary(); in.LaunchType == nil || p != nil && p.Revision.LaunchType == *in.LaunchType {
			names = append(names, s.arn())
		}
	}
	names, next, err := page(names, in.NextToken, in.MaxResults, 10)
	return &api.ListServicesOutput{ServiceArns: names, NextToken: next}, err
}

// serviceOut is a service as the API tells it.
func serviceOut(s *Service, withTags bool) *api.Service {
	pending, running := s.counts("")
	out := &api.Service{
		ServiceArn: new(s.arn()), ServiceName: &s.Name, ClusterArn: new(s.clusterARN()), Status: &s.Status,
		DesiredCount: new(int32(s.Desired)), PendingCount: new(int32(pending)), RunningCount: new(int32(running)),
		LoadBalancers: []api.LoadBalancer{}, ServiceRegistries: []api.ServiceRegistry{}, Deployments: []api.Deployment{}, Events: []api.ServiceEvent{},
		PlacementConstraints: []api.PlacementConstraint{}, PlacementStrategy: []api.PlacementStrategy{},
		DeploymentConfiguration: deploymentConfigurationOut(s.Settings), DeploymentController: &api.DeploymentController{Type: new("ECS")},
		RoleArn: &s.Settings.RoleARN, CreatedAt: op.At(s.CreatedAt), CreatedBy: op.Opt(s.CreatedBy), SchedulingStrategy: &s.Settings.Strategy,
		EnableECSManagedTags: &s.Settings.ManagedTags, EnableExecuteCommand: &s.Settings.Exec, PropagateTags: &s.Settings.PropagateTags,
		AvailabilityZoneRebalancing: &s.Settings.Rebalancing,
	}
	if s.Settings.HasGracePeriod {
		out.HealthCheckGracePeriodSeconds = new(int32(s.Settings.GracePeriod))
	}
	if withTags {
		out.Tags = tagsOut(s.Settings.Tags)
	}
	for _, e := range s.Events {
		out.Events = append(out.Events, api.ServiceEvent{Id: &e.ID, CreatedAt: op.At(e.At), Message: &e.Message})
	}
	last := s.primary()
	if last == nil && len(s.Past) > 0 {
		last = &s.Past[0]
	}
	if last != nil {
		revisionInto(out, last)
		out.CurrentServiceDeployment = new(s.deploymentARN(last))
	}
	for i := range s.Deployments {
		d := &s.Deployments[i]
		out.Deployments = append(out.Deployments, s.deploymentOut(i))
		pending, running := s.counts(d.ID)
		if i == 0 || running+pending > 0 {
			out.CurrentServiceRevisions = append(out.CurrentServiceRevisions, api.ServiceCurrentRevisionSummary{
				Arn: new(s.revisionARN(d.RevisionID)), RequestedTaskCount: new(int32(s.requested(i))),
				RunningTaskCount: new(int32(running)), PendingTaskCount: new(int32(pending)),
			})
		}
	}
	return out
}

func revisionInto(out *api.Service, d *Deployment) {
	r := d.Revision
	out.TaskDefinition = &r.TaskDefinition
	out.LaunchType = op.Opt(r.LaunchType)
	out.CapacityProviderStrategy = strategyOut(r.Strategy)
	out.PlatformVersion, out.PlatformFamily = op.Opt(r.Platform), new("Linux")
	out.NetworkConfiguration = networkOut(r.Network)
	out.LoadBalancers = loadBalancersOut(r.LoadBalancers)
}

// requested is the number of tasks that the i-th deployment is to have.
func (s *Service) requested(i int) int {
	if i == 0 {
		return s.Desired
	}
	pending, running := s.counts(s.Deployments[i].ID)
	return pending + running
}

func (s *Service) deploymentOut(i int) api.Deployment {
	d := &s.Deployments[i]
	pending, running := s.counts(d.ID)
	status := "ACTIVE"
	if i == 0 {
		status = "PRIMARY"
	}
	return api.Deployment{
		Id: &d.ID, Status: &status, TaskDefinition: &d.Revision.TaskDefinition,
		DesiredCount: new(int32(s.requested(i))), PendingCount: new(int32(pending)), RunningCount: new(int32(running)), FailedTasks: new(int32(d.FailedTasks)),
		CreatedAt: op.At(d.CreatedAt), UpdatedAt: op.At(d.UpdatedAt),
		CapacityProviderStrategy: strategyOut(d.Revision.Strategy), LaunchType: op.Opt(d.Revision.LaunchType),
		PlatformVersion: new(platform(d.Revision.Platform)), PlatformFamily: new("Linux"), NetworkConfiguration: networkOut(d.Revision.Network),
		RolloutState: new(string(d.Rollout)), RolloutStateReason: &d.RolloutReason,
	}
}

func deploymentConfigurationOut(s Settings) *api.DeploymentConfiguration {
	out := &api.DeploymentConfiguration{
		DeploymentCircuitBreaker: &api.DeploymentCircuitBreaker{Enable: &s.Breaker, Rollback: &s.Rollback},
		MaximumPercent:           new(int32(s.Maximum)), MinimumHealthyPercent: new(int32(s.Minimum)),
		Strategy: new("ROLLING"), BakeTimeInMinutes: new(int32(0)),
	}
	if a := s.Alarms; a != nil {
		out.Alarms = &api.DeploymentAlarms{AlarmNames: a.Names, Enable: &a.Enable, Rollback: &a.Rollback}
	}
	return out
}

func networkOut(n Network) *api.NetworkConfiguration {
	return &api.NetworkConfiguration{AwsvpcConfiguration: &api.AwsVpcConfiguration{
		Subnets: orEmpty(n.Subnets), SecurityGroups: orEmpty(n.Groups), AssignPublicIp: op.Opt(n.PublicIP),
	}}
}

func loadBalancersOut(list []LoadBalancer) []api.LoadBalancer {
	out := []api.LoadBalancer{}
	for _, b := range list {
		out = append(out, api.LoadBalancer{TargetGroupArn: &b.Group, ContainerName: &b.Container, ContainerPort: &b.Port})
	}
	return out
}

func strategyOut(items []StrategyItem) []api.CapacityProviderStrategyItem {
	var out []api.CapacityProviderStrategyItem
	for _, i := range items {
		out = append(out, api.CapacityProviderStrategyItem{CapacityProvider: &i.Provider, Weight: &i.Weight, Base: &i.Base})
	}
	return out
}
