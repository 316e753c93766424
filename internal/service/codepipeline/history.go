package codepipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) getExecution(ctx context.Context, r store.Reader, c op.Caller, in *api.GetPipelineExecutionInput) (*api.GetPipelineExecutionOutput, error) {
	d, err := s.execution(ctx, r, c.Scope, in.PipelineName, in.PipelineExecutionId)
	if err != nil {
		return nil, err
	}
	x := &d.Value
	out := &api.PipelineExecution{
		PipelineName: &x.Pipeline, PipelineVersion: x.Definition.Version, PipelineExecutionId: &x.ID, Status: new(string(x.Status)),
		StatusSummary: op.Opt(x.Summary), ArtifactRevisions: []api.ArtifactRevision{}, Trigger: x.trigger(),
		ExecutionMode: new(mode(&x.Definition)), ExecutionType: x.kind(), RollbackMetadata: x.rollback(),
	}
	for _, v := range x.Revisions {
		out.ArtifactRevisions = append(out.ArtifactRevisions, api.ArtifactRevision{
			Name: op.Opt(v.Artifact), RevisionId: &v.ID, RevisionChangeIdentifier: op.Opt(v.ChangeID), RevisionSummary: op.Opt(v.Summary),
			Created: op.At(v.Created), RevisionUrl: op.Opt(v.URL),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(x.Variables)) {
		out.Variables = append(out.Variables, api.ResolvedPipelineVariable{Name: &name, ResolvedValue: new(x.Variables[name])})
	}
	return &api.GetPipelineExecutionOutput{PipelineExecution: out}, nil
}

func (x *Execution) trigger() *api.ExecutionTrigger {
	return &api.ExecutionTrigger{TriggerType: &x.Trigger.Type, TriggerDetail: &x.Trigger.Detail}
}

func (x *Execution) kind() *string {
	if x.Rollback == "" {
		return nil
	}
	return new(api.ExecutionTypeRollback)
}

func (x *Execution) rollback() *api.PipelineRollbackMetadata {
	if x.Rollback == "" {
		return nil
	}
	return &api.PipelineRollbackMetadata{RollbackTargetPipelineExecutionId: &x.Rollback}
}

func (s *Service) listExecutions(ctx context.Context, r store.Reader, c op.Caller, in *api.ListPipelineExecutionsInput) (*api.ListPipelineExecutionsOutput, error) {
	d, err := s.pipeline(ctx, r, c.Scope, in.PipelineName)
	if err != nil {
		return nil, err
	}
	keep := func(*Execution) bool { return true }
	if in.Filter != nil && in.Filter.SucceededInStage != nil {
		stage := op.Val(in.Filter.SucceededInStage.StageName)
		if findStage(&d.Value.Definition, stage) < 0 {
			return nil, api.ValidationException("Pipeline '%s' does not have a stage with name '%s'", *in.PipelineName, stage)
		}
		keep = func(x *Execution) bool {
			run := x.run(stage)
			return run != nil && run.Status == Succeeded && *x.Definition.Version == *d.Value.Definition.Version
		}
	}
	out := &api.ListPipelineExecutionsOutput{PipelineExecutionSummaries: []api.PipelineExecutionSummary{}}
	limit := int(op.Or(in.MaxResults, 100))
	after := op.Val(in.NextToken)
	for {
		docs, err := executions.List(ctx, r, c.Scope, store.Query{Index: "pipeline", Prefix: *in.PipelineName + "/", After: after, Desc: true, Limit: limit + 1})
		if err != nil {
			return nil, listError(err)
		}
		for i := range docs {
			if len(out.PipelineExecutionSummaries) == limit {
				out.NextToken = &after
				return out, nil
			}
			after = docs[i].Cursor
			if keep(&docs[i].Value) {
				out.PipelineExecutionSummaries = append(out.PipelineExecutionSummaries, docs[i].Value.shown())
			}
		}
		if len(docs) <= limit {
			return out, nil
		}
	}
}

func findStage(p *api.PipelineDeclaration, name string) int {
	return slices.IndexFunc(p.Stages, func(st api.StageDeclaration) bool { return op.Val(st.Name) == name })
}

func (x *Execution) shown() api.PipelineExecutionSummary {
	out := api.PipelineExecutionSummary{
		PipelineExecutionId: &x.ID, Status: new(string(x.Status)), StatusSummary: op.Opt(x.Summary), StartTime: op.At(x.Created), LastUpdateTime: op.At(x.Updated),
		SourceRevisions: []api.SourceRevision{}, Trigger: x.trigger(), ExecutionMode: new(mode(&x.Definition)), ExecutionType: x.kind(), RollbackMetadata: x.rollback(),
	}
	if x.Stop != nil && x.Stop.Reason != "" {
		out.StopTrigger = &api.StopExecutionTrigger{Reason: &x.Stop.Reason}
	}
	for _, v := range x.Revisions {
		out.SourceRevisions = append(out.SourceRevisions, api.SourceRevision{
			ActionName: &v.Action, RevisionId: &v.ID, RevisionSummary: op.Opt(v.Summary), RevisionUrl: op.Opt(v.URL),
		})
	}
	return out
}

func (s *Service) listActionExecutions(ctx context.Context, r store.Reader, c op.Caller, in *api.ListActionExecutionsInput) (*api.ListActionExecutionsOutput, error) {
	if _, err := s.pipeline(ctx, r, c.Scope, in.PipelineName); err != nil {
		return nil, err
	}
	one, onlyLatest := filterOf(in.Filter)
	after, skip, err := token(op.Val(in.NextToken))
	if err != nil {
		return nil, err
	}
	out := &api.ListActionExecutionsOutput{ActionExecutionDetails: []api.ActionExecutionDetail{}}
	limit := int(op.Or(in.MaxResults, 100))
	for {
		docs, err := s.some(ctx, r, c.Scope, in.PipelineName, one, after)
		if err != nil {
			return nil, err
		}
		for i := range docs {
			x := &docs[i].Value
			for n := len(x.Actions) - 1 - skip; n >= 0; n-- {
				if onlyLatest && x.Actions[n].IsRetried {
					continue
				}
				if len(out.ActionExecutionDetails) == limit {
					out.NextToken = new(strconv.Itoa(len(x.Actions)-1-n) + "|" + after)
					return out, nil
				}
				out.ActionExecutionDetails = append(out.ActionExecutionDetails, x.detail(&x.Actions[n]))
			}
			after, skip = docs[i].Cursor, 0
		}
		if one != "" || len(docs) == 0 {
			return out, nil
		}
	}
}

func filterOf(f *api.ActionExecutionFilter) (execution string, onlyLatest bool) {
	if f == nil {
		return "", false
	}
	execution = op.Val(f.PipelineExecutionId)
	if l := f.LatestInPipelineExecution; l != nil {
		return op.Or(l.PipelineExecutionId, execution), op.Val(l.StartTimeRange) != "All"
	}
	return execution, false
}

// token is where a page of action executions begins: how many of an execution's
// were shown, and the cursor before that execution.
func token(s string) (after string, skip int, err error) {
	if s == "" {
		return "", 0, nil
	}
	n, after, ok := strings.Cut(s, "|")
	if skip, err = strconv.Atoi(n); err != nil || !ok || skip < 0 {
		return "", 0, api.InvalidNextTokenException("The next token is invalid")
	}
	return after, skip, nil
}

// some reads a few executions of a pipeline, newest first, or the one that is asked for.
func (s *Service) some(ctx context.Context, r store.Reader, scope store.Scope, pipeline *string, one, after string) ([]store.Doc[Execution], error) {
	if one != "" {
		d, err := s.execution(ctx, r, scope, pipeline, &one)
		return []store.Doc[Execution]{d}, err
	}
	docs, err := executions.List(ctx, r, scope, store.Query{Index: "pipeline", Prefix: *pipeline + "/", After: after, Desc: true, Limit: 20})
	if err != nil {
		return nil, listError(err)
	}
	return docs, nil
}

// detail is an action execution as the history shows it.
func (x *Execution) detail(a *ActionRun) api.ActionExecutionDetail {
	d := x.declared(a.Stage, a.Name)
	out := api.ActionExecutionDetail{
		PipelineExecutionId: &x.ID, ActionExecutionId: &a.ID, PipelineVersion: x.Definition.Version, StageName: &a.Stage, ActionName: &a.Name,
		StartTime: op.At(a.Start), LastUpdateTime: op.At(a.Updated), UpdatedBy: op.Opt(a.UpdatedBy), Status: new(string(a.Status)),
		Input: &api.ActionExecutionInput{
			ActionTypeId: d.ActionTypeId, Configuration: d.Configuration, ResolvedConfiguration: a.Resolved, RoleArn: d.RoleArn,
			Region: &x.Region, InputArtifacts: artifactsOut(a.Inputs), Namespace: d.Namespace,
		},
		Output: &api.ActionExecutionOutput{
			OutputArtifacts: artifactsOut(a.Outputs), OutputVariables: a.Report.Variables,
			ExecutionResult: &api.ActionExecutionResult{
				ExternalExecutionId: op.Opt(a.Report.ExternalID), ExternalExecutionSummary: op.Opt(a.Report.Told()),
				ExternalExecutionUrl: op.Opt(a.Report.URL), ErrorDetails: a.errorDetails(),
			},
		},
	}
	if out.Output.OutputVariables == nil {
		out.Output.OutputVariables = map[string]string{}
	}
	return out
}

func (a *ActionRun) errorDetails() *api.ErrorDetails {
	if f := a.Report.Failure; f != nil {
		return &api.ErrorDetails{Code: &f.Code, Message: &f.Message}
	}
	return nil
}

// load reads an execution that may be gone.
func load(ctx context.Context, r store.Reader, scope store.Scope, id string) (*Execution, error) {
	if id == "" {
		return nil, nil
	}
	d, err := executions.Get(ctx, r, scope, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read execution %s: %w", id, err)
	}
	return &d.Value, nil
}
