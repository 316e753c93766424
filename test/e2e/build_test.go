package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/penstock-ci/penstock/internal/host/baseimage"
)

// toolSpec is a build of which something is kept, and something stored.
const toolSpec = `version: 0.2
phases:
  build:
    commands:
      - command -v git || echo "an image without git, called $CODEBUILD_BUILD_IMAGE"
      - echo "kept:$(cat deps/numbers 2>/dev/null)"; mkdir -p deps; printf ' %s' $CODEBUILD_BUILD_NUMBER >> deps/numbers
      - mkdir out && echo made > out/result
artefacts: {files: nothing}
artifacts:
  base-directory: out
  name: app-$(echo $CODEBUILD_BUILD_NUMBER).zip
  files: ['**/*']
cache: {paths: ['deps/**/*'], key: "deps-$CODEBUILD_BUILD_NUMBER", fallback-keys: [deps-]}
reports: {unit: {files: '*.xml'}}
`

// TestBuildsInImages builds in images of the registry, of the host's Engine and of
// nowhere, with artifacts and a cache in S3.
func TestBuildsInImages(t *testing.T) {
	in := serve(t)
	w := &workshop{in}
	w.role(t, "builder", `["logs:*","s3:*","ecr:GetAuthorizationToken","ecr:BatchCheckLayerAvailability","ecr:GetDownloadUrlForLayer","ecr:BatchGetImage"]`)
	w.role(t, "logger", `["logs:*"]`)
	for _, bucket := range []string{"store", "cache"} {
		if _, err := in.aws.S3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new(bucket)}); err != nil {
			t.Fatal(err)
		}
	}
	tools := w.push(t, "tools", baseimage.Debian)

	w.project(t, "by-role", tools, "SERVICE_ROLE", "builder")
	for number, kept := range []string{"kept:", "kept: 1"} {
		b, log := w.build(t, "by-role")
		if b.BuildStatus != types.StatusTypeSucceeded {
			t.Fatalf("%s\n%s", why(b), log)
		}
		for _, want := range []string{"an image without git, called " + tools, kept, "\t\tartefacts (line 8, column 1)", "Skipping report unit: reports are not kept"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
		name := fmt.Sprintf("app-%d.zip", number+1)
		if got := *b.Artifacts.Location; got != "arn:aws:s3:::store/"+name {
			t.Errorf("the artifact lies at %s", got)
		}
		if got := w.unzip(t, "store", name); got != "result: made\n" {
			t.Errorf("%s holds %q", name, got)
		}
	}

	repository := "arn:aws:ecr:us-east-1:" + in.env.Account + ":repository/tools"
	w.project(t, "by-poor-role", tools, "SERVICE_ROLE", "logger")
	w.fails(t, "by-poor-role", "denied: User: arn:aws:sts::"+in.env.Account+":assumed-role/logger/AWSCodeBuild-", " is not authorized to perform: ecr:GetAuthorizationToken on resource: *")
	w.project(t, "by-codebuild", tools, "CODEBUILD", "builder")
	w.fails(t, "by-codebuild", "pull access denied for "+strings.TrimSuffix(tools, ":1"), "denied: User: CodeBuild is not authorized to perform: ecr:BatchCheckLayerAvailability on resource: "+repository)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":["ecr:BatchCheckLayerAvailability","ecr:GetDownloadUrlForLayer","ecr:BatchGetImage"],` +
		`"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:codebuild:us-east-1:` + in.env.Account + `:project/by-*"}}}]}`
	if _, err := in.aws.ECR.SetRepositoryPolicy(t.Context(), &ecr.SetRepositoryPolicyInput{RepositoryName: new("tools"), PolicyText: &policy}); err != nil {
		t.Fatal(err)
	}
	w.project(t, "public", baseimage.PythonAlias, "CODEBUILD", "builder")
	for _, name := range []string{"by-codebuild", "public"} {
		if b, log := w.build(t, name); b.BuildStatus != types.StatusTypeSucceeded || !strings.Contains(log, "an image without git") {
			t.Errorf("%s: %s\n%s", name, why(b), log)
		}
	}
	w.project(t, "nowhere", "127.0.0.1:1/none:1", "CODEBUILD", "builder")
	w.fails(t, "nowhere", "manifest for 127.0.0.1:1/none:1 not found", "`penstock mirror add 127.0.0.1:1/none:1`")

	_, err := in.aws.Build.CreateWebhook(t.Context(), &codebuild.CreateWebhookInput{ProjectName: new("public")})
	if err == nil || !strings.Contains(err.Error(), "CreateWebhook") {
		t.Errorf("a webhook: %v", err)
	}
	_, err = in.aws.Build.UpdateProjectVisibility(t.Context(), &codebuild.UpdateProjectVisibilityInput{ProjectArn: new("arn:aws:codebuild:us-east-1:" + in.env.Account + ":project/public"), ProjectVisibility: types.ProjectVisibilityTypePublicRead})
	if err == nil || !strings.Contains(err.Error(), "UpdateProjectVisibility") {
		t.Errorf("a public project: %v", err)
	}
}

