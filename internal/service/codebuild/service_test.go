package codebuild

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
	"github.com/penstock-ci/penstock/internal/store"
)

// nopPods remembers what was asked for and runs nothing.
type nopPods struct {
	mu      sync.Mutex
	pods    map[string]compute.Pod
	stopped map[string]bool
	fail    error
	held    chan struct{} // Remove waits for its end
}

func (p *nopPods) Ensure(_ context.Context, pod compute.Pod) (compute.Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return compute.Status{}, p.fail
	}
	if p.pods == nil {
		p.pods = map[string]compute.Pod{}
	}
	p.pods[pod.Name] = pod
	return compute.Status{Pod: pod.Name, Owner: pod.Owner, Phase: compute.Pending}, nil
}
func (p *nopPods) Stop(_ context.Context, pod string, _ time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped == nil {
		p.stopped = map[string]bool{}
	}
	p.stopped[pod] = true
	return nil
}
func (p *nopPods) Remove(ctx context.Context, pod string) error {
	if p.held != nil {
		select {
		case <-p.held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pods, pod)
	return nil
}
func (p *nopPods) List(context.Context) ([]compute.Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []compute.Status
	for name, pod := range p.pods {
		all = append(all, compute.Status{Pod: name, Owner: pod.Owner, Phase: compute.Pending})
	}
	return all, nil
}
func (p *nopPods) Watch(ctx context.Context, f func(compute.Status)) error {
	p.mu.Lock()
	for name := range p.pods {
		if p.stopped[name] {
			f(compute.Status{Pod: name, Phase: compute.Stopped})
		}
	}
	p.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

const echoSpec = "version: 0.2\nphases:\n  build:\n    commands: [echo]\n"

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	e, ok := errors.AsType[*op.Error](err)
	if !ok || e.Code+": "+e.Message != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

func goodProject(name string) *api.CreateProjectInput {
	return &api.CreateProjectInput{
		Name: new(name), ServiceRole: new(testRole), Artifacts: &api.ProjectArtifacts{Type: new("NO_ARTIFACTS")},
		Source:      &api.ProjectSource{Type: new("NO_SOURCE"), Buildspec: new(echoSpec)},
		Environment: &api.ProjectEnvironment{Type: new("LINUX_CONTAINER"), Image: new("i"), ComputeType: new("BUILD_GENERAL1_SMALL")},
	}
}

func TestProjectsAreRefusedInAWSWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	for name, tc := range map[string]struct {
		spoil func(*api.CreateProjectInput)
		want  string
	}{
		"no location":      {func(in *api.CreateProjectInput) { in.Source = &api.ProjectSource{Type: new("CODECOMMIT")} }, "InvalidInputException: Project source location is required"},
		"no buildspec":     {func(in *api.CreateProjectInput) { in.Source.Buildspec = nil }, "InvalidInputException: Source type NO_SOURCE requires an inline buildspec"},
		"half a pipeline":  {func(in *api.CreateProjectInput) { in.Source.Type = new("CODEPIPELINE") }, "InvalidInputException: Invalid input: when using CodePipeline both sourceType, and artifactType must be set to: CODEPIPELINE"},
		"location of none": {func(in *api.CreateProjectInput) { in.Artifacts.Location = new("b") }, "InvalidInputException: Invalid artifacts: artifact type NO_ARTIFACTS should have null location"},
		"role of another":  {func(in *api.CreateProjectInput) { in.ServiceRole = new("arn:aws:iam::200000000002:role/x") }, "InvalidInputException: Invalid service role: Service role account ID does not match caller's account"},
		"reserved variable": {func(in *api.CreateProjectInput) {
			in.Environment.EnvironmentVariables = []api.EnvironmentVariable{{Name: new("CODEBUILD_X"), Value: new("")}}
		}, "InvalidInputException: No user environment variables can start with `CODEBUILD_`"},
		"variable twice": {func(in *api.CreateProjectInput) {
			in.Environment.EnvironmentVariables = []api.EnvironmentVariable{{Name: new("X"), Value: new("")}, {Name: new("X"), Value: new("")}}
		}, "InvalidInputException: EnvironmentVariable name cannot be duplicated"},
		"half a VPC": {func(in *api.CreateProjectInput) { in.VpcConfig = &api.VpcConfig{VpcId: new("vpc-1")} }, "InvalidInputException: Invalid vpc config: vpcId, subnets and securityGroupIds must all be given"},
	} {
		in := goodProject("pp")
		tc.spoil(in)
		_, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.CreateProject, in)
		t.Run(name, func(t *testing.T) { wantError(t, err, tc.want) })
	}
	w.project("pp", echoSpec, false)
	_, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.CreateProject, goodProject("pp"))
	wantError(t, err, "ResourceAlreadyExistsException: Project already exists: arn:aws:codebuild:us-east-1:100000000001:project/pp")
	_, err = op.Call(t.Context(), w.aws, w.aws.Root(), api.StartBuild, &api.StartBuildInput{ProjectName: new("none")})
	wantError(t, err, "ResourceNotFoundException: Project cannot be found: arn:aws:codebuild:us-east-1:100000000001:project/none")
}

