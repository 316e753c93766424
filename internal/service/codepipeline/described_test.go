package codepipeline_test

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline"
)

func TestTagsOfAPipelineDecideOverItAndItsStages(t *testing.T) {
	t.Parallel()
	w := setup(t)
	in := &api.CreatePipelineInput{Pipeline: demo(), Tags: []api.Tag{{Key: new("team"), Value: new("a")}}}
	if _, err := op.Call(t.Context(), w, w.Root(), api.CreatePipeline, in); err != nil {
		t.Fatal(err)
	}
	e := dispatchtest.Enforce(t, w.DB, codepipeline.New(codepipeline.Deps{}))
	e.Decides(t, "aws:ResourceTag/team", "a", dispatchtest.Asking(t, e, api.GetPipeline, &api.GetPipelineInput{Name: in.Pipeline.Name}))
	denied := e.May(t, dispatchtest.All, `{"Effect":"Deny","Action":"codepipeline:DisableStageTransition","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}`)
	stop := dispatchtest.Asking(t, e, api.DisableStageTransition, &api.DisableStageTransitionInput{
		PipelineName: in.Pipeline.Name, StageName: new("Deploy"), TransitionType: new("Inbound"), Reason: new("test"),
	})
	if err := stop(denied); !dispatchtest.IsDenied(err) {
		t.Errorf("got %v, want the pipeline's tags to be those of its stages", err)
	}
}
