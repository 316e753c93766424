package ecs

import (
	"context"
	"fmt"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (c *Control) updateService(ctx context.Context, tx store.Tx, by op.Caller, in *api.UpdateServiceInput) (*api.UpdateServiceOutput, error) {
	cluster, name := serviceOf(in.Cluster, *in.Service)
	d, err := c.service(ctx, tx, by.Scope, cluster, name)
	if err != nil {
		return nil, err
	}
	s := d.Value.clone()
	if s.Status != "ACTIVE" {
		return nil, api.ServiceNotActiveException("Service was not ACTIVE.")
	}
	if err := refuseUpdate(in); err != nil {
		return nil, err
	}
	if err := s.Settings.update(in); err != nil {
		return nil, err
	}
	if n := in.DesiredCount; n != nil {
		if *n < 0 || *n > 5000 {
			return nil, api.InvalidParameterException("desiredCount must be between 0 and 5000.")
		}
		s.Desired = int(*n)
	}
	rev, err := c.nextRevision(ctx, tx, &s, in)
	if err != nil {
		return nil, err
	}
	if op.Val(in.ForceNewDeployment) || !sameRevision(rev, s.primary().Revision) {
		s.deploy(rev, c.Clock.Now())
	}
	if _, err := c.services.Put(ctx, tx, by.Scope, d.Key, s, d.Version); err != nil {
		return nil, fmt.Errorf("write service %s: %w", d.Key, err)
	}
	return &api.UpdateServiceOutput{Service: serviceOut(&s, true)}, c.changed(ctx, tx, &s)
}

// nextRevision is the service's revision with what the request changes. Without a
// forced deployment a capacity provider strategy alone starts none, as on AWS.
func (c *Control) nextRevision(ctx context.Context, r store.Reader, s *Service, in *api.UpdateServiceInput) (Revision, error) {
	now := s.primary().Revision
	k, err := c.cluster(ctx, r, s.Scope, s.Cluster)
	if err != nil {
		return now, err
	}
	w := wish{
		definition: op.Or(in.TaskDefinition, now.TaskDefinition), platform: op.Opt(op.Or(in.PlatformVersion, now.Platform)),
		network: in.NetworkConfiguration, loadBalancers: in.LoadBalancers, launchType: op.Opt(now.LaunchType), strategy: strategyOut(now.Strategy),
	}
	if w.network == nil {
		w.network = networkOut(now.Network)
	}
	if in.LoadBalancers == nil {
		w.loadBalancers = loadBalancersOut(now.LoadBalancers)
	}
	if len(in.CapacityProviderStrategy) > 0 && op.Val(in.ForceNewDeployment) {
		w.launchType, w.strategy = nil, in.CapacityProviderStrategy
	}
	if in.TaskDefinition == nil { // what runs on an INACTIVE revision goes on with it
		d, err := c.definition(ctx, r, s.Scope, now.TaskDefinition)
		if err != nil {
			return now, fmt.Errorf("read task definition %s: %w", now.TaskDefinition, err)
		}
		if d.Value.status() != "ACTIVE" {
			next := now
			if err := next.takeNetwork(w.network); err != nil {
				return now, err
			}
			return next, nil
		}
	}
	next, _, err := c.revise(ctx, r, s.Scope, k.Value, w)
	return next, err
}

func refuseUpdate(in *api.UpdateServiceInput) error {
	switch {
	case in.DeploymentController != nil && op.Or(in.DeploymentController.Type, "ECS") != "ECS":
		return api.UnsupportedFeatureException("The deployment controller %s is not supported: use ECS.", *in.DeploymentController.Type)
	case len(in.PlacementConstraints) > 0 || len(in.PlacementStrategy) > 0:
		return api.InvalidParameterException("Placement strategies and constraints are not supported with FARGATE launch type.")
	case op.Val(in.EnableExecuteCommand):
		return api.UnsupportedFeatureException("enableExecuteCommand is not supported: ECS Exec needs the Session Manager, use 'penstock exec'.")
	}
	return refuseExtras(in.ServiceRegistries, in.ServiceConnectConfiguration, in.VolumeConfigurations, in.VpcLatticeConfigurations)
}

func (s *Settings) update(in *api.UpdateServiceInput) error {
	if in.HealthCheckGracePeriodSeconds != nil {
		s.GracePeriod, s.HasGracePeriod = int(*in.HealthCheckGracePeriodSeconds), true
	}
	s.Rebalancing = op.Or(in.AvailabilityZoneRebalancing, s.Rebalancing)
	s.PropagateTags = op.Or(in.PropagateTags, s.PropagateTags)
	s.ManagedTags = op.Or(in.EnableECSManagedTags, s.ManagedTags)
	return s.take(in.DeploymentConfiguration)
}

func (c *Control) deleteService(ctx context.Context, tx store.Tx, by op.Caller, in *api.DeleteServiceInput) (*api.DeleteServiceOutput, error) {
	cluster, name := serviceOf(in.Cluster, *in.Service)
	d, err := c.service(ctx, tx, by.Scope, cluster, name)
	if err != nil {
		return nil, err
	}
	s := d.Value.clone()
	switch {
	case s.Status == "INACTIVE":
		return nil, api.ServiceNotActiveException("Service was not ACTIVE.")
	case s.Desired > 0 && !op.Val(in.Force):
		return nil, api.InvalidParameterException("The service cannot be stopped while it is scaled above 0.")
	}
	s.Status, s.Desired = "DRAINING", 0
	if _, err := c.services.Put(ctx, tx, by.Scope, d.Key, s, d.Version); err != nil {
		return nil, fmt.Errorf("delete service %s: %w", d.Key, err)
	}
	return &api.DeleteServiceOutput{Service: serviceOut(&s, true)}, c.changed(ctx, tx, &s)
}