func TestProjectKeepsWhatAnUpdateLeavesOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	in := goodProject("pp")
	in.Description = new("first")
	in.Tags = []api.Tag{{Key: new("a"), Value: new("b")}}
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.CreateProject, in); err != nil {
		t.Fatal(err)
	}
	out, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.UpdateProject, &api.UpdateProjectInput{Name: new("pp"), TimeoutInMinutes: new(int32(7)), Tags: []api.Tag{}})
	if err != nil {
		t.Fatal(err)
	}
	p := out.Project
	if *p.Description != "first" || *p.TimeoutInMinutes != 7 || len(p.Tags) != 0 || *p.QueuedTimeoutInMinutes != 480 || *p.Cache.Type != "NO_CACHE" {
		t.Errorf("%+v", p)
	}
}

func TestStartBuildAnswersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.project("pp", echoSpec, false)
	b := w.startBuild("pp")
	if *b.CurrentPhase != "QUEUED" || *b.BuildStatus != "IN_PROGRESS" || *b.BuildNumber != 1 || len(b.Phases) != 2 || *b.Initiator != "root" || *b.BuildComplete {
		t.Errorf("%+v", b)
	}
	if n := *w.startBuild("pp").BuildNumber; n != 2 {
		t.Errorf("second build has number %d", n)
	}
}

func TestSameTokenIsTheSameBuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.project("pp", echoSpec, false)
	in := api.StartBuildInput{ProjectName: new("pp"), IdempotencyToken: new("t")}
	a, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.StartBuild, new(in))
	if err != nil {
		t.Fatal(err)
	}
	b, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.StartBuild, new(in))
	if err != nil || *a.Build.Id != *b.Build.Id {
		t.Errorf("%v: %s and %s", err, *a.Build.Id, *b.Build.Id)
	}
	in.TimeoutInMinutesOverride = new(int32(9))
	_, err = op.Call(t.Context(), w.aws, w.aws.Root(), api.StartBuild, new(in))
	wantError(t, err, "InvalidInputException: Idempotency token t was already used with different parameters")
}

func TestBuildsWaitForAPlace(t *testing.T) {
	t.Parallel()
	pods := &nopPods{}
	w := newWorld(t, pods, "")
	w.Places = 1
	w.project("pp", echoSpec, false)
	first := w.await(*w.startBuild("pp").Id, func(b Build) bool { return b.Provisioned })
	second := *w.startBuild("pp").Id
	waits := func() bool {
		held, err := w.take(t.Context(), dispatchtest.Scope, second)
		return err == nil && !held
	}
	w.await(second, func(Build) bool { return waits() })
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.StopBuild, &api.StopBuildInput{Id: new(first.ARN())}); err != nil {
		t.Fatal(err)
	}
	w.await(second, func(b Build) bool { return b.Provisioned })
}

