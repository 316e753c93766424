package bench

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/penstock-ci/penstock/internal/demo"
)

// stack is the running server, and what builds on it need.
type stack struct {
	env       demo.Env
	aws       *demo.Clients
	buildRole string
}

// running starts the server for the first measure that asks for it.
func (b *Bench) running(ctx context.Context) (*stack, error) {
	if b.stack != nil {
		return b.stack, nil
	}
	env, err := b.Server.Start(ctx)
	if err != nil {
		return nil, err
	}
	s := &stack{env: env}
	if s.aws, err = demo.Connect(ctx, env); err != nil {
		return nil, err
	}
	s.buildRole, err = s.makeRole(ctx, "bench-build", "codebuild.amazonaws.com", "logs:*", "s3:*")
	if err != nil {
		return nil, err
	}
	b.stack = s
	return s, nil
}

// makeRole makes a role that a service takes and that may do actions on everything.
func (s *stack) makeRole(ctx context.Context, name, service string, actions ...string) (arn string, err error) {
	made, err := s.aws.IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: new(trusts(service))})
	if err != nil {
		return "", fmt.Errorf("create the role %s: %w", name, err)
	}
	_, err = s.aws.IAM.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &name, PolicyDocument: new(allows("*", actions...))})
	if err != nil {
		return "", fmt.Errorf("write the policy of the role %s: %w", name, err)
	}
	return *made.Role.Arn, nil
}

// makeProject makes a build project on the curated image.
func (s *stack) makeProject(ctx context.Context, name string, source types.ProjectSource) error {
	artifacts := types.ProjectArtifacts{Type: types.ArtifactsTypeNoArtifacts}
	if source.Type == types.SourceTypeCodepipeline {
		artifacts.Type = types.ArtifactsTypeCodepipeline
	}
	_, err := s.aws.Build.CreateProject(ctx, &codebuild.CreateProjectInput{
		Name: &name, ServiceRole: &s.buildRole, Source: &source, Artifacts: &artifacts,
		Environment: &types.ProjectEnvironment{
			Type: types.EnvironmentTypeLinuxContainer, ComputeType: types.ComputeTypeBuildGeneral1Small, Image: new("aws/codebuild/standard:7.0"),
		},
	})
	if err != nil {
		return fmt.Errorf("create the build project %s: %w", name, err)
	}
	return nil
}

func trusts(service string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`
}

func allows(resource string, actions ...string) string {
	text, _ := json.Marshal(map[string]any{ // strings always encode
		"Version": "2012-10-17", "Statement": map[string]any{"Effect": "Allow", "Action": actions, "Resource": resource},
	})
	return string(text)
}
