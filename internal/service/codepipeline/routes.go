package codepipeline

import (
	"strings"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface of the service. An operation that is not listed is
// refused by name.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.CreatePipeline, func(c op.Caller, in *api.CreatePipelineInput) []string { return named(c, in.Pipeline.Name) }, s.createPipeline),
		op.Read(api.GetPipeline, func(c op.Caller, in *api.GetPipelineInput) []string { return named(c, in.Name) }, s.getPipeline),
		op.Read(api.ListPipelines, nil, s.listPipelines),
		op.Change(api.UpdatePipeline, func(c op.Caller, in *api.UpdatePipelineInput) []string { return named(c, in.Pipeline.Name) }, s.updatePipeline),
		op.Change(api.DeletePipeline, func(c op.Caller, in *api.DeletePipelineInput) []string { return named(c, in.Name) }, s.deletePipeline),

		op.Change(api.StartPipelineExecution, func(c op.Caller, in *api.StartPipelineExecutionInput) []string { return named(c, in.Name) }, s.startExecution),
		op.Read(api.GetPipelineExecution, func(c op.Caller, in *api.GetPipelineExecutionInput) []string { return named(c, in.PipelineName) }, s.getExecution),
		op.Read(api.ListPipelineExecutions, func(c op.Caller, in *api.ListPipelineExecutionsInput) []string { return named(c, in.PipelineName) }, s.listExecutions),
		op.Read(api.ListActionExecutions, func(c op.Caller, in *api.ListActionExecutionsInput) []string { return named(c, in.PipelineName) }, s.listActionExecutions),
		op.Read(api.GetPipelineState, func(c op.Caller, in *api.GetPipelineStateInput) []string { return named(c, in.Name) }, s.getState),
		op.Change(api.StopPipelineExecution, func(c op.Caller, in *api.StopPipelineExecutionInput) []string { return named(c, in.PipelineName) }, s.stopExecution),
		op.Change(api.RetryStageExecution, func(c op.Caller, in *api.RetryStageExecutionInput) []string {
			return named(c, in.PipelineName, in.StageName)
		}, s.retryStage),
		op.Change(api.RollbackStage, func(c op.Caller, in *api.RollbackStageInput) []string { return named(c, in.PipelineName, in.StageName) }, s.rollbackStage),
		op.Change(api.EnableStageTransition, func(c op.Caller, in *api.EnableStageTransitionInput) []string {
			return named(c, in.PipelineName, in.StageName)
		}, s.enableTransition),
		op.Change(api.DisableStageTransition, func(c op.Caller, in *api.DisableStageTransitionInput) []string {
			return named(c, in.PipelineName, in.StageName)
		}, s.disableTransition),
		op.Change(api.PutApprovalResult, func(c op.Caller, in *api.PutApprovalResultInput) []string {
			return named(c, in.PipelineName, in.StageName, in.ActionName)
		}, s.putApproval),

		op.Read(api.ListActionTypes, nil, s.listActionTypes),
		op.Read(api.GetActionType, nil, s.getActionType),
		op.Change(api.TagResource, func(_ op.Caller, in *api.TagResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.tagResource),
		op.Change(api.UntagResource, func(_ op.Caller, in *api.UntagResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.untagResource),
		op.Read(api.ListTagsForResource, func(_ op.Caller, in *api.ListTagsForResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.listTags),
	}
}

// named is the ARN of a pipeline, or of a stage or an action in it.
func named(c op.Caller, parts ...*string) []string {
	var names []string
	for _, p := range parts {
		names = append(names, op.Val(p))
	}
	return []string{pipelineARN(c.Scope, strings.Join(names, "/"))}
}