// speak is one request of a runner.
func (w *world) speak(b Build, verb, token string, in, out any) int {
	w.t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, ControlPath+b.Account+"/"+b.Region+"/"+b.ID()+"/"+verb, strings.NewReader(string(raw)))
	r.Header.Set("Authorization", "Bearer "+token)
	rec := httptest.NewRecorder()
	w.Control().ServeHTTP(rec, r)
	if rec.Code == http.StatusOK {
		if err := json.Unmarshal(rec.Body.Bytes(), out); err != nil {
			w.t.Fatal(err)
		}
	}
	return rec.Code
}

func TestRunnerIsServedByItsTokenOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.project("pp", echoSpec, false)
	b := w.await(*w.startBuild("pp").Id, func(b Build) bool { return b.Provisioned })
	other := w.startBuild("pp")
	var start protocol.Start
	if code := w.speak(b, protocol.StartPath, w.token(b.Scope, *other.Id), nil, &start); code != http.StatusUnauthorized {
		t.Errorf("another build's token: %d", code)
	}
	if code := w.speak(b, protocol.StartPath, w.token(b.Scope, b.ID()), nil, &start); code != http.StatusOK || start.Spec.Inline != echoSpec {
		t.Errorf("%d: %+v", code, start)
	}
}

func TestPlanResolvesSecretsOrRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.project("pp", echoSpec, false)
	b := w.await(*w.startBuild("pp").Id, func(b Build) bool { return b.Provisioned })
	for name, tc := range map[string]struct{ reference, value, refusal string }{
		"whole secret":   {"db", `{"url":"postgres://top:secret@db/x","port":5432}`, ""},
		"key":            {"db:url", "postgres://top:secret@db/x", ""},
		"number":         {"db:port::", "5432", ""},
		"missing key":    {"db:nope", "", "Secrets Manager Error: the key nope is not in the secret db"},
		"missing secret": {"other", "", "Secrets Manager Error: ResourceNotFoundException: Secrets Manager can't find the specified secret."},
	} {
		var p protocol.Plan
		w.speak(b, protocol.SpecPath, w.token(b.Scope, b.ID()), protocol.SpecRequest{Text: echoSpec + "env:\n  secrets-manager: {X: \"" + tc.reference + "\"}\n"}, &p)
		t.Run(name, func(t *testing.T) {
			if tc.refusal != "" {
				if p.Refusal == nil || p.Refusal.Code+": "+p.Refusal.Message != tc.refusal {
					t.Errorf("refusal: %+v", p.Refusal)
				}
				return
			}
			if p.Refusal != nil || p.Variables[0] != (protocol.Variable{Name: "X", Value: tc.value, Secret: true}) {
				t.Errorf("%+v %+v", p.Refusal, p.Variables)
			}
		})
	}
}

