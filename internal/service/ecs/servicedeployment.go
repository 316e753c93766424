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

func (s *Service) deploymentARN(d *Deployment) string {
	return arn.New("ecs", s.Region, s.Account, "service-deployment/"+s.Cluster+"/"+s.Name+"/"+d.Number)
}

func (s *Service) revisionARN(id string) string {
	return arn.New("ecs", s.Region, s.Account, "service-revision/"+s.Cluster+"/"+s.Name+"/"+id)
}

// history are all deployments that a service remembers, newest first.
func (s *Service) history() []Deployment {
	list := append(slices.Clone(s.Deployments), s.Past...)
	slices.SortStableFunc(list, func(a, b Deployment) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return list
}

// state is a service deployment's status.
func (d *Deployment) state() string {
	if d.Outcome != "" {
		return d.Outcome
	}
	return "IN_PROGRESS"
}

// ofARN finds the service that a deployment's or revision's ARN belongs to, and its last part.
func (c *Control) ofARN(ctx context.Context, r store.Reader, s store.Scope, ref, kind string) (*Service, string, error) {
	a, _ := arn.Parse(ref)
	p := strings.Split(a.Resource, "/")
	if len(p) != 4 || p[0] != kind {
		return nil, "", api.InvalidParameterException("Invalid identifier: %s is not the ARN of a %s.", ref, strings.ReplaceAll(kind, "-", " "))
	}
	d, err := c.services.Get(ctx, r, s, p[1]+"/"+p[2])
	if errors.Is(err, store.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read service %s/%s: %w", p[1], p[2], err)
	}
	return &d.Value, p[3], nil
}

func (c *Control) listServiceDeployments(ctx context.Context, r store.Reader, by op.Caller, in *api.ListServiceDeploymentsInput) (*api.ListServiceDeploymentsOutput, error) {
	cluster, name := serviceOf(in.Cluster, *in.Service)
	doc, err := c.service(ctx, r, by.Scope, cluster, name)
	if err != nil {
		return nil, err
	}
	s := &doc.Value
	briefs := map[string]api.ServiceDeploymentBrief{}
	var names []string
	for _, d := range s.history() {
		if len(in.Status) > 0 && !slices.Contains(in.Status, d.state()) {
			continue
		}
		if at := in.CreatedAt; at != nil && (at.After != nil && !d.CreatedAt.After(at.After.Time) || at.Before != nil && !d.CreatedAt.Before(at.Before.Time)) {
			continue
		}
		name := s.deploymentARN(&d)
		names = append(names, name)
		briefs[name] = api.ServiceDeploymentBrief{
			ServiceDeploymentArn: &name, ServiceArn: new(s.arn()), ClusterArn: new(s.clusterARN()), CreatedAt: op.At(d.CreatedAt),
			StartedAt: op.At(d.CreatedAt), FinishedAt: op.At(d.FinishedAt), TargetServiceRevisionArn: new(s.revisionARN(d.RevisionID)),
			Status: new(d.state()), StatusReason: op.Opt(d.Reason),
		}
	}
	names, next, err := page(names, in.NextToken, in.MaxResults, 20)
	out := &api.ListServiceDeploymentsOutput{ServiceDeployments: []api.ServiceDeploymentBrief{}, NextToken: next}
	for _, name := range names {
		out.ServiceDeployments = append(out.ServiceDeployments, briefs[name])
	}
	return out, err
}

func (c *Control) describeServiceDeployments(ctx context.Context, r store.Reader, by op.Caller, in *api.DescribeServiceDeploymentsInput) (*api.DescribeServiceDeploymentsOutput, error) {
	out := &api.DescribeServiceDeploymentsOutput{ServiceDeployments: []api.ServiceDeployment{}, Failures: []api.Failure{}}
	for _, ref := range in.ServiceDeploymentArns {
		s, number, err := c.ofARN(ctx, r, by.Scope, ref, "service-deployment")
		if err != nil {
			return nil, err
		}
		found := false
		if s != nil {
			for _, d := range s.history() {
				if d.Number == number {
					found = true
					out.ServiceDeployments = append(out.ServiceDeployments, s.serviceDeploymentOut(&d))
				}
			}
		}
		if !found {
			out.Failures = append(out.Failures, missing(by, ref, ""))
		}
	}
	return out, nil
}

func (s *Service) serviceDeploymentOut(d *Deployment) api.ServiceDeployment {
	pending, running := s.counts(d.ID)
	requested := 0
	if p := s.primary(); p != nil && p.ID == d.ID {
		requested = s.Desired
	}
	out := api.ServiceDeployment{
		ServiceDeploymentArn: new(s.deploymentARN(d)), ServiceArn: new(s.arn()), ClusterArn: new(s.clusterARN()),
		CreatedAt: op.At(d.CreatedAt), StartedAt: op.At(d.CreatedAt), FinishedAt: op.At(d.FinishedAt), StoppedAt: op.At(d.StoppedAt), UpdatedAt: op.At(d.UpdatedAt),
		SourceServiceRevisions: []api.ServiceRevisionSummary{}, Status: new(d.state()), StatusReason: op.Opt(d.Reason),
		TargetServiceRevision: &api.ServiceRevisionSummary{
			Arn: new(s.revisionARN(d.RevisionID)), RequestedTaskCount: new(int32(requested)), RunningTaskCount: new(int32(running)), PendingTaskCount: new(int32(pending)),
		},
		DeploymentConfiguration: deploymentConfigurationOut(s.Settings), DeploymentCircuitBreaker: s.breakerOut(d),
		Alarms: &api.ServiceDeploymentAlarms{Status: new("DISABLED"), AlarmNames: []string{}, TriggeredAlarmNames: []string{}},
	}
	for _, id := range d.Source {
		out.SourceServiceRevisions = append(out.SourceServiceRevisions, api.ServiceRevisionSummary{Arn: new(s.revisionARN(id))})
	}
	if d.RolledTo != "" {
		out.Rollback = &api.Rollback{Reason: op.Opt(d.Reason), StartedAt: op.At(d.RolledAt), ServiceRevisionArn: new(s.revisionARN(d.RolledTo))}
	}
	return out
}

func (s *Service) breakerOut(d *Deployment) *api.ServiceDeploymentCircuitBreaker {
	status := "DISABLED"
	switch {
	case d.Rollout == Failed:
		status = "TRIGGERED"
	case s.Settings.Breaker && d.Rollout == InProgress:
		status = "MONITORING"
	case s.Settings.Breaker:
		status = "MONITORING_COMPLETE"
	}
	return &api.ServiceDeploymentCircuitBreaker{Status: &status, FailureCount: new(int32(d.FailedTasks)), Threshold: new(int32(Threshold(s.Desired)))}
}

func (c *Control) describeServiceRevisions(ctx context.Context, r store.Reader, by op.Caller, in *api.DescribeServiceRevisionsInput) (*api.DescribeServiceRevisionsOutput, error) {
	out := &api.DescribeServiceRevisionsOutput{ServiceRevisions: []api.ServiceRevision{}, Failures: []api.Failure{}}
	for _, ref := range in.ServiceRevisionArns {
		s, id, err := c.ofARN(ctx, r, by.Scope, ref, "service-revision")
		if err != nil {
			return nil, err
		}
		found := false
		if s != nil {
			for _, d := range s.history() {
				if d.RevisionID == id {
					found = true
					out.ServiceRevisions = append(out.ServiceRevisions, s.revisionOut(&d))
				}
			}
		}
		if !found {
			out.Failures = append(out.Failures, missing(by, ref, ""))
		}
	}
	return out, nil
}

func (s *Service) revisionOut(d *Deployment) api.ServiceRevision {
	r := d.Revision
	out := api.ServiceRevision{
		ServiceRevisionArn: new(s.revisionARN(d.RevisionID)), ServiceArn: new(s.arn()), ClusterArn: new(s.clusterARN()), TaskDefinition: &r.TaskDefinition,
		LaunchType: op.Opt(r.LaunchType), CapacityProviderStrategy: strategyOut(r.Strategy), PlatformVersion: new(platform(r.Platform)), PlatformFamily: new("Linux"),
		LoadBalancers: loadBalancersOut(r.LoadBalancers), NetworkConfiguration: networkOut(r.Network), CreatedAt: op.At(d.CreatedAt), GuardDutyEnabled: new(false),
	}
	for _, name := range sortedKeys(r.Images) {
		digest := r.Images[name]
		out.ContainerImages = append(out.ContainerImages, api.ContainerImage{ContainerName: &name, ImageDigest: &digest})
	}
	return out
}

// stopServiceDeployment rolls a running deployment back, as a failure would.
func (c *Control) stopServiceDeployment(ctx context.Context, tx store.Tx, by op.Caller, in *api.StopServiceDeploymentInput) (*api.StopServiceDeploymentOutput, error) {
	s, number, err := c.ofARN(ctx, tx, by.Scope, *in.ServiceDeploymentArn, "service-deployment")
	if err != nil {
		return nil, err
	}
	var found *Deployment
	if s != nil {
		for i := range s.Deployments {
			if s.Deployments[i].Number == number {
				found = &s.Deployments[i]
			}
		}
	}
	switch {
	case found == nil:
		return nil, api.ServiceDeploymentNotFoundException("Service deployment not found.")
	case op.Or(in.StopType, "ROLLBACK") != "ROLLBACK":
		return nil, api.UnsupportedFeatureException("The stop type %s is not supported: use ROLLBACK.", *in.StopType)
	case found.ID != s.primary().ID || found.Rollout != InProgress:
		return nil, api.ConflictException("The service deployment is not in progress.")
	}
	err = c.send(ctx, tx, serviceID(s.Scope, s.Cluster, s.Name), serviceRollback, number)
	return &api.StopServiceDeploymentOutput{ServiceDeploymentArn: in.ServiceDeploymentArn}, err
}
