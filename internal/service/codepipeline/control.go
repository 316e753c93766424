package codepipeline

import (
	"context"
	"encoding/json"
	"fmt"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) stopExecution(ctx context.Context, tx store.Tx, c op.Caller, in *api.StopPipelineExecutionInput) (*api.StopPipelineExecutionOutput, error) {
	d, err := s.execution(ctx, tx, c.Scope, in.PipelineName, in.PipelineExecutionId)
	if err != nil {
		return nil, err
	}
	x := d.Value
	if x.Complete() {
		return nil, api.PipelineExecutionNotStoppableException("Unable to stop pipeline execution %s. The pipeline execution is in %s state and only executions in progress can be stopped.", x.ID, x.Status)
	}
	abandon := op.Val(in.Abandon)
	if x.Stop != nil && (!abandon || x.Stop.Abandon) {
		return nil, api.DuplicatedStopRequestException("The pipeline execution %s has already been requested to be stopped.", x.ID)
	}
	x.Stop = &Stop{Abandon: abandon, Reason: op.Val(in.Reason)}
	if _, err := executions.Put(ctx, tx, c.Scope, x.ID, x, d.Version); err != nil {
		return nil, fmt.Errorf("store stop of %s: %w", x.ID, err)
	}
	return &api.StopPipelineExecutionOutput{PipelineExecutionId: &x.ID}, s.send(ctx, tx, c.Scope, x.ID, engine.Event{Name: evStop})
}

func (s *Service) retryStage(ctx context.Context, tx store.Tx, c op.Caller, in *api.RetryStageExecutionInput) (*api.RetryStageExecutionOutput, error) {
	d, err := s.execution(ctx, tx, c.Scope, in.PipelineName, in.PipelineExecutionId)
	if err != nil {
		return nil, err
	}
	l, err := s.lane(ctx, tx, c.Scope, *in.PipelineName, *in.StageName)
	if err != nil {
		return nil, err
	}
	x, stage := d.Value, *in.StageName
	run := x.run(stage)
	if run == nil || !x.Complete() || x.stageName() != stage || run.Status != Failed && run.Status != Stopped {
		return nil, api.StageNotRetryableException("Stage '%s' of the pipeline execution %s cannot be retried: it is not in a failed state", stage, x.ID)
	}
	p, err := s.pipeline(ctx, tx, c.Scope, in.PipelineName)
	if err != nil {
		return nil, err
	}
	if *p.Value.Definition.Version != *x.Definition.Version {
		return nil, api.StageNotRetryableException("Stage '%s' of the pipeline execution %s cannot be retried: the pipeline was updated after the execution started", stage, x.ID)
	}
	if mode(&x.Definition) != api.ExecutionModeParallel {
		lane := l.Value.Stages[stage]
		switch {
		case lane.Latest != x.ID:
			return nil, api.NotLatestPipelineExecutionException("The pipeline execution %s is not the latest one in stage '%s': %s is", x.ID, stage, lane.Latest)
		case lane.Holder != "":
			return nil, api.ConflictException("Stage '%s' is being retried already", stage)
		}
		lane.Holder = x.ID
		l.Value.Stages[stage] = lane
		if _, err := lanes.Put(ctx, tx, c.Scope, *in.PipelineName, l.Value, l.Version); err != nil {
			return nil, fmt.Errorf("take stage %s: %w", stage, err)
		}
	}
	raw, _ := json.Marshal(*in.RetryMode) // a string
	return &api.RetryStageExecutionOutput{PipelineExecutionId: &x.ID}, s.send(ctx, tx, c.Scope, x.ID, engine.Event{Name: evRetry, Body: raw})
}