func TestPipelineBuildTakesAndGivesArtifacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	in := goodProject("pipe")
	in.Source, in.Artifacts = &api.ProjectSource{Type: new("CODEPIPELINE")}, &api.ProjectArtifacts{Type: new("CODEPIPELINE")}
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.CreateProject, in); err != nil {
		t.Fatal(err)
	}
	_, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.StartBuild, &api.StartBuildInput{ProjectName: new("pipe")})
	wantError(t, err, "InvalidInputException: ArtifactsOverride must be set when using artifacts type CodePipelines")
	out, err := op.Call(t.Context(), w.aws, w.aws.As("arn:aws:iam::100000000001:role/pipe", "codepipeline.amazonaws.com", ""), api.StartBuild, &api.StartBuildInput{
		ProjectName: new("pipe"), SourceLocationOverride: new("store/p/Source/abc"), SourceVersion: new("c0ffee"),
		ArtifactsOverride: &api.ProjectArtifacts{Type: new("CODEPIPELINE"), Location: new("store"), Path: new("p/Build"), Name: new("xyz")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := *out.Build.SourceVersion + " " + *out.Build.ResolvedSourceVersion + " " + *out.Build.Initiator; got != "arn:aws:s3:::store/p/Source/abc c0ffee codepipeline/test" {
		t.Error(got)
	}
	b := w.await(*out.Build.Id, func(b Build) bool { return b.Provisioned })
	var start protocol.Start
	w.speak(b, protocol.StartPath, w.token(b.Scope, b.ID()), nil, &start)
	if s := start.Sources[0]; s.Bucket != "store" || s.Key != "p/Source/abc" || s.Version != "" {
		t.Errorf("source: %+v", s)
	}
	var p protocol.Plan
	w.speak(b, protocol.SpecPath, w.token(b.Scope, b.ID()), protocol.SpecRequest{Text: echoSpec + "artifacts: {files: x}\n"}, &p)
	if a := p.Artifacts[0]; a.Bucket != "store" || a.Prefix+a.Name != "p/Build/xyz" || !a.Zip {
		t.Errorf("artifact: %+v", a)
	}
	found := false
	for _, v := range p.Variables {
		found = found || v == protocol.Variable{Name: "CODEBUILD_RESOLVED_SOURCE_VERSION", Value: "c0ffee"}
	}
	if !found {
		t.Errorf("variables: %+v", p.Variables)
	}
}

func TestListsArePagedNewestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.project("pp", echoSpec, false)
	var last string
	for range pageSize + 1 {
		last = *w.startBuild("pp").Id
	}
	one, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.ListBuildsForProject, &api.ListBuildsForProjectInput{ProjectName: new("pp")})
	if err != nil || len(one.Ids) != pageSize || one.Ids[0] != last || one.NextToken == nil {
		t.Fatalf("%v: %d ids", err, len(one.Ids))
	}
	two, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.ListBuildsForProject, &api.ListBuildsForProjectInput{ProjectName: new("pp"), NextToken: one.NextToken})
	if err != nil || len(two.Ids) != 1 || two.NextToken != nil {
		t.Errorf("%v: %+v", err, two)
	}
}

// The interface is given back also when the container never was.
func TestVPCBuildGivesItsInterfaceBack(t *testing.T) {
	t.Parallel()
	for name, pods := range map[string]*nopPods{"stopped": {}, "without image": {fail: errors.New("CannotPullContainerError: x")}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pods, "")
			in := goodProject("vpc")
			in.VpcConfig = &api.VpcConfig{VpcId: new("vpc-1"), Subnets: []string{"subnet-1"}, SecurityGroupIds: []string{"sg-1"}}
			if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.CreateProject, in); err != nil {
				t.Fatal(err)
			}
			id := *w.startBuild("vpc").Id
			b := w.await(id, func(b Build) bool { return b.Provisioned || b.Complete() })
			if pods.fail == nil {
				if pod := pods.asked(b.pod()); pod.Interface != "eni-of-subnet-1" {
					t.Errorf("pod: %+v", pod)
				}
				if shown := b.shown().NetworkInterface; *shown.NetworkInterfaceId != "eni-of-subnet-1" || *shown.SubnetId != "subnet-1" {
					t.Errorf("%+v", shown)
				}
			}
			if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.StopBuild, &api.StopBuildInput{Id: &id}); err != nil {
				t.Fatal(err)
			}
			if eni := <-w.deleted; eni != "eni-of-subnet-1" {
				t.Errorf("deleted %s", eni)
			}
		})
	}
}

func (p *nopPods) asked(name string) compute.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pods[name]
}

func TestRoleWithoutLogPermissionFailsInTheQueue(t *testing.T) {
	t.Parallel()
	w := newWorldFor(t, &nopPods{}, "", clock.System{}, func(t testing.TB, tables []store.Table, handlers ...op.Handler) *dispatchtest.Dispatcher {
		return dispatchtest.With(t, nil, tables, handlers...) // root alone may do anything
	})
	w.project("pp", echoSpec, false)
	b := w.await(*w.startBuild("pp").Id, Build.Complete)
	last := b.Phases[len(b.Phases)-3]
	if b.Status != "FAILED" || last.Phase != Queued || last.Contexts[0].Code != "ACCESS_DENIED" ||
		!strings.HasPrefix(last.Contexts[0].Message, "Service role "+testRole+" does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams for build "+b.ARN()) {
		t.Errorf("%s: %+v", phases(b), last)
	}
}
