package codebuild

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
	"github.com/penstock-ci/penstock/internal/store"
)

// isClean tells whether nothing of a build is left outside of its document.
func (w *world) isClean(pods *nopPods, b Build) bool {
	w.t.Helper()
	clean := false
	err := w.aws.DB.View(w.t.Context(), func(ctx context.Context, r store.Reader) error {
		left, err := places.List(ctx, r, store.Scope{}, store.Query{})
		clean = !slices.ContainsFunc(left, func(d store.Doc[Place]) bool { return d.Key == b.ID() })
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return clean && pods.asked(b.pod()).Name == ""
}

func (w *world) stopBuild(id string) *api.Build {
	w.t.Helper()
	out, err := op.Call(w.t.Context(), w.aws, w.aws.Root(), api.StopBuild, &api.StopBuildInput{Id: &id})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Build
}

func TestBuildIsStoppedInEachPhase(t *testing.T) {
	t.Parallel()
	for _, phase := range order[1:9] {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			pods := &nopPods{}
			w := newWorld(t, pods, "")
			w.project("pp", echoSpec, false)
			w.projectOf("slow", ownImage, "")
			w.images.bring = func(ctx context.Context, _ op.Caller, _, _ string) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			}
			var b Build
			switch phase {
			case Queued:
				w.Places = 1
				w.startOf(&api.StartBuildInput{ProjectName: new("pp")})
				id := *w.startBuild("pp").Id
				w.awaitTurn(id)
				b = w.await(id, func(Build) bool { return true })
			case Provisioning:
				b = w.await(*w.startBuild("slow").Id, func(b Build) bool { return b.Phase == Provisioning })
			default:
				b = w.reach(w.startOf(&api.StartBuildInput{ProjectName: new("pp")}), phase)
			}
			shown := w.stopBuild(b.ID())
			last := shown.Phases[len(shown.Phases)-3]
			if *shown.BuildStatus != "STOPPED" || !*shown.BuildComplete || *last.PhaseType != string(phase) || *last.PhaseStatus != "STOPPED" {
				t.Errorf("the answer: %s in %s, %s %s", *shown.BuildStatus, *shown.CurrentPhase, *last.PhaseType, op.Val(last.PhaseStatus))
			}
			b = w.await(b.ID(), Build.Complete)
			if b.Status != "STOPPED" || b.Phases[len(b.Phases)-3].Phase != phase {
				t.Errorf("%s: %s", b.Status, phases(b))
			}
			w.await(b.ID(), func(b Build) bool { return w.isClean(pods, b) })
			if again := w.stopBuild(b.ID()); *again.BuildStatus != "STOPPED" || !again.EndTime.Equal(b.End) {
				t.Errorf("stopped again: %s at %s, not %s", *again.BuildStatus, again.EndTime, b.End)
			}
			var start protocol.Start
			if code := w.speak(b, protocol.StartPath, w.token(b.Scope, b.ID()), nil, &start); code != http.StatusGone {
				t.Errorf("a runner that begins now is answered %d", code)
			}
		})
	}
}

func TestStopAndRetryNeedABuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	for id, want := range map[string]string{
		"pp:0": "ResourceNotFoundException: Build ID does not exist",
		"arn:aws:codebuild:us-east-1:100000000001:build/pp:0": "ResourceNotFoundException: Build ID does not exist",
		"pp": "InvalidInputException: Invalid build ID provided",
	} {
		_, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.StopBuild, &api.StopBuildInput{Id: &id})
		wantError(t, err, want)
		_, err = op.Call(t.Context(), w.aws, w.aws.Root(), api.RetryBuild, &api.RetryBuildInput{Id: &id})
		wantError(t, err, want)
	}
}

func TestRetryIsTheSameBuildAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.project("pp", echoSpec, false)
	first := w.startOf(&api.StartBuildInput{
		ProjectName: new("pp"), SourceTypeOverride: new("CODECOMMIT"), SourceLocationOverride: new("https://git-codecommit.us-east-1.amazonaws.com/v1/repos/app"), SourceVersion: new("main"),
		BuildspecOverride: new("ci.yml"), TimeoutInMinutesOverride: new(int32(7)), EnvironmentVariablesOverride: []api.EnvironmentVariable{{Name: new("A"), Value: new("1")}},
	})
	w.fail(first, 0)
	// What the project has become meanwhile counts where nothing was overridden.
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.UpdateProject, &api.UpdateProjectInput{Name: new("pp"), QueuedTimeoutInMinutes: new(int32(11))}); err != nil {
		t.Fatal(err)
	}
	out, err := op.Call(t.Context(), w.aws, w.aws.User("bob"), api.RetryBuild, &api.RetryBuildInput{Id: new(first.ARN()), IdempotencyToken: new("t")})
	if err != nil {
		t.Fatal(err)
	}
	b := out.Build
	if *b.Id == first.ID() || *b.BuildNumber != 2 || *b.Initiator != "bob" || *b.SourceVersion != "c0ffee" || *b.Source.Buildspec != "ci.yml" || *b.TimeoutInMinutes != 7 ||
		*b.QueuedTimeoutInMinutes != 11 || *b.Environment.EnvironmentVariables[0].Value != "1" || b.AutoRetryConfig != nil {
		t.Errorf("%+v", b)
	}
	again, err := op.Call(t.Context(), w.aws, w.aws.User("bob"), api.RetryBuild, &api.RetryBuildInput{Id: new(first.ARN()), IdempotencyToken: new("t")})
	if err != nil || *again.Build.Id != *b.Id {
		t.Errorf("the same token: %v, %+v", err, again)
	}
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.DeleteProject, &api.DeleteProjectInput{Name: new("pp")}); err != nil {
		t.Fatal(err)
	}
	_, err = op.Call(t.Context(), w.aws, w.aws.Root(), api.RetryBuild, &api.RetryBuildInput{Id: new(first.ID())})
	wantError(t, err, "ResourceNotFoundException: Project cannot be found: arn:aws:codebuild:us-east-1:100000000001:project/pp")
}

