package codepipeline

import (
	"context"
	"fmt"
	"strings"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) putApproval(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutApprovalResultInput) (*api.PutApprovalResultOutput, error) {
	p, err := s.pipeline(ctx, tx, c.Scope, in.PipelineName)
	if err != nil {
		return nil, err
	}
	if findStage(&p.Value.Definition, *in.StageName) < 0 {
		return nil, api.StageNotFoundException("Pipeline '%s' does not have a stage with name '%s'", *in.PipelineName, *in.StageName)
	}
	a := findAction(&p.Value.Definition, *in.StageName, *in.ActionName)
	if a == nil {
		return nil, api.ActionNotFoundException("Stage '%s' does not have an action with name '%s'", *in.StageName, *in.ActionName)
	}
	d, run, err := s.pending(ctx, tx, c.Scope, in)
	if err != nil {
		return nil, err
	}
	summary := op.Val(in.Result.Summary)
	if summary == "" && strings.EqualFold(run.Resolved["IsSummaryRequired"], "true") {
		return nil, api.InvalidApprovalTokenException("Action '%s' in stage '%s' requires a summary. Provide a summary in the approval result and try again.", *in.ActionName, *in.StageName)
	}
	run.IsAnswered = true
	if _, err := executions.Put(ctx, tx, c.Scope, d.Key, d.Value, d.Version); err != nil {
		return nil, fmt.Errorf("store approval of %s: %w", run.ID, err)
	}
	e, err := event(evApproval, answer{Action: run.ID, Status: op.Val(in.Result.Status), Summary: summary, By: c.ARN})
	if err != nil {
		return nil, err
	}
	e.At = s.Clock.Now()
	return &api.PutApprovalResultOutput{ApprovedAt: op.At(e.At)}, s.send(ctx, tx, c.Scope, d.Key, e)
}

// pending finds the approval that a token is for, among the executions in progress
// and, to say that it was answered, the one that ran the action last.
func (s *Service) pending(ctx context.Context, r store.Reader, scope store.Scope, in *api.PutApprovalResultInput) (store.Doc[Execution], *ActionRun, error) {
	invalid := api.InvalidApprovalTokenException("The approval token '%s' is not valid for action '%s' in stage '%s'", *in.Token, *in.ActionName, *in.StageName)
	docs, err := executions.List(ctx, r, scope, store.Query{Index: "live", Equal: *in.PipelineName})
	if err != nil {
		return store.Doc[Execution]{}, nil, fmt.Errorf("read executions in progress: %w", err)
	}
	l, err := lanes.Get(ctx, r, scope, *in.PipelineName)
	if err != nil {
		return store.Doc[Execution]{}, nil, fmt.Errorf("read stages of %s: %w", *in.PipelineName, err)
	}
	last, err := load(ctx, r, scope, l.Value.Stages[*in.StageName].Runs[*in.ActionName])
	if err != nil {
		return store.Doc[Execution]{}, nil, err
	}
	if last != nil && last.Complete() {
		docs = append(docs, store.Doc[Execution]{Value: *last})
	}
	for _, d := range docs {
		run := d.Value.action(*in.Token)
		if run == nil || run.Stage != *in.StageName || run.Name != *in.ActionName || !run.Report.IsAwaitingPeople {
			continue
		}
		if run.IsAnswered {
			return d, nil, api.ApprovalAlreadyCompletedException("The approval action '%s' has already been approved or rejected", *in.ActionName)
		}
		if run.Status != InProgress {
			return d, nil, invalid
		}
		return d, run, nil
	}
	return store.Doc[Execution]{}, nil, invalid
}
