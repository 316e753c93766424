package sim

import (
	"context"
	"errors"
	"time"

	cp "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func root(key string) op.Caller {
	return op.Caller{Scope: scope, ARN: "arn:aws:iam::" + scope.Account + ":root", PrincipalID: scope.Account, Key: key}
}

// try is a user's call. It is repeated while servers die of it, so its answer may
// be that what it asks for has been done.
func try[I, O any](r *run, o op.Op[I, O], in *I) (out *O, err error) {
	r.t.Helper()
	for {
		s := r.w.alive(r.ctx)
		if s == nil {
			r.t.Fatalf("%s: the run is over", o.Name)
		}
		out, err = op.Call(about(r.ctx, "user:"+o.Name), s.dispatch, root(""), o, in)
		if _, isAnswer := errors.AsType[*op.Error](err); err == nil || isAnswer {
			return out, err
		}
		if !errors.Is(err, errCrashed) {
			r.t.Fatal(err)
		}
	}
}

// must is try, which may be answered by one of the codes that say that it was done.
func must[I, O any](r *run, o op.Op[I, O], in *I, done ...string) *O {
	r.t.Helper()
	out, err := try(r, o, in)
	e, _ := errors.AsType[*op.Error](err)
	for _, code := range done {
		if e != nil && e.Code == code {
			return out
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// push moves the branch, as CodeCommit tells it.
func (r *run) push(commit string) {
	r.t.Helper()
	r.w.mu.Lock()
	r.w.branch = commit
	r.w.mu.Unlock()
	err := r.w.db.Update(r.ctx, func(ctx context.Context, tx store.Tx) error {
		return eventstream.New(r.w.clock).Append(ctx, tx, scope, eventstream.Fact{
			ID: ids.UUID("push " + commit), Source: "aws.codecommit", DetailType: "CodeCommit Repository State Change",
			Resources: []string{"arn:aws:codecommit:us-east-1:100000000001:app"},
		})
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// gate puts an approval in front of the deployment.
func (r *run) gate() {
	p := declaration()
	approve := action("Approval", "Manual", "", "", nil)
	p.Stages = append(p.Stages[:2:2], cp.StageDeclaration{Name: approve.Name, Actions: []cp.ActionDeclaration{approve}}, p.Stages[2])
	must(r, cp.UpdatePipeline, &cp.UpdatePipelineInput{Pipeline: p})
}

// answer gives an approval its result once it can be given.
func (r *run) answer(status string) {
	r.await("e1 action Approval STARTED")
	for {
		state := must(r, cp.GetPipelineState, &cp.GetPipelineStateInput{Name: new(pipeline)})
		if x := state.StageStates[2].ActionStates[0].LatestExecution; x != nil && x.Token != nil {
			must(r, cp.PutApprovalResult, &cp.PutApprovalResultInput{
				PipelineName: new(pipeline), StageName: new("Approval"), ActionName: new("Approval"), Token: x.Token,
				Result: &cp.ApprovalResult{Status: &status, Summary: new("so be it")},
			}, "ApprovalAlreadyCompletedException")
			return
		}
		r.pause(time.Second)
	}
}

func (r *run) stop(execution string, abandon bool) {
	must(r, cp.StopPipelineExecution, &cp.StopPipelineExecutionInput{
		PipelineName: new(pipeline), PipelineExecutionId: new(r.id(execution)), Abandon: &abandon,
	}, "DuplicatedStopRequestException", "PipelineExecutionNotStoppableException")
}

// retry tries the stage again in which an execution failed.
func (r *run) retry(execution string) {
	id, stage := r.id(execution), ""
	for _, s := range must(r, cp.GetPipelineState, &cp.GetPipelineStateInput{Name: new(pipeline)}).StageStates {
		if x := s.LatestExecution; x != nil && *x.PipelineExecutionId == id && *x.Status == "Failed" {
			stage = *s.StageName
		}
	}
	must(r, cp.RetryStageExecution, &cp.RetryStageExecutionInput{
		PipelineName: new(pipeline), PipelineExecutionId: &id, StageName: &stage, RetryMode: new("FAILED_ACTIONS"),
	}, "ConflictException", "StageNotRetryableException")
}

// lose takes the network of one of the pods away after a while.
func (r *run) lose(after time.Duration) {
	r.pause(after)
	pods, err := r.w.pods.List(r.ctx)
	if err != nil || len(pods) == 0 || r.ctx.Err() != nil {
		return
	}
	lost := pods[r.w.fate.pick("which", len(pods))].Pod
	r.w.fate.note("pod " + lost + " is lost")
	r.w.pods.Lose(lost)
}