func TestBuildsOutliveTheirProject(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.project("pp", echoSpec, false)
	b := w.startOf(&api.StartBuildInput{ProjectName: new("pp")})
	for range 2 { // a project that is not there is deleted, too
		if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.DeleteProject, &api.DeleteProjectInput{Name: new("pp")}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.ListBuildsForProject, &api.ListBuildsForProjectInput{ProjectName: new("pp")})
	wantError(t, err, "ResourceNotFoundException: The provided project arn:aws:codebuild:us-east-1:100000000001:project/pp does not exist")
	w.report(w.reach(b, PostBuild), protocol.Report{State: protocol.Succeeded})
	w.await(b.ID(), Build.Complete)
	out, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.BatchGetBuilds, &api.BatchGetBuildsInput{Ids: []string{"pp:none", b.ARN()}})
	if err != nil || len(out.Builds) != 1 || *out.Builds[0].BuildStatus != "SUCCEEDED" || !slices.Equal(out.BuildsNotFound, []string{"pp:none"}) {
		t.Errorf("%v: %+v", err, out)
	}
	w.project("pp", echoSpec, false)
	if n := *w.startBuild("pp").BuildNumber; n != 2 {
		t.Errorf("the first build of the new project has number %d: that of an old one would be given again", n)
	}
}

func TestEndedBuildsAreDeleted(t *testing.T) {
	t.Parallel()
	pods := &nopPods{}
	w := newWorld(t, pods, "")
	w.project("pp", echoSpec, false)
	ended := w.fail(w.startOf(&api.StartBuildInput{ProjectName: new("pp")}), 0)
	w.await(ended.ID(), func(b Build) bool { return w.isClean(pods, b) })
	running := w.startOf(&api.StartBuildInput{ProjectName: new("pp")})
	out, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.BatchDeleteBuilds, &api.BatchDeleteBuildsInput{Ids: []string{ended.ID(), running.ARN(), "pp:none"}})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, n := range out.BuildsNotDeleted {
		left = append(left, *n.Id+" "+*n.StatusCode)
	}
	if !slices.Equal(out.BuildsDeleted, []string{ended.ARN()}) || !slices.Equal(left, []string{running.ARN() + " BUILD_IN_PROGRESS", "pp:none BUILD_NOT_FOUND"}) {
		t.Errorf("deleted %v, left %v", out.BuildsDeleted, left)
	}
	got, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.ListBuilds, &api.ListBuildsInput{})
	if err != nil || !slices.Equal(got.Ids, []string{running.ID()}) {
		t.Errorf("%v: %v", err, got)
	}
}

// A build whose container is still being removed cannot be forgotten: its place would
// never be given back.
func TestBuildThatIsBeingCleanedIsNotDeleted(t *testing.T) {
	t.Parallel()
	pods := &nopPods{held: make(chan struct{})}
	w := newWorld(t, pods, "")
	w.project("pp", echoSpec, false)
	b := w.fail(w.startOf(&api.StartBuildInput{ProjectName: new("pp")}), 0)
	remove := func() *api.BatchDeleteBuildsOutput {
		t.Helper()
		out, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.BatchDeleteBuilds, &api.BatchDeleteBuildsInput{Ids: []string{b.ID()}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := remove(); len(out.BuildsNotDeleted) != 1 || *out.BuildsNotDeleted[0].StatusCode != "BUILD_IN_PROGRESS" {
		t.Errorf("%+v", out)
	}
	close(pods.held)
	w.await(b.ID(), func(b Build) bool { return w.isClean(pods, b) })
	if out := remove(); len(out.BuildsDeleted) != 1 {
		t.Errorf("%+v", out)
	}
}

func TestBuildsAreListedByNumberEitherWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.Places = 1
	w.project("pp", echoSpec, false)
	w.project("pp-2", echoSpec, false) // its name begins alike
	var want []string
	for range 3 {
		want = append(want, *w.startBuild("pp").Id)
		w.startBuild("pp-2")
	}
	for order, reverse := range map[string]bool{"ASCENDING": false, "DESCENDING": true} {
		got, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.ListBuildsForProject, &api.ListBuildsForProjectInput{ProjectName: new(projectARN(dispatchtest.Scope, "pp")), SortOrder: &order})
		if err != nil {
			t.Fatal(err)
		}
		if reverse {
			slices.Reverse(got.Ids)
		}
		if !slices.Equal(got.Ids, want) {
			t.Errorf("%s: %v, want %v", order, got.Ids, want)
		}
	}
	_, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.ListBuildsForProject, &api.ListBuildsForProjectInput{ProjectName: new("pp"), NextToken: new("nonsense")})
	wantError(t, err, "InvalidInputException: Invalid token provided")
}

// What CodeBuild lists can be used.
func TestListedImagesAreThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	out, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.ListCuratedEnvironmentImages, &api.ListCuratedEnvironmentImagesInput{})
	if err != nil || len(out.Platforms) == 0 {
		t.Fatalf("%v: %+v", err, out)
	}
	for _, p := range out.Platforms {
		for _, l := range p.Languages {
			for _, i := range l.Images {
				kind := "LINUX_CONTAINER"
				if strings.Contains(*i.Name, "aarch64") {
					kind = "ARM_CONTAINER"
				}
				if !isCuratedFor(*i.Name, kind) || len(i.Versions) == 0 {
					t.Errorf("%s is listed for %s and refused there", *i.Name, *p.Platform)
				}
			}
		}
	}
}
