package ecs

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (c *Control) createService(ctx context.Context, tx store.Tx, by op.Caller, in *api.CreateServiceInput) (*api.CreateServiceOutput, error) {
	if !isName(*in.ServiceName) {
		return nil, api.InvalidParameterException("Service name is invalid: up to 255 letters, numbers, underscores and hyphens are allowed.")
	}
	k, err := c.useCluster(ctx, tx, by.Scope, clusterOf(in.Cluster))
	if err != nil {
		return nil, err
	}
	if err := refuseCreate(in); err != nil {
		return nil, err
	}
	rev, _, err := c.revise(ctx, tx, by.Scope, k, wish{
		definition: op.Val(in.TaskDefinition), launchType: in.LaunchType, strategy: in.CapacityProviderStrategy,
		platform: in.PlatformVersion, network: in.NetworkConfiguration, loadBalancers: in.LoadBalancers,
	})
	if err != nil {
		return nil, err
	}
	settings, err := settingsOf(in, by.Account)
	if err != nil {
		return nil, err
	}
	now := c.Clock.Now()
	made := Service{
		Scope: by.Scope, Cluster: k.Name, Name: *in.ServiceName, Status: "ACTIVE", Desired: int(op.Val(in.DesiredCount)), Settings: settings,
		CreatedAt: now, CreatedBy: principal(by), Incarnation: ids.Hex(16, by.Key),
	}
	if made.Desired < 0 || made.Desired > 5000 {
		return nil, api.InvalidParameterException("desiredCount must be between 0 and 5000.")
	}
	made.deploy(rev, now)
	old, err := c.services.Get(ctx, tx, by.Scope, k.Name+"/"+made.Name)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return nil, fmt.Errorf("read service %s: %w", made.Name, err)
	case old.Value.Status == "DRAINING":
		return nil, api.InvalidParameterException("Unable to Start a service that is still Draining.")
	case old.Value.Status == "ACTIVE":
		if same(&old.Value, &made) {
			return &api.CreateServiceOutput{Service: serviceOut(&old.Value, true)}, nil
		}
		return nil, api.InvalidParameterException("Creation of service was not idempotent.")
	}
	if err := c.mayTag(ctx, tx, by, in.Tags, made.arn(), "CreateService"); err != nil {
		return nil, err
	}
	if _, err := c.services.Put(ctx, tx, by.Scope, k.Name+"/"+made.Name, made, old.Version); err != nil {
		return nil, fmt.Errorf("write service %s: %w", made.Name, err)
	}
	return &api.CreateServiceOutput{Service: serviceOut(&made, true)}, c.changed(ctx, tx, &made)
}

// principal is who created a service: a role's session is told as the role.
func principal(by op.Caller) string {
	if by.Session != nil && by.Session.RoleARN != "" {
		return by.Session.RoleARN
	}
	return by.ARN
}

func same(a, b *Service) bool {
	return a.Desired == b.Desired && reflect.DeepEqual(a.Settings, b.Settings) && a.primary() != nil &&
		sameRevision(a.primary().Revision, b.primary().Revision)
}

func sameRevision(a, b Revision) bool {
	a.Images, b.Images = nil, nil
	return reflect.DeepEqual(a, b)
}

// refuseCreate names what of a request is not done.
func refuseCreate(in *api.CreateServiceInput) error {
	switch {
	case in.DeploymentController != nil && op.Or(in.DeploymentController.Type, "ECS") != "ECS":
		return api.UnsupportedFeatureException("The deployment controller %s is not supported: use ECS.", *in.DeploymentController.Type)
	case op.Or(in.SchedulingStrategy, "REPLICA") != "REPLICA":
		return api.UnsupportedFeatureException("The scheduling strategy %s is not supported: use REPLICA.", *in.SchedulingStrategy)
	case op.Val(in.TaskDefinition) == "":
		return api.InvalidParameterException("TaskDefinition can not be blank.")
	case len(in.PlacementConstraints) > 0 || len(in.PlacementStrategy) > 0:
		return api.InvalidParameterException("Placement strategies and constraints are not supported with FARGATE launch type.")
	}
	return refuseExtras(in.ServiceRegistries, in.ServiceConnectConfiguration, in.VolumeConfigurations, in.VpcLatticeConfigurations)
}

