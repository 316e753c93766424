// Package ecs is the deploy action that gives an ECS service new images, task by
// task. Package codepipeline calls it; the rollout is ECS's own.
package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
)

// maxDefinitions is the largest file of image definitions, AWS's own limit.
const maxDefinitions = 100 << 10

// Provider is the deploy action ECS.
type Provider struct{ aws op.StreamDispatcher }

// New makes the provider.
func New(aws op.StreamDispatcher) *Provider { return &Provider{aws} }

// Type describes it.
func (*Provider) Type() action.Type {
	return action.Type{
		ID: action.ID{Category: "Deploy", Owner: "AWS", Provider: "ECS", Version: "1"},
		Properties: []action.Property{
			{Name: "ClusterName", Required: true}, {Name: "ServiceName", Required: true}, {Name: "FileName"}, {Name: "DeploymentTimeout"},
		},
		Inputs: action.Range{Min: 1, Max: 1}, Timeout: time.Hour,
	}
}

// Check looks at the timeout.
func (*Provider) Check(name string, c map[string]string) string {
	if t, ok := c["DeploymentTimeout"]; ok {
		if n, err := strconv.Atoi(t); err != nil || n < 1 || n > 60 {
			return fmt.Sprintf("Action configuration for action '%s' contains the value '%s' for DeploymentTimeout, which must be a number of minutes from 1 to 60", name, t)
		}
	}
	return ""
}

// token is what Poll must know.
type token struct{ Deployment, TaskDefinition string }

// definition is one entry of imagedefinitions.json.
type definition struct {
	Name     string `json:"name"`
	ImageURI string `json:"imageUri"`
}

// Start registers the task definition and updates the service.
func (p *Provider) Start(ctx context.Context, in action.Input) (action.Report, error) {
	images, failure, err := p.images(ctx, in)
	if failure != nil || err != nil {
		return action.Report{State: action.Failed, Failure: failure}, err
	}
	service, err := p.service(ctx, in)
	if err != nil {
		return refused(err)
	}
	next, err := p.register(ctx, in, op.Val(service.TaskDefinition), images)
	if err != nil {
		return refused(err)
	}
	out, err := op.Call(ctx, p.aws, in.Caller(in.ID), api.UpdateService, &api.UpdateServiceInput{
		Cluster: new(in.Configuration["ClusterName"]), Service: new(in.Configuration["ServiceName"]), TaskDefinition: &next,
	})
	if err != nil {
		return refused(err)
	}
	for _, d := range out.Service.Deployments {
		if op.Val(d.Status) == "PRIMARY" {
			return running(in, op.Val(out.Service.ServiceArn), token{op.Val(d.Id), next}), nil
		}
	}
	return action.Fail(action.JobFailed, "The service %s has no deployment after its update", in.Configuration["ServiceName"]), nil
}

func running(in action.Input, service string, t token) action.Report {
	raw, _ := json.Marshal(t) // two strings
	return action.Report{
		State: action.Running, Token: string(raw), Await: service, ExternalID: t.Deployment,
		URL: "https://console.aws.amazon.com/ecs/home?region=" + in.Region + "#/clusters/" + in.Configuration["ClusterName"] +
			"/services/" + in.Configuration["ServiceName"] + "/deployments",
		EntityURL: "https://console.aws.amazon.com/ecs/home?region=" + in.Region + "#/clusters/" + in.Configuration["ClusterName"] + "/services/" + in.Configuration["ServiceName"],
	}
}

func (p *Provider) images(ctx context.Context, in action.Input) ([]definition, *action.Failure, error) {
	file, a := in.Configuration["FileName"], in.Inputs[0]
	if file == "" {
		file = "imagedefinitions.json"
	}
	fail := func(code, format string, args ...any) *action.Failure {
		return &action.Failure{Code: code, Message: fmt.Sprintf(format, args...)}
	}
	raw, err := action.ReadFile(ctx, p.aws, in, a, file, maxDefinitions)
	switch {
	case errors.Is(err, action.ErrMissing), action.IsCode(err, "NoSuchKey"):
		return nil, fail(action.JobFailed, "Did not find the image definition file %s in the input artifacts ZIP file. Verify the file is stored in your pipeline's Amazon S3 artifact bucket: %s key: %s", file, a.Bucket, a.Key), nil
	case action.IsDenied(err):
		return nil, action.StoreDenied(a.Bucket, err).Failure, nil
	case err != nil:
		return nil, nil, err
	}
	var images []definition
	if err := json.Unmarshal(raw, &images); err != nil {
		return nil, fail(action.ConfigurationError, "Invalid action configuration: the image definition file %s is not a JSON array of objects with name and imageUri: %v", file, err), nil
	}
	for _, d := range images {
		if d.Name == "" || d.ImageURI == "" {
			return nil, fail(action.ConfigurationError, "Invalid action configuration: an entry of the image definition file %s lacks name or imageUri", file), nil
		}
	}
	return images, nil, nil
}

