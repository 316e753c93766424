// Package codebuild is the build and test action of CodeBuild. Package codepipeline
// calls it; the build itself is CodeBuild's.
package codebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
)

// Provider is the action CodeBuild, of one category.
type Provider struct {
	aws      op.StreamDispatcher
	category string
	timeout  time.Duration
}

// Build makes the provider of the category Build.
func Build(aws op.StreamDispatcher) *Provider { return &Provider{aws, "Build", 36 * time.Hour} }

// Test makes the provider of the category Test.
func Test(aws op.StreamDispatcher) *Provider { return &Provider{aws, "Test", 8 * time.Hour} }

// Type describes it.
func (p *Provider) Type() action.Type {
	return action.Type{
		ID: action.ID{Category: p.category, Owner: "AWS", Provider: "CodeBuild", Version: "1"},
		Properties: []action.Property{
			{Name: "ProjectName", Required: true}, {Name: "PrimarySource"}, {Name: "BatchEnabled"}, {Name: "CombineArtifacts"},
			{Name: "BuildspecOverride"}, {Name: "EnvironmentVariables"},
		},
		Inputs: action.Range{Min: 1, Max: 5}, Outputs: action.Range{Max: 5}, Timeout: p.timeout,
	}
}

// Check refuses batches.
func (*Provider) Check(name string, c map[string]string) string {
	if strings.EqualFold(c["BatchEnabled"], "true") {
		return fmt.Sprintf("Action configuration for action '%s' enables batch builds, which are not supported here: set BatchEnabled to false", name)
	}
	return ""
}

// Start starts the build.
func (p *Provider) Start(ctx context.Context, in action.Input) (action.Report, error) {
	start, failure := request(in)
	if failure != nil {
		return action.Report{State: action.Failed, Failure: failure}, nil
	}
	out, err := op.Call(ctx, p.aws, in.Caller(in.ID), api.StartBuild, start)
	if f, ok := action.Refused(err); err != nil && ok {
		if f.Code == action.PermissionError {
			return action.Fail(f.Code, "Error calling startBuild: %s (Service: AWSCodeBuild; Status Code: 400; Error Code: AccessDeniedException)", f.Message), nil
		}
		return action.Fail(f.Code, "Error calling startBuild: %s", f.Message), nil
	}
	if err != nil {
		return action.Report{}, err
	}
	return running(in, op.Val(out.Build.Id), op.Val(out.Build.Arn)), nil
}

func running(in action.Input, id, arn string) action.Report {
	console := "https://console.aws.amazon.com/codebuild/home?region=" + in.Region
	return action.Report{
		State: action.Running, Token: id, Await: arn, ExternalID: id, URL: console + "#/builds/" + id + "/view/new",
		EntityURL: console + "#/projects/" + in.Configuration["ProjectName"] + "/view",
	}
}

// Poll looks at the build.
func (p *Provider) Poll(ctx context.Context, in action.Input) (action.Report, error) {
	out, err := op.Call(ctx, p.aws, in.Caller(""), api.BatchGetBuilds, &api.BatchGetBuildsInput{Ids: []string{in.Token}})
	if f, ok := action.Refused(err); err != nil && ok {
		return action.Fail(f.Code, "Error calling batchGetBuilds: %s", f.Message), nil
	}
	if err != nil {
		return action.Report{}, err
	}
	if len(out.Builds) == 0 {
		return action.Fail(action.JobFailed, "The build %s does not exist any more", in.Token), nil
	}
	b := out.Builds[0]
	r := running(in, in.Token, op.Val(b.Arn))
	switch status := op.Val(b.BuildStatus); status {
	case api.StatusTypeInProgress:
	case api.StatusTypeSucceeded:
		r.State = action.Succeeded
		r.Variables = map[string]string{}
		for _, v := range b.ExportedEnvironmentVariables {
			r.Variables[op.Val(v.Name)] = op.Val(v.Value)
		}
	default:
		r.State = action.Failed
		r.Failure = &action.Failure{Code: action.JobFailed, Message: "Build terminated with state: " + status + phase(b)}
	}
	return r, nil
}

