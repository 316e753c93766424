package e2e

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/penstock-ci/penstock/internal/host/baseimage"
)

// role makes the role of builds, which may write their logs.
func (in *installation) role(t *testing.T) {
	t.Helper()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	if _, err := in.aws.IAM.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: new("build"), AssumeRolePolicyDocument: &trust}); err != nil {
		t.Fatal(err)
	}
	allow := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*","Resource":"*"}]}`
	if _, err := in.aws.IAM.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: new("build"), PolicyName: new("logs"), PolicyDocument: &allow}); err != nil {
		t.Fatal(err)
	}
}

// build runs one command in the image that the mirror has; the build's id is the result.
func (in *installation) build(t *testing.T, project, command string) string {
	t.Helper()
	return in.buildIn(t, project, baseimage.Debian, command)
}

func (in *installation) buildIn(t *testing.T, project, image, command string) string {
	t.Helper()
	spec := fmt.Sprintf("version: 0.2\nphases:\n  build:\n    commands:\n      - %s\n", command)
	_, err := in.aws.Build.CreateProject(t.Context(), &codebuild.CreateProjectInput{
		Name: &project, ServiceRole: new("arn:aws:iam::" + in.env.Account + ":role/build"), Artifacts: &types.ProjectArtifacts{Type: types.ArtifactsTypeNoArtifacts},
		Source:      &types.ProjectSource{Type: types.SourceTypeNoSource, Buildspec: &spec},
		Environment: &types.ProjectEnvironment{Type: types.EnvironmentTypeLinuxContainer, ComputeType: types.ComputeTypeBuildGeneral1Small, Image: &image},
	})
	if exists := (*types.ResourceAlreadyExistsException)(nil); err != nil && !errors.As(err, &exists) {
		t.Fatal(err)
	}
	started, err := in.aws.Build.StartBuild(t.Context(), &codebuild.StartBuildInput{ProjectName: &project})
	if err != nil {
		t.Fatal(err)
	}
	return *started.Build.Id
}

// inPhase waits until the build has come to a phase.
func (in *installation) inPhase(t *testing.T, build, phase string) {
	t.Helper()
	err := until(t.Context(), "the build's phase "+phase, func() (bool, error) {
		b, err := in.describe(t, build)
		if err == nil && b.BuildComplete {
			err = fmt.Errorf("the build ended as %s", b.BuildStatus)
		}
		return err == nil && *b.CurrentPhase == phase, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ended waits for the build's end.
func (in *installation) ended(t *testing.T, build string) (b types.Build) {
	t.Helper()
	err := until(t.Context(), "the build's end", func() (ended bool, err error) {
		b, err = in.describe(t, build)
		return b.BuildComplete, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// succeeds waits for the build's end, which must be a good one.
func (in *installation) succeeds(t *testing.T, build string) {
	t.Helper()
	if b := in.ended(t, build); b.BuildStatus != types.StatusTypeSucceeded {
		t.Errorf("the build ended as %s and says %q", b.BuildStatus, reasons(b))
	}
}

// reasons are what a build's phases tell.
func reasons(b types.Build) (all string) {
	for _, p := range b.Phases {
		for _, c := range p.Contexts {
			all += aws.ToString(c.Message)
		}
	}
	return all
}

func (in *installation) describe(t *testing.T, build string) (types.Build, error) {
	got, err := in.aws.Build.BatchGetBuilds(t.Context(), &codebuild.BatchGetBuildsInput{Ids: []string{build}})
	if err != nil {
		return types.Build{}, err
	}
	return got.Builds[0], nil
}