func (p *Provider) service(ctx context.Context, in action.Input) (*api.Service, error) {
	name := in.Configuration["ServiceName"]
	out, err := op.Call(ctx, p.aws, in.Caller(""), api.DescribeServices, &api.DescribeServicesInput{
		Cluster: new(in.Configuration["ClusterName"]), Services: []string{name},
	})
	if err != nil {
		return nil, err
	}
	if len(out.Services) == 0 || op.Val(out.Services[0].Status) == "INACTIVE" {
		return nil, api.ServiceNotFoundException("The service %s could not be found in the cluster %s", name, in.Configuration["ClusterName"])
	}
	return &out.Services[0], nil
}

// register makes the revision that differs from current in the listed containers' images only.
func (p *Provider) register(ctx context.Context, in action.Input, current string, images []definition) (string, error) {
	got, err := op.Call(ctx, p.aws, in.Caller(""), api.DescribeTaskDefinition, &api.DescribeTaskDefinitionInput{
		TaskDefinition: &current, Include: []string{api.TaskDefinitionFieldTags},
	})
	if err != nil {
		return "", err
	}
	raw, err := json.Marshal(got.TaskDefinition)
	if err != nil {
		return "", fmt.Errorf("copy task definition %s: %w", current, err)
	}
	next := &api.RegisterTaskDefinitionInput{} // has all members but those that ECS fills in
	if err := json.Unmarshal(raw, next); err != nil {
		return "", fmt.Errorf("copy task definition %s: %w", current, err)
	}
	if len(got.Tags) > 0 {
		next.Tags = got.Tags
	}
	for _, d := range images {
		found := false
		for i := range next.ContainerDefinitions {
			if op.Val(next.ContainerDefinitions[i].Name) == d.Name {
				next.ContainerDefinitions[i].Image = &d.ImageURI
				found = true
			}
		}
		if !found {
			return "", api.InvalidParameterException("The AWS ECS container %s does not exist", d.Name)
		}
	}
	out, err := op.Call(ctx, p.aws, in.Caller(in.ID), api.RegisterTaskDefinition, next)
	if err != nil {
		return "", err
	}
	return op.Val(out.TaskDefinition.TaskDefinitionArn), nil
}

// refused is the failure of the action for an error of ECS.
func refused(err error) (action.Report, error) {
	f, ok := action.Refused(err)
	if !ok {
		return action.Report{}, err
	}
	return action.Report{State: action.Failed, Failure: &f}, nil
}

// Poll looks at the deployment.
func (p *Provider) Poll(ctx context.Context, in action.Input) (action.Report, error) {
	var t token
	if err := json.Unmarshal([]byte(in.Token), &t); err != nil {
		return action.Report{}, fmt.Errorf("read the action's token: %w", err)
	}
	s, err := p.service(ctx, in)
	if err != nil {
		return refused(err)
	}
	return judge(running(in, op.Val(s.ServiceArn), t), s, t), nil
}

// judge decides by what the service shows. A deployment that is done is the only
// one; one that failed shows it, or is replaced by the one that ECS goes back to.
func judge(r action.Report, s *api.Service, t token) action.Report {
	fail := func(format string, args ...any) action.Report {
		r.State, r.Failure = action.Failed, &action.Failure{Code: action.JobFailed, Message: fmt.Sprintf(format, args...)}
		return r
	}
	for _, d := range s.Deployments {
		if op.Val(d.Id) != t.Deployment {
			continue
		}
		switch op.Val(d.RolloutState) {
		case api.DeploymentRolloutStateCompleted:
			if op.Val(d.Status) != "PRIMARY" {
				return fail("The deployment %s was replaced by another one of the service", t.Deployment)
			}
			r.State, r.Summary = action.Succeeded, "Deployment Succeeded"
			return r
		case api.DeploymentRolloutStateFailed:
			return fail("%s%s", op.Val(d.RolloutStateReason), told(s, t.Deployment))
		}
		if op.Val(d.Status) != "PRIMARY" {
			return fail("The deployment %s was replaced by another one of the service before it completed", t.Deployment)
		}
		return r
	}
	for _, d := range s.Deployments {
		if reason := op.Val(d.RolloutStateReason); op.Val(d.Status) == "PRIMARY" && strings.Contains(reason, "rolling back") {
			return fail("%s%s", reason, told(s, t.Deployment))
		}
	}
	return fail("The deployment %s of the service ended before it completed%s", t.Deployment, told(s, t.Deployment))
}

// told is why tasks did not come up, in the words of the service's newest warning.
func told(s *api.Service, deployment string) string {
	for _, e := range s.Events {
		m := op.Val(e.Message)
		if strings.Contains(m, "unable to") || strings.Contains(m, "failed container health checks") || strings.Contains(m, "is unhealthy in") {
			return " " + m
		}
		if strings.Contains(m, deployment+") deployment completed") {
			return ""
		}
	}
	return ""
}