// workshop makes projects and their builds.
type workshop struct{ *installation }

func (w *workshop) role(t *testing.T, name, actions string) {
	t.Helper()
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	may := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":` + actions + `,"Resource":"*"}}`
	if _, err := w.aws.IAM.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.aws.IAM.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: new("may"), PolicyDocument: &may}); err != nil {
		t.Fatal(err)
	}
}

// push puts an image of the host's Engine into the registry, as its owner would, and
// returns the name that builds know it by. The Engine forgets what was pulled from it.
func (w *workshop) push(t *testing.T, repository, image string) string {
	t.Helper()
	if _, err := w.aws.ECR.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &repository}); err != nil {
		t.Fatal(err)
	}
	out, err := w.aws.ECR.GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := base64.StdEncoding.DecodeString(*out.AuthorizationData[0].AuthorizationToken)
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(w.env.Endpoint, "http://")
	alias := address + "/" + w.env.Account + ".us-east-1/" + repository
	configuration := t.TempDir()
	docker := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command("docker", args...)
		cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+configuration)
		cmd.Stdin = strings.NewReader(stdin)
		b, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("docker %s: %v\n%s", args[0], err, b)
		}
		return string(b)
	}
	docker(strings.TrimPrefix(string(token), "AWS:"), "login", "--username", "AWS", "--password-stdin", address)
	docker("", "tag", image, alias+":1")
	docker("", "push", alias+":1")
	docker("", "rmi", alias+":1")
	t.Cleanup(func() {
		for ref := range strings.Lines(docker("", "images", "--digests", "--format", "{{.Repository}}@{{.Digest}}", alias)) {
			docker("", "rmi", strings.TrimSpace(ref))
		}
	})
	return w.env.Account + ".dkr.ecr.us-east-1.amazonaws.com/" + repository + ":1"
}

func (w *workshop) project(t *testing.T, name, image, credentials, role string) {
	t.Helper()
	_, err := w.aws.Build.CreateProject(t.Context(), &codebuild.CreateProjectInput{
		Name: &name, ServiceRole: new("arn:aws:iam::" + w.env.Account + ":role/" + role),
		Source:      &types.ProjectSource{Type: types.SourceTypeNoSource, Buildspec: new(toolSpec)},
		Artifacts:   &types.ProjectArtifacts{Type: types.ArtifactsTypeS3, Location: new("store"), Packaging: types.ArtifactPackagingZip, OverrideArtifactName: new(true)},
		Cache:       &types.ProjectCache{Type: types.CacheTypeS3, Location: new("cache/builds")},
		Environment: &types.ProjectEnvironment{Type: types.EnvironmentTypeLinuxContainer, Image: &image, ComputeType: types.ComputeTypeBuildGeneral1Small, ImagePullCredentialsType: types.ImagePullCredentialsType(credentials)},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// build does one build and returns it, ended, with its log.
func (w *workshop) build(t *testing.T, project string) (types.Build, string) {
	t.Helper()
	started, err := w.aws.Build.StartBuild(t.Context(), &codebuild.StartBuildInput{ProjectName: &project})
	if err != nil {
		t.Fatal(err)
	}
	b := *started.Build
	err = until(t.Context(), "the end of build "+*b.Id, func() (bool, error) {
		out, err := w.aws.Build.BatchGetBuilds(t.Context(), &codebuild.BatchGetBuildsInput{Ids: []string{*b.Id}})
		if err != nil {
			return false, err
		}
		b = out.Builds[0]
		return b.BuildComplete, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := w.aws.Logs.GetLogEvents(t.Context(), &logs.GetLogEventsInput{LogGroupName: b.Logs.GroupName, LogStreamName: b.Logs.StreamName, StartFromHead: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for _, e := range lines.Events {
		log.WriteString(*e.Message)
	}
	return b, log.String()
}

// fails does a build whose image cannot be had.
func (w *workshop) fails(t *testing.T, project string, words ...string) {
	t.Helper()
	b, _ := w.build(t, project)
	got := why(b)
	if b.BuildStatus != types.StatusTypeFailed || !strings.HasPrefix(got, "PROVISIONING: BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE: Unable to pull customer's container image. CannotPullContainerError: Error response from daemon: ") {
		t.Errorf("%s: %s, %s", project, b.BuildStatus, got)
	}
	for _, word := range words {
		if !strings.Contains(got, word) {
			t.Errorf("%s: the reason lacks %q: %s", project, word, got)
		}
	}
}

// why is where and why a build failed.
func why(b types.Build) string {
	for _, p := range b.Phases {
		if p.PhaseStatus != types.StatusTypeSucceeded && len(p.Contexts) > 0 {
			return fmt.Sprintf("%s: %s: %s", p.PhaseType, *p.Contexts[0].StatusCode, *p.Contexts[0].Message)
		}
	}
	return string(b.BuildStatus)
}

// unzip is the content of an object that is a zip of text files.
func (w *workshop) unzip(t *testing.T, bucket, key string) string {
	t.Helper()
	out, err := w.aws.S3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	raw, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s: %s", f.Name, text)
	}
	return all.String()
}