// phase says where a build failed, as the console shows it.
func phase(b api.Build) string {
	for _, p := range b.Phases {
		if s := op.Val(p.PhaseStatus); s == "" || s == api.StatusTypeSucceeded {
			continue
		}
		for _, c := range p.Contexts {
			if m := op.Val(c.Message); m != "" {
				return fmt.Sprintf(". Phase: %s, Code: %s, Message: %s", op.Val(p.PhaseType), op.Val(c.StatusCode), m)
			}
		}
	}
	return ""
}

// request is StartBuild's input in the convention of package service/codebuild.
func request(in action.Input) (*api.StartBuildInput, *action.Failure) {
	primary, failure := primarySource(in)
	if failure != nil {
		return nil, failure
	}
	source := in.Inputs[primary]
	out := &api.StartBuildInput{
		ProjectName: new(in.Configuration["ProjectName"]), SourceTypeOverride: new(api.SourceTypeCodepipeline),
		SourceLocationOverride: new(source.Bucket + "/" + source.Key), SourceVersion: op.Opt(source.Revision),
		BuildspecOverride: op.Opt(in.Configuration["BuildspecOverride"]), EncryptionKeyOverride: op.Opt(in.EncryptionKey),
		// CodeBuild wants the same type on both sides; without a location nothing is stored there.
		ArtifactsOverride: &api.ProjectArtifacts{Type: new(api.ArtifactsTypeCodepipeline)},
	}
	for i, a := range in.Inputs {
		if i == primary {
			continue
		}
		out.SecondarySourcesOverride = append(out.SecondarySourcesOverride, api.ProjectSource{
			Type: new(api.SourceTypeCodepipeline), Location: new(a.Bucket + "/" + a.Key), SourceIdentifier: new(a.Name),
		})
		if a.Revision != "" {
			out.SecondarySourcesVersionOverride = append(out.SecondarySourcesVersionOverride, api.ProjectSourceVersion{SourceIdentifier: new(a.Name), SourceVersion: new(a.Revision)})
		}
	}
	if len(in.Outputs) == 1 {
		out.ArtifactsOverride = artifacts(in.Outputs[0])
	} else {
		for _, a := range in.Outputs {
			o := artifacts(a)
			o.ArtifactIdentifier = new(a.Name)
			out.SecondaryArtifactsOverride = append(out.SecondaryArtifactsOverride, *o)
		}
	}
	out.EnvironmentVariablesOverride, failure = variables(in.Configuration["EnvironmentVariables"])
	return out, failure
}

func primarySource(in action.Input) (int, *action.Failure) {
	name := in.Configuration["PrimarySource"]
	if name == "" && len(in.Inputs) == 1 {
		return 0, nil
	}
	i := slices.IndexFunc(in.Inputs, func(a action.Artifact) bool { return a.Name == name })
	if i < 0 {
		return 0, &action.Failure{Code: action.ConfigurationError, Message: "The PrimarySource must be the name of one of the action's input artifacts when there is more than one, and is '" + name + "'"}
	}
	return i, nil
}

func artifacts(a action.Artifact) *api.ProjectArtifacts {
	path, name := "", a.Key
	if i := strings.LastIndexByte(a.Key, '/'); i >= 0 {
		path, name = a.Key[:i], a.Key[i+1:]
	}
	return &api.ProjectArtifacts{Type: new(api.ArtifactsTypeCodepipeline), Location: &a.Bucket, Path: &path, Name: &name}
}

// variables reads the action's own environment variables.
func variables(text string) ([]api.EnvironmentVariable, *action.Failure) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var out []api.EnvironmentVariable
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, &action.Failure{Code: action.ConfigurationError, Message: "The EnvironmentVariables of the action are not a JSON array of objects with name, value and type: " + err.Error()}
	}
	for i := range out {
		out[i].Type = new(op.Or(out[i].Type, api.EnvironmentVariableTypePlaintext))
	}
	return out, nil
}