func refuseExtras(registries []api.ServiceRegistry, connect *api.ServiceConnectConfiguration, volumes []api.ServiceVolumeConfiguration, lattice []api.VpcLatticeConfiguration) error {
	switch {
	case len(registries) > 0:
		return api.UnsupportedFeatureException("serviceRegistries (Cloud Map) are not supported.")
	case connect != nil && op.Val(connect.Enabled):
		return api.UnsupportedFeatureException("Service Connect is not supported.")
	case len(volumes) > 0:
		return api.UnsupportedFeatureException("volumeConfigurations are not supported.")
	case len(lattice) > 0:
		return api.UnsupportedFeatureException("vpcLatticeConfigurations are not supported.")
	}
	return nil
}

func settingsOf(in *api.CreateServiceInput, account string) (Settings, error) {
	s := Settings{
		Minimum: 100, Maximum: 200, GracePeriod: int(op.Val(in.HealthCheckGracePeriodSeconds)),
		HasGracePeriod: in.HealthCheckGracePeriodSeconds != nil || len(in.LoadBalancers) > 0,
		Rebalancing:    op.Or(in.AvailabilityZoneRebalancing, "ENABLED"), Strategy: "REPLICA",
		PropagateTags: op.Or(in.PropagateTags, "NONE"), ManagedTags: op.Val(in.EnableECSManagedTags), Exec: op.Val(in.EnableExecuteCommand),
		RoleARN: op.ServiceLinked(account, "ecs.amazonaws.com", "AWSServiceRoleForECS"), Tags: tagsIn(in.Tags),
	}
	if s.GracePeriod > 0 && len(in.LoadBalancers) == 0 {
		return s, api.InvalidParameterException("Health check grace period is only valid for services configured to use load balancers")
	}
	if s.Exec {
		return s, api.UnsupportedFeatureException("enableExecuteCommand is not supported: ECS Exec needs the Session Manager, use 'penstock exec'.")
	}
	return s, s.take(in.DeploymentConfiguration)
}

// take changes what a deployment configuration sets.
func (s *Settings) take(d *api.DeploymentConfiguration) error {
	if d == nil {
		return nil
	}
	if op.Or(d.Strategy, "ROLLING") != "ROLLING" || d.CanaryConfiguration != nil || d.LinearConfiguration != nil || len(d.LifecycleHooks) > 0 {
		return api.UnsupportedFeatureException("The deployment strategy %s is not supported: use ROLLING without lifecycle hooks.", op.Or(d.Strategy, "ROLLING"))
	}
	s.Minimum = int(op.Or(d.MinimumHealthyPercent, int32(s.Minimum)))
	s.Maximum = int(op.Or(d.MaximumPercent, int32(s.Maximum)))
	switch { // 100/100 is accepted as on AWS; the service tells by an event that it is stuck
	case s.Minimum < 0 || s.Maximum < 0:
		return api.InvalidParameterException("Deployment configuration percentages can not be negative.")
	case s.Maximum <= s.Minimum && s.Maximum < 100:
		return api.InvalidParameterException("The maximumPercent must be greater than the minimumHealthyPercent, or 100.")
	}
	if b := d.DeploymentCircuitBreaker; b != nil {
		s.Breaker, s.Rollback = op.Val(b.Enable), op.Val(b.Rollback)
	}
	if a := d.Alarms; a != nil {
		if op.Val(a.Enable) {
			return api.UnsupportedFeatureException("Deployment alarms are not supported: set alarms.enable to false.")
		}
		s.Alarms = &Alarms{Names: orEmpty(a.AlarmNames), Rollback: op.Val(a.Rollback)}
	}
	return nil
}

// changed wakes the service's machine in the transaction that wrote what is wanted.
func (c *Control) changed(ctx context.Context, tx store.Tx, s *Service) error {
	return c.send(ctx, tx, serviceID(s.Scope, s.Cluster, s.Name), serviceChanged, nil)
}
