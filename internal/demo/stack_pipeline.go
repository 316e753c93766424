package demo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	cbtypes "github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	events "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

func (s *Stack) makePipeline(ctx context.Context) error {
	if err := s.makeProject(ctx); err != nil {
		return err
	}
	_, err := s.aws.Pipeline.CreatePipeline(ctx, &codepipeline.CreatePipelineInput{Pipeline: &types.PipelineDeclaration{
		Name: new(name), RoleArn: &s.pipelineRole,
		ArtifactStore: &types.ArtifactStore{Type: types.ArtifactStoreTypeS3, Location: &s.bucket},
		Stages: []types.StageDeclaration{
			stage("Source", action(types.ActionCategorySource, "CodeCommit", nil, "source", map[string]string{
				"RepositoryName": name, "BranchName": "main", "PollForSourceChanges": "false",
			})),
			stage("Build", action(types.ActionCategoryBuild, "CodeBuild", []string{"source"}, "image", map[string]string{"ProjectName": name})),
			stage("Deploy", action(types.ActionCategoryDeploy, "ECS", []string{"image"}, "", map[string]string{
				"ClusterName": name, "ServiceName": name, "FileName": "imagedefinitions.json", "DeploymentTimeout": "10",
			})),
		},
	}})
	if err != nil {
		return wrap(err, "create the pipeline")
	}
	return s.makeRule(ctx)
}

func stage(stage string, a types.ActionDeclaration) types.StageDeclaration {
	return types.StageDeclaration{Name: &stage, Actions: []types.ActionDeclaration{a}}
}

func action(category types.ActionCategory, provider string, in []string, out string, configuration map[string]string) types.ActionDeclaration {
	a := types.ActionDeclaration{
		Name: &provider, Configuration: configuration,
		ActionTypeId: &types.ActionTypeId{Category: category, Owner: types.ActionOwnerAws, Provider: &provider, Version: new("1")},
	}
	for _, artifact := range in {
		a.InputArtifacts = append(a.InputArtifacts, types.InputArtifact{Name: &artifact})
	}
	if out != "" {
		a.OutputArtifacts = []types.OutputArtifact{{Name: &out}}
	}
	return a
}

func (s *Stack) makeProject(ctx context.Context) error {
	variable := func(name, value string) cbtypes.EnvironmentVariable {
		return cbtypes.EnvironmentVariable{Name: &name, Value: &value}
	}
	_, err := s.aws.Build.CreateProject(ctx, &codebuild.CreateProjectInput{
		Name: new(name), ServiceRole: &s.buildRole,
		Source:    &cbtypes.ProjectSource{Type: cbtypes.SourceTypeCodepipeline},
		Artifacts: &cbtypes.ProjectArtifacts{Type: cbtypes.ArtifactsTypeCodepipeline},
		Environment: &cbtypes.ProjectEnvironment{
			Type: cbtypes.EnvironmentTypeLinuxContainer, ComputeType: cbtypes.ComputeTypeBuildGeneral1Small,
			Image: new("aws/codebuild/standard:7.0"), PrivilegedMode: new(true),
			EnvironmentVariables: []cbtypes.EnvironmentVariable{
				variable("AWS_ACCOUNT_ID", s.env.Account), variable("REPOSITORY_NAME", name),
			},
		},
		VpcConfig: &cbtypes.VpcConfig{VpcId: &s.vpc, Subnets: s.private, SecurityGroupIds: []string{s.appGroup}},
	})
	return wrap(err, "create the build project")
}

func (s *Stack) makeRule(ctx context.Context) error {
	pattern := fmt.Sprintf(`{"source":["aws.codecommit"],"detail-type":["CodeCommit Repository State Change"],"resources":["arn:aws:codecommit:%s:%s:%s"],`+
		`"detail":{"event":["referenceCreated","referenceUpdated"],"referenceType":["branch"],"referenceName":["main"]}}`, s.env.Region, s.env.Account, name)
	if _, err := s.aws.Events.PutRule(ctx, &events.PutRuleInput{Name: new(name + "-push"), EventPattern: &pattern}); err != nil {
		return wrap(err, "create the rule for pushes")
	}
	s.pipeline = fmt.Sprintf("arn:aws:codepipeline:%s:%s:%s", s.env.Region, s.env.Account, name)
	out, err := s.aws.Events.PutTargets(ctx, &events.PutTargetsInput{
		Rule: new(name + "-push"), Targets: []eventtypes.Target{{Id: new("pipeline"), Arn: &s.pipeline, RoleArn: &s.eventRole}},
	})
	if err != nil {
		return wrap(err, "point the rule to the pipeline")
	}
	if out.FailedEntryCount > 0 {
		return fmt.Errorf("point the rule to the pipeline: %s", *out.FailedEntries[0].ErrorMessage)
	}
	return nil
}
