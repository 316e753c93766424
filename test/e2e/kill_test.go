package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

const (
	kills   = 5   // per build
	counted = 400 // lines of the counting build
)

// TestKilledServerLosesNoLine kills the server again and again while a build counts:
// the build goes on, ends as SUCCEEDED, and each line is in the log once.
func TestKilledServerLosesNoLine(t *testing.T) {
	in := serve(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	build := in.count(t)
	for range kills {
		target := random.IntN(counted * 9 / 10)
		err := until(t.Context(), fmt.Sprintf("line %d", target), func() (bool, error) {
			lines, err := in.lines(t.Context(), build)
			return len(lines) >= target, err
		})
		if err != nil {
			t.Fatal(err)
		}
		in.kill()
		in.start()
	}
	var status types.StatusType
	err := until(t.Context(), "the build's end", func() (bool, error) {
		got, err := in.aws.Build.BatchGetBuilds(t.Context(), &codebuild.BatchGetBuildsInput{Ids: []string{build}})
		if err != nil || len(got.Builds) == 0 {
			return false, err
		}
		status = got.Builds[0].BuildStatus
		return status != types.StatusTypeInProgress, nil
	})
	if err != nil || status != types.StatusTypeSucceeded {
		t.Fatalf("the build ended as %s, %v", status, err)
	}
	lines, err := in.lines(t.Context(), build)
	if err != nil {
		t.Fatal(err)
	}
	for i := range counted {
		if i >= len(lines) || lines[i] != fmt.Sprintf("line %d", i+1) {
			t.Fatalf("of %d lines, number %d is %q", len(lines), i+1, lines[min(i, len(lines)-1)])
		}
	}
	if len(lines) != counted {
		t.Errorf("%d lines, not %d", len(lines), counted)
	}
}

// count starts the counting build and returns its id.
func (in *installation) count(t *testing.T) string {
	t.Helper()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	role, err := in.aws.IAM.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: new("build"), AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	allow := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*","Resource":"*"}]}`
	if _, err := in.aws.IAM.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: new("build"), PolicyName: new("logs"), PolicyDocument: &allow}); err != nil {
		t.Fatal(err)
	}
	spec := fmt.Sprintf("version: 0.2\nphases:\n  build:\n    commands:\n      - for i in $(seq %d); do echo line $i; sleep 0.03; done\n", counted)
	_, err = in.aws.Build.CreateProject(t.Context(), &codebuild.CreateProjectInput{
		Name: new("count"), ServiceRole: role.Role.Arn, Artifacts: &types.ProjectArtifacts{Type: types.ArtifactsTypeNoArtifacts},
		Source:      &types.ProjectSource{Type: types.SourceTypeNoSource, Buildspec: &spec},
		Environment: &types.ProjectEnvironment{Type: types.EnvironmentTypeLinuxContainer, ComputeType: types.ComputeTypeBuildGeneral1Small, Image: new("aws/codebuild/standard:7.0")},
	})
	if err != nil {
		t.Fatal(err)
	}
	started, err := in.aws.Build.StartBuild(t.Context(), &codebuild.StartBuildInput{ProjectName: new("count")})
	if err != nil {
		t.Fatal(err)
	}
	return *started.Build.Id
}

// lines are the counted lines of the build's log so far.
func (in *installation) lines(ctx context.Context, build string) (out []string, err error) {
	_, stream, _ := strings.Cut(build, ":")
	request := &logs.GetLogEventsInput{LogGroupName: new("/aws/codebuild/count"), LogStreamName: &stream, StartFromHead: new(true)}
	for {
		page, err := in.aws.Logs.GetLogEvents(ctx, request)
		if err != nil && strings.Contains(err.Error(), "ResourceNotFoundException") {
			return nil, nil // not made yet
		}
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if text := strings.TrimRight(*e.Message, "\n"); strings.HasPrefix(text, "line ") {
				out = append(out, text)
			}
		}
		if request.NextToken != nil && *request.NextToken == *page.NextForwardToken {
			return out, nil
		}
		request.NextToken = page.NextForwardToken
	}
}
