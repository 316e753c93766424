package codebuild

import (
	"context"
	"errors"
	"testing"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/op"
)

const ownImage = "100000000001.dkr.ecr.us-east-1.amazonaws.com/team/build:1"

// projectOf makes a project that builds in an image.
func (w *world) projectOf(name, image, credentials string) {
	w.t.Helper()
	in := goodProject(name)
	in.Environment.Image, in.Environment.ImagePullCredentialsType = new(image), op.Opt(credentials)
	if _, err := op.Call(w.t.Context(), w.aws, w.aws.Root(), api.CreateProject, in); err != nil {
		w.t.Fatal(err)
	}
}

func TestBuildStartsInItsImage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ image, credentials, puller, ref string }{
		"curated":                         {"aws/codebuild/standard:7.0", "", "nobody", "penstock/build:1"},
		"curated, by its old name":        {"aws/codebuild/amazonlinux2-x86_64-standard:5.0", "CODEBUILD", "nobody", "penstock/build:1"},
		"curated, of a release":           {"aws/codebuild/standard:7.0-24.11.08", "", "nobody", "penstock/build:1"},
		"of the registry, by CodeBuild":   {ownImage, "", " codebuild.amazonaws.com", "pulled"},
		"of the registry, by the role":    {ownImage, "SERVICE_ROLE", "arn:aws:sts::100000000001:assumed-role/build/AWSCodeBuild- codebuild.amazonaws.com", "pulled"},
		"public":                          {"public.ecr.aws/docker/library/node:20", "", " codebuild.amazonaws.com", "pulled"},
		"of the registry, by its digest":  {"100000000001.dkr.ecr.us-east-1.amazonaws.com/team/build@sha256:" + digest64, "", " codebuild.amazonaws.com", "pulled"},
		"of another account, by the role": {"200000000002.dkr.ecr.us-east-1.amazonaws.com/app", "SERVICE_ROLE", "arn:aws:sts::100000000001:assumed-role/build/AWSCodeBuild- codebuild.amazonaws.com", "pulled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pods := &nopPods{}
			w := newWorld(t, pods, "")
			puller := "nobody"
			w.images.bring = func(_ context.Context, c op.Caller, project, image string) (string, error) {
				if image != tc.image || project != "arn:aws:codebuild:us-east-1:100000000001:project/pp" {
					t.Errorf("asked for %s, for %s", image, project)
				}
				puller = c.ARN + " " + c.Service
				return "pulled", nil
			}
			w.projectOf("pp", tc.image, tc.credentials)
			b := w.await(*w.startBuild("pp").Id, func(b Build) bool { return b.Provisioned || b.Complete() })
			if got := pods.asked(b.pod()).Containers[0].Image; got != tc.ref {
				t.Errorf("started %s, want %s", got, tc.ref)
			}
			want := tc.puller
			if tc.credentials == "SERVICE_ROLE" {
				want = "arn:aws:sts::100000000001:assumed-role/build/AWSCodeBuild-" + b.UUID + " codebuild.amazonaws.com"
			}
			if puller != want {
				t.Errorf("pulled by %s, want %s", puller, want)
			}
		})
	}
}

const digest64 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestImageThatCannotBePulledFailsProvisioning(t *testing.T) {
	t.Parallel()
	const why = "CannotPullContainerError: Error response from daemon: pull access denied for x"
	for name, spoil := range map[string]func(*world, *nopPods){
		"it is refused":        func(w *world, _ *nopPods) { w.images.bring = failing(why) },
		"it is gone meanwhile": func(_ *world, p *nopPods) { p.fail = errors.New(why) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pods := &nopPods{}
			w := newWorld(t, pods, "")
			spoil(w, pods)
			w.projectOf("pp", ownImage, "")
			b := w.await(*w.startBuild("pp").Id, Build.Complete)
			last := b.Phases[len(b.Phases)-3]
			if b.Status != "FAILED" || last.Phase != Provisioning || last.Contexts[0].Code != "BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE" ||
				last.Contexts[0].Message != "Unable to pull customer's container image. "+why {
				t.Errorf("%s: %+v", phases(b), last)
			}
		})
	}
}

func failing(why string) func(context.Context, op.Caller, string, string) (string, error) {
	return func(context.Context, op.Caller, string, string) (string, error) { return "", errors.New(why) }
}

// A pull outlasts the effect that asked for it, and ends with the build that wanted it.
func TestStopEndsAPull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	begun, ended := make(chan struct{}), make(chan struct{})
	w.images.bring = func(ctx context.Context, _ op.Caller, _, _ string) (string, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return "", ctx.Err()
	}
	w.projectOf("pp", ownImage, "")
	id := *w.startBuild("pp").Id
	<-begun
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.StopBuild, &api.StopBuildInput{Id: &id}); err != nil {
		t.Fatal(err)
	}
	<-ended
	b := w.await(id, Build.Complete)
	if got := phases(b); got != "SUBMITTED SUCCEEDED, QUEUED SUCCEEDED, PROVISIONING STOPPED, FINALIZING SUCCEEDED, COMPLETED" {
		t.Error(got)
	}
}

