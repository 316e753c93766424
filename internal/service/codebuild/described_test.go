package codebuild

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/fake"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
)

func TestTagsOfAProjectDecideOverItAndItsBuilds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.New(clock.System{}, nil), t.TempDir())
	w.project("web", "version: 0.2\nphases:\n  build:\n    commands:\n      - echo hello\n", false)
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.UpdateProject, &api.UpdateProjectInput{Name: new("web"), Tags: []api.Tag{{Key: new("team"), Value: new("a")}}}); err != nil {
		t.Fatal(err)
	}
	e := dispatchtest.Enforce(t, w.aws.DB, New(Deps{}))
	e.Decides(t, "aws:ResourceTag/team", "a", dispatchtest.Asking(t, e, api.BatchGetProjects, &api.BatchGetProjectsInput{Names: []string{"web"}}))
	e.Decides(t, "aws:ResourceTag/team", "a", dispatchtest.Asking(t, e, api.BatchGetBuilds, &api.BatchGetBuildsInput{Ids: []string{"web:11111111-1111-1111-1111-111111111111"}}))
}