// rollbackStage runs one stage once more with what an earlier execution brought it.
func (s *Service) rollbackStage(ctx context.Context, tx store.Tx, c op.Caller, in *api.RollbackStageInput) (*api.RollbackStageOutput, error) {
	d, err := s.execution(ctx, tx, c.Scope, in.PipelineName, in.TargetPipelineExecutionId)
	if err != nil {
		return nil, err
	}
	l, err := s.lane(ctx, tx, c.Scope, *in.PipelineName, *in.StageName)
	if err != nil {
		return nil, err
	}
	p, err := s.pipeline(ctx, tx, c.Scope, in.PipelineName)
	if err != nil {
		return nil, err
	}
	target, stage := d.Value, *in.StageName
	i := findStage(&p.Value.Definition, stage)
	run := target.run(stage)
	switch {
	case *target.Definition.Version != *p.Value.Definition.Version:
		return nil, api.PipelineExecutionOutdatedException("The pipeline execution %s belongs to an earlier version of the pipeline", target.ID)
	case i == 0 || mode(&target.Definition) == api.ExecutionModeParallel:
		return nil, api.UnableToRollbackStageException("Stage '%s' cannot be rolled back: it is the first one, or the pipeline's execution mode is PARALLEL", stage)
	case run == nil || run.Status != Succeeded || target.Rollback != "":
		return nil, api.UnableToRollbackStageException("Stage '%s' cannot be rolled back to the pipeline execution %s, which did not succeed in it or is a rollback itself", stage, target.ID)
	case l.Value.Stages[stage].Holder != "":
		return nil, api.UnableToRollbackStageException("Stage '%s' cannot be rolled back while an execution is in it", stage)
	}
	detail, err := json.Marshal(map[string]string{"userArn": c.ARN})
	if err != nil {
		return nil, fmt.Errorf("encode trigger: %w", err)
	}
	id, err := s.begin(ctx, tx, c.Scope, p.Value, Execution{
		Trigger: Trigger{"ManualRollback", string(detail)}, Rollback: target.ID, Stage: i,
		Artifacts: target.Artifacts, Outputs: target.Outputs, Revisions: target.Revisions, Variables: target.Variables,
	}, c.Key)
	return &api.RollbackStageOutput{PipelineExecutionId: &id}, err
}

func (s *Service) disableTransition(ctx context.Context, tx store.Tx, c op.Caller, in *api.DisableStageTransitionInput) (*api.DisableStageTransitionOutput, error) {
	t := Transition{IsDisabled: true, Reason: op.Val(in.Reason), By: c.ARN, At: s.Clock.Now()}
	return &api.DisableStageTransitionOutput{}, s.turnGate(ctx, tx, c, in.PipelineName, *in.StageName, *in.TransitionType, t)
}

func (s *Service) enableTransition(ctx context.Context, tx store.Tx, c op.Caller, in *api.EnableStageTransitionInput) (*api.EnableStageTransitionOutput, error) {
	t := Transition{By: c.ARN, At: s.Clock.Now()}
	return &api.EnableStageTransitionOutput{}, s.turnGate(ctx, tx, c, in.PipelineName, *in.StageName, *in.TransitionType, t)
}

// turnGate sets a transition and lets in who may enter now.
func (s *Service) turnGate(ctx context.Context, tx store.Tx, c op.Caller, pipeline *string, stage, kind string, t Transition) error {
	p, err := s.pipeline(ctx, tx, c.Scope, pipeline)
	if err != nil {
		return err
	}
	l, err := s.lane(ctx, tx, c.Scope, *pipeline, stage)
	if err != nil {
		return err
	}
	lane := l.Value.Stages[stage]
	if kind == api.StageTransitionTypeInbound {
		lane.In = t
	} else {
		lane.Out = t
	}
	l.Value.Stages[stage] = lane
	var admitted []string
	for i := range p.Value.Definition.Stages {
		if next := l.Value.admit(gateOf(&p.Value.Definition, i)); next != "" {
			admitted = append(admitted, next)
		}
	}
	if _, err := lanes.Put(ctx, tx, c.Scope, *pipeline, l.Value, l.Version); err != nil {
		return fmt.Errorf("store transition of %s: %w", stage, err)
	}
	for _, x := range admitted {
		if err := s.send(ctx, tx, c.Scope, x, engine.Event{Name: evAdmitted}); err != nil {
			return err
		}
	}
	return nil
}
