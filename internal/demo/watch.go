package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/penstock-ci/penstock/internal/clock"
)

const (
	// watchEvery is how often the watcher looks: a person's eye is not quicker.
	watchEvery = 300 * time.Millisecond
	// tailLines of a failed build are shown.
	tailLines = 25
)

// watcher follows one execution of the pipeline and prints what changes.
type watcher struct {
	stack *Stack
	out   io.Writer
	clock clock.Clock
	seen  map[string]types.ActionExecutionStatus
}

// known are the executions so far.
func (w *watcher) known(ctx context.Context) (map[string]bool, error) {
	out, err := w.stack.aws.Pipeline.ListPipelineExecutions(ctx, &codepipeline.ListPipelineExecutionsInput{PipelineName: new(name)})
	if err != nil {
		return nil, wrap(err, "list the pipeline's executions")
	}
	ids := map[string]bool{}
	for _, e := range out.PipelineExecutionSummaries {
		ids[*e.PipelineExecutionId] = true
	}
	return ids, nil
}

// started waits for an execution that is not known yet: the push started it.
func (w *watcher) started(ctx context.Context, known map[string]bool) (string, error) {
	for {
		now, err := w.known(ctx)
		if err != nil {
			return "", err
		}
		for id := range now {
			if !known[id] {
				return id, nil
			}
		}
		if err := w.pause(ctx); err != nil {
			return "", fmt.Errorf("no execution of the pipeline started after the push: %w", err)
		}
	}
}

// follow prints each change of the execution until it ends, and returns how.
// onAction hears of each action's every new status.
func (w *watcher) follow(ctx context.Context, execution string, onAction func(action string, status types.ActionExecutionStatus)) (types.PipelineExecutionStatus, error) {
	w.seen = map[string]types.ActionExecutionStatus{}
	for {
		actions, err := w.stack.aws.Pipeline.ListActionExecutions(ctx, &codepipeline.ListActionExecutionsInput{
			PipelineName: new(name), Filter: &types.ActionExecutionFilter{PipelineExecutionId: &execution},
		})
		if err != nil {
			return "", wrap(err, "list the execution's actions")
		}
		for i := len(actions.ActionExecutionDetails) - 1; i >= 0; i-- { // oldest first
			a := actions.ActionExecutionDetails[i]
			if w.seen[*a.ActionExecutionId] == a.Status {
				continue
			}
			w.seen[*a.ActionExecutionId] = a.Status
			w.print(ctx, a)
			onAction(*a.ActionName, a.Status)
		}
		got, err := w.stack.aws.Pipeline.GetPipelineExecution(ctx, &codepipeline.GetPipelineExecutionInput{PipelineName: new(name), PipelineExecutionId: &execution})
		if err != nil {
			return "", wrap(err, "get the execution")
		}
		if s := got.PipelineExecution.Status; s != types.PipelineExecutionStatusInProgress {
			return s, nil
		}
		if err := w.pause(ctx); err != nil {
			return "", fmt.Errorf("the execution %s did not end in time: %w", execution, err)
		}
	}
}

func (w *watcher) print(ctx context.Context, a types.ActionExecutionDetail) {
	row := fmt.Sprintf("   %-8s %-11s %-10s", *a.StageName, *a.ActionName, a.Status)
	if a.Status == types.ActionExecutionStatusInProgress {
		fmt.Fprintln(w.out, strings.TrimRight(row, " "))
		return
	}
	if a.StartTime != nil && a.LastUpdateTime != nil {
		row += fmt.Sprintf(" %6.1f s", a.LastUpdateTime.Sub(*a.StartTime).Seconds())
	}
	result := actionResult(a)
	if a.Status == types.ActionExecutionStatusSucceeded {
		fmt.Fprintln(w.out, row)
		return
	}
	fmt.Fprintf(w.out, "%s  %s\n", row, result.summary)
	if *a.ActionName == "CodeBuild" && result.id != "" {
		w.tail(ctx, result.id)
	}
}

type result struct{ id, summary string }

func actionResult(a types.ActionExecutionDetail) (r result) {
	if a.Output == nil || a.Output.ExecutionResult == nil {
		return r
	}
	if id := a.Output.ExecutionResult.ExternalExecutionId; id != nil {
		r.id = *id
	}
	if s := a.Output.ExecutionResult.ExternalExecutionSummary; s != nil {
		r.summary = *s
	}
	if e := a.Output.ExecutionResult.ErrorDetails; e != nil && e.Message != nil {
		r.summary = *e.Message
	}
	return r
}

// tail prints the last lines of a failed build.
func (w *watcher) tail(ctx context.Context, build string) {
	got, err := w.stack.aws.Build.BatchGetBuilds(ctx, &codebuild.BatchGetBuildsInput{Ids: []string{build}})
	if err != nil || len(got.Builds) == 0 || got.Builds[0].Logs == nil {
		fmt.Fprintf(w.out, "     (its log could not be read: %v)\n", err)
		return
	}
	at := got.Builds[0].Logs
	lines, err := w.stack.aws.Logs.GetLogEvents(ctx, &logs.GetLogEventsInput{LogGroupName: at.GroupName, LogStreamName: at.StreamName, Limit: new(int32(tailLines))})
	if err != nil {
		fmt.Fprintf(w.out, "     (its log could not be read: %v)\n", err)
		return
	}
	for _, e := range lines.Events {
		fmt.Fprintf(w.out, "     | %s\n", strings.TrimRight(*e.Message, "\n"))
	}
}

func (w *watcher) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.clock.After(watchEvery):
		return nil
	}
}
