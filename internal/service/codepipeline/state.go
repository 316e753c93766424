package codepipeline

import (
	"context"
	"fmt"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
	"github.com/penstock-ci/penstock/internal/store"
)

func artifactsOut(list []action.Artifact) []api.ArtifactDetail {
	out := []api.ArtifactDetail{}
	for _, a := range list {
		out = append(out, api.ArtifactDetail{Name: new(a.Name), S3location: &api.S3Location{Bucket: new(a.Bucket), Key: new(a.Key)}})
	}
	return out
}

// view reads executions once for a GetPipelineState.
type view struct {
	scope store.Scope
	known map[string]*Execution
}

func (v view) get(ctx context.Context, r store.Reader, id string) (*Execution, error) {
	if x, ok := v.known[id]; ok {
		return x, nil
	}
	x, err := load(ctx, r, v.scope, id)
	v.known[id] = x
	return x, err
}

func (s *Service) getState(ctx context.Context, r store.Reader, c op.Caller, in *api.GetPipelineStateInput) (*api.GetPipelineStateOutput, error) {
	d, err := s.pipeline(ctx, r, c.Scope, in.Name)
	if err != nil {
		return nil, err
	}
	l, err := lanes.Get(ctx, r, c.Scope, *in.Name)
	if err != nil {
		return nil, fmt.Errorf("read stages of %s: %w", *in.Name, err)
	}
	p := &d.Value.Definition
	out := &api.GetPipelineStateOutput{
		PipelineName: p.Name, PipelineVersion: p.Version, Created: op.At(d.Value.Created), Updated: op.At(d.Value.Updated), StageStates: []api.StageState{},
	}
	v := view{c.Scope, map[string]*Execution{}}
	for i := range p.Stages {
		st, err := v.stage(ctx, r, p, i, l.Value)
		if err != nil {
			return nil, err
		}
		out.StageStates = append(out.StageStates, st)
	}
	return out, nil
}

func (v view) stage(ctx context.Context, r store.Reader, p *api.PipelineDeclaration, i int, l Lanes) (api.StageState, error) {
	name := *p.Stages[i].Name
	lane := l.Stages[name]
	out := api.StageState{StageName: &name, InboundExecutions: []api.StageExecution{}, InboundTransitionState: lane.In.shown(), ActionStates: []api.ActionState{}}
	for _, id := range lane.Waiting {
		x, err := v.get(ctx, r, id)
		if err != nil {
			return out, err
		}
		if x != nil {
			out.InboundExecutions = append(out.InboundExecutions, api.StageExecution{PipelineExecutionId: &x.ID, Status: new(string(x.Status)), Type: new(x.typeName())})
		}
	}
	if n := len(out.InboundExecutions); n > 0 {
		out.InboundExecution = &out.InboundExecutions[n-1]
	}
	latest, err := v.get(ctx, r, lane.Latest)
	if err != nil {
		return out, err
	}
	if latest != nil {
		if run := latest.run(name); run != nil {
			out.LatestExecution = &api.StageExecution{PipelineExecutionId: &latest.ID, Status: new(string(run.Status)), Type: new(latest.typeName())}
			out.RetryStageMetadata = run.retries()
		}
	}
	for _, a := range p.Stages[i].Actions {
		x, err := v.get(ctx, r, lane.Runs[*a.Name])
		if err != nil {
			return out, err
		}
		out.ActionStates = append(out.ActionStates, actionState(x, name, *a.Name))
	}
	return out, nil
}

func (x *Execution) typeName() string {
	if x.Rollback != "" {
		return api.ExecutionTypeRollback
	}
	return api.ExecutionTypeStandard
}

func (run *StageRun) retries() *api.RetryStageMetadata {
	if run.RetryTrigger == "" {
		return nil
	}
	out := &api.RetryStageMetadata{LatestRetryTrigger: &run.RetryTrigger}
	if run.Manual > 0 {
		out.ManualStageRetryAttempt = new(int32(run.Manual))
	}
	if run.Auto > 0 {
		out.AutoStageRetryAttempt = new(int32(run.Auto))
	}
	return out
}

func (t Transition) shown() *api.TransitionState {
	return &api.TransitionState{Enabled: new(!t.IsDisabled), LastChangedBy: op.Opt(t.By), LastChangedAt: op.At(t.At), DisabledReason: op.Opt(t.Reason)}
}

// actionState is the newest attempt of an action in x.
func actionState(x *Execution, stage, name string) api.ActionState {
	out := api.ActionState{ActionName: &name}
	if x == nil {
		return out
	}
	var a *ActionRun
	for i := range x.Actions {
		if x.Actions[i].Stage == stage && x.Actions[i].Name == name {
			a = &x.Actions[i]
		}
	}
	if a == nil {
		return out
	}
	out.EntityUrl = op.Opt(a.Report.EntityURL)
	out.LatestExecution = &api.ActionExecution{
		ActionExecutionId: &a.ID, Status: new(string(a.Status)), Summary: op.Opt(a.Report.Told()), LastStatusChange: op.At(a.Updated), LastUpdatedBy: op.Opt(a.UpdatedBy),
		ExternalExecutionId: op.Opt(a.Report.ExternalID), ExternalExecutionUrl: op.Opt(a.Report.URL), ErrorDetails: a.errorDetails(),
	}
	if a.Report.IsAwaitingPeople {
		out.LatestExecution.ExternalExecutionId = nil
		if a.Status == InProgress && !a.IsAnswered {
			out.LatestExecution.Token = &a.ID
		}
	}
	if v := a.Report.Revision; v != nil {
		out.CurrentRevision = &api.ActionRevision{RevisionId: &v.ID, RevisionChangeId: op.Opt(v.ChangeID), Created: op.At(v.Created)}
		out.RevisionUrl = op.Opt(v.URL)
	}
	return out
}
