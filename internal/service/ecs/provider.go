package ecs

import (
	"context"
	"slices"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// describeCapacityProviders knows AWS's own two; both are the same pool here.
func (c *Control) describeCapacityProviders(_ context.Context, _ store.Reader, by op.Caller, in *api.DescribeCapacityProvidersInput) (*api.DescribeCapacityProvidersOutput, error) {
	out := &api.DescribeCapacityProvidersOutput{CapacityProviders: []api.CapacityProvider{}, Failures: []api.Failure{}}
	known := []string{"FARGATE", "FARGATE_SPOT"}
	refs := in.CapacityProviders
	if len(refs) == 0 {
		refs = known
	}
	for _, ref := range refs {
		name := nameOf(ref)
		if !slices.Contains(known, name) {
			out.Failures = append(out.Failures, missing(by, ref, "capacity-provider/"+name))
			continue
		}
		out.CapacityProviders = append(out.CapacityProviders, api.CapacityProvider{
			CapacityProviderArn: new(arn.New("ecs", by.Region, by.Account, "capacity-provider/"+name)),
			Name:                &name, Status: new("ACTIVE"), Tags: []api.Tag{},
		})
	}
	return out, nil
}

// Container instances do not exist here: every task runs on the shared pool.
func (c *Control) listContainerInstances(ctx context.Context, r store.Reader, by op.Caller, in *api.ListContainerInstancesInput) (*api.ListContainerInstancesOutput, error) {
	_, err := c.cluster(ctx, r, by.Scope, clusterOf(in.Cluster))
	return &api.ListContainerInstancesOutput{ContainerInstanceArns: []string{}}, err
}

func (c *Control) describeContainerInstances(ctx context.Context, r store.Reader, by op.Caller, in *api.DescribeContainerInstancesInput) (*api.DescribeContainerInstancesOutput, error) {
	if _, err := c.cluster(ctx, r, by.Scope, clusterOf(in.Cluster)); err != nil {
		return nil, err
	}
	out := &api.DescribeContainerInstancesOutput{ContainerInstances: []api.ContainerInstance{}, Failures: []api.Failure{}}
	for _, ref := range in.ContainerInstances {
		out.Failures = append(out.Failures, missing(by, ref, "container-instance/"+clusterOf(in.Cluster)+"/"+ref))
	}
	return out, nil
}
