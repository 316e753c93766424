package codepipeline

import (
	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
)

// cancel ends an execution of a definition that was replaced: at once where it
// waits, else when the actions that run have ended.
func (t *turn) cancel() {
	if !t.x.IsInside {
		t.release() // it may have been let in already, and hear of it later
		t.end(Cancelled)
		return
	}
	t.x.IsLeaving = true
	for i := range t.x.Actions {
		if a := &t.x.Actions[i]; a.Status == InProgress && a.Report.IsAwaitingPeople {
			a.Report.Summary = "The approval action has been canceled."
			t.close(a, Failed)
		}
	}
	t.advance()
}

// stop is what StopPipelineExecution put into the execution. It is asked for twice
// where the second one abandons.
func (t *turn) stop() {
	if t.x.Stop == nil {
		return
	}
	if !t.x.IsInside {
		t.release()
		t.tellPipeline("STOPPING")
		t.end(Stopped)
		return
	}
	if t.x.Status != Stopping {
		t.x.Status = Stopping
		t.setStage(Stopping)
		t.tellPipeline("STOPPING")
		t.tellStage("STOPPING")
	}
	for i := range t.x.Actions {
		if a := &t.x.Actions[i]; t.x.Stop.Abandon && a.Status == InProgress {
			t.close(a, Abandoned)
		}
	}
	t.advance()
}

// retry tries the stage again; RetryStageExecution has taken its lock.
func (t *turn) retry(mode string) {
	run := t.x.run(t.x.stageName())
	if t.x.IsInside || run == nil || (run.Status != Failed && run.Status != Stopped) || (t.x.Status != Failed && t.x.Status != Stopped) {
		return
	}
	if !t.isParallel() && t.l.Stages[run.Name].Holder != t.x.ID {
		return
	}
	run.Manual++
	t.x.Status, t.x.Stop = InProgress, nil
	t.x.IsInside = true
	t.again(mode, "ManualStageRetry")
}

// again starts what failed, or all, of the stage anew.
func (t *turn) again(mode, trigger string) {
	run := t.x.run(t.x.stageName())
	run.Status, run.Changed, run.LastRetry, run.RetryTrigger = InProgress, t.at, t.at, trigger
	t.x.Attempt++
	for i := range t.x.Actions {
		a := &t.x.Actions[i]
		if a.Stage == run.Name && (mode == api.StageRetryModeAllActions || a.Status != Succeeded) {
			a.IsRetried = true
		}
	}
	t.tellPipeline("RESUMED")
	t.tellStage("RESUMED")
	t.advance()
}

// answered takes an approval's result.
func (t *turn) answered(r answer) {
	a := t.x.action(r.Action)
	if a == nil || a.Status != InProgress {
		return
	}
	a.Report.Summary, a.UpdatedBy = r.Summary, r.By
	status := Failed
	if r.Status == api.ApprovalStatusApproved {
		status = Succeeded
	}
	t.close(a, status)
	t.advance()
}

// timedOut ends an action that takes too long.
func (t *turn) timedOut(id string) {
	a := t.x.action(id)
	if a == nil || a.Status != InProgress {
		return
	}
	message := "The action failed because it did not complete within its timeout"
	if a.Report.IsAwaitingPeople {
		message = "Approval request expired"
	}
	a.Report.Failure = &action.Failure{Code: action.JobFailed, Message: message}
	t.close(a, Failed)
	t.advance()
}