func TestLongPullIsAskedForAgain(t *testing.T) {
	t.Parallel()
	turn, err := step(apply(t, queued(), ev(evSubmitted, nil), ev(evAdmitted, nil)), ev(evPulling, nil))
	if err != nil || len(turn.Effects) != 1 || turn.Effects[0].Do != doProvision {
		t.Errorf("%v: %+v", err, turn.Effects)
	}
}

func TestEnvironmentsAreRefusedInAWSWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	for name, tc := range map[string]struct{ kind, image, compute, credentials, want string }{
		"a name that CodeBuild does not have": {"LINUX_CONTAINER", "aws/codebuild/standard:4:0", "BUILD_GENERAL1_LARGE", "", "AWS CodeBuild curated image aws/codebuild/standard:4:0 is not supported for projects with environment type LINUX_CONTAINER and compute type BUILD_GENERAL1_LARGE"},
		"a curated image of ARM":              {"LINUX_CONTAINER", "aws/codebuild/amazonlinux2-aarch64-standard:2.0", "BUILD_GENERAL1_SMALL", "", "AWS CodeBuild curated image aws/codebuild/amazonlinux2-aarch64-standard:2.0 is not supported for projects with environment type LINUX_CONTAINER and compute type BUILD_GENERAL1_SMALL"},
		"a curated image of Lambda":           {"LINUX_LAMBDA_CONTAINER", "aws/codebuild/amazonlinux-x86_64-lambda-standard:python3.12", "BUILD_LAMBDA_1GB", "", "AWS CodeBuild curated image aws/codebuild/amazonlinux-x86_64-lambda-standard:python3.12 is not supported for projects with environment type LINUX_LAMBDA_CONTAINER and compute type BUILD_LAMBDA_1GB"},
		"a curated image by the role":         {"LINUX_CONTAINER", "aws/codebuild/standard:7.0", "BUILD_GENERAL1_SMALL", "SERVICE_ROLE", "Invalid input: cannot use a CodeBuild curated image with imagePullCredentialsType SERVICE_ROLE"},
		"another account's by CodeBuild":      {"LINUX_CONTAINER", "200000000002.dkr.ecr.us-east-1.amazonaws.com/app", "BUILD_GENERAL1_SMALL", "CODEBUILD", "Invalid input: cannot use a cross-account ECR image with imagePullCredentialsType CODEBUILD"},
		"Lambda's compute for a container":    {"LINUX_CONTAINER", "i", "BUILD_LAMBDA_1GB", "", "Invalid compute type provided: BUILD_LAMBDA_1GB"},
		"a fleet's compute":                   {"LINUX_CONTAINER", "i", "ATTRIBUTE_BASED_COMPUTE", "", "Invalid compute type provided: ATTRIBUTE_BASED_COMPUTE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := goodProject("pp")
			in.Environment = &api.ProjectEnvironment{Type: &tc.kind, Image: &tc.image, ComputeType: &tc.compute, ImagePullCredentialsType: op.Opt(tc.credentials)}
			_, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.CreateProject, in)
			wantError(t, err, "InvalidInputException: "+tc.want)
		})
	}
}

func TestComputeTypeIsALimit(t *testing.T) {
	t.Parallel()
	for compute, want := range map[string]struct {
		cores  float64
		memory int64
	}{
		"BUILD_GENERAL1_SMALL":   {2, 4 * gib},
		"BUILD_GENERAL1_MEDIUM":  {4, 8 * gib},
		"BUILD_GENERAL1_LARGE":   {6, 16 * gib}, // the host has no more cores
		"BUILD_GENERAL1_2XLARGE": {6, 0},        // nor the memory: all of it is the build's
	} {
		t.Run(compute, func(t *testing.T) {
			t.Parallel()
			pods := &nopPods{}
			w := newWorld(t, pods, "")
			w.Cores, w.Memory = 6, 32*gib
			in := goodProject("pp")
			in.Environment.ComputeType = new(compute)
			if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.CreateProject, in); err != nil {
				t.Fatal(err)
			}
			b := w.await(*w.startBuild("pp").Id, func(b Build) bool { return b.Provisioned })
			if c := pods.asked(b.pod()).Containers[0]; c.CPU != want.cores || c.Memory != want.memory {
				t.Errorf("%g cores and %d bytes, want %+v", c.CPU, c.Memory, want)
			}
		})
	}
}
