package codepipeline_test

import (
	"strings"
	"testing"
	"time"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
)

func rolloutFact() eventstream.Fact {
	return eventstream.Fact{Source: "aws.ecs", DetailType: "ECS Deployment State Change", Resources: []string{service}}
}

func TestCommitIsBuiltAndDeployedByFactsAlone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.rollout("COMPLETED", "")
	p := demo()
	w.create(p) // starts it at once
	build := <-w.started
	if got := *build.SourceVersion + " " + *build.EnvironmentVariablesOverride[0].Value; got != commit+" "+commit {
		t.Errorf("the build is of %s", got)
	}
	if !strings.HasPrefix(*build.SourceLocationOverride, "store/a-pipeline-with-a-lo/source/") || !strings.HasSuffix(*build.SourceLocationOverride, ".zip") {
		t.Errorf("the build's source is %s", *build.SourceLocationOverride)
	}
	if got, want := w.who("StartBuild"), "arn:aws:sts::100000000001:assumed-role/pipeline/a-pipeline-with-a-long-name for codepipeline.amazonaws.com"; got != want {
		t.Errorf("StartBuild came from %s", got)
	}
	began := time.Now()
	w.endBuild(build, "SUCCEEDED")
	update := <-w.updated
	t.Logf("build done → service updated: %s", time.Since(began))
	if *update.TaskDefinition != "arn:task:2" || *w.task.ContainerDefinitions[0].Image != "registry/app:2" || *w.task.ContainerDefinitions[0].Cpu != 7 || *w.task.ContainerDefinitions[1].Image != "log:1" || len(w.task.Tags) != 1 {
		t.Errorf("registered %+v", w.task)
	}
	w.rollout("COMPLETED", "")
	w.tell(rolloutFact())
	w.await("Pipeline SUCCEEDED")

	list := call(w, api.ListPipelineExecutions, &api.ListPipelineExecutionsInput{PipelineName: p.Name}).PipelineExecutionSummaries
	if len(list) != 1 || *list[0].Status != "Succeeded" || *list[0].SourceRevisions[0].RevisionId != commit || *list[0].Trigger.TriggerType != "CreatePipeline" {
		t.Errorf("executions = %+v", list)
	}
	var names []string
	for _, a := range w.actions(p.Name) {
		names = append(names, *a.ActionName+" "+*a.Status)
	}
	if got := strings.Join(names, ", "); got != "ECS Succeeded, CodeBuild Succeeded, CodeCommit Succeeded" {
		t.Errorf("actions: %s", got)
	}
	state := call(w, api.GetPipelineState, &api.GetPipelineStateInput{Name: p.Name})
	if got := *state.StageStates[2].ActionStates[0].LatestExecution.Status; got != "Succeeded" {
		t.Errorf("the state of Deploy is %s", got)
	}
}

func TestFailedRolloutFailsTheActionWithItsReasonAndIsRetried(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.rollout("COMPLETED", "")
	p := demo()
	w.create(p)
	w.endBuild(<-w.started, "SUCCEEDED")
	<-w.updated
	w.await("ECS STARTED")
	const reason = "ECS deployment circuit breaker: tasks failed to start."
	w.rollout("FAILED", reason)
	w.tell(rolloutFact())
	w.await("Pipeline FAILED")
	a := w.actions(p.Name)[0]
	if e := a.Output.ExecutionResult.ErrorDetails; *e.Code != "JobFailed" || *e.Message != reason {
		t.Errorf("the action failed by %s: %s", *e.Code, *e.Message)
	}
	in := &api.RetryStageExecutionInput{PipelineName: p.Name, StageName: new("Deploy"), PipelineExecutionId: a.PipelineExecutionId, RetryMode: new(api.StageRetryModeFailedActions)}
	call(w, api.RetryStageExecution, in)
	<-w.updated
	if _, err := op.Call(t.Context(), w, w.Root(), api.RetryStageExecution, in); err == nil || !strings.Contains(err.Error(), "StageNotRetryableException") && !strings.Contains(err.Error(), "ConflictException") {
		t.Errorf("a retry of what runs was answered by %v", err)
	}
	w.rollout("COMPLETED", "")
	w.tell(rolloutFact())
	w.await("Pipeline SUCCEEDED")
}

func TestFailuresSayWhy(t *testing.T) {
	t.Parallel()
	denied := &op.Error{Code: "AccessDeniedException", Message: "User: x is not authorized to perform: y"}
	for name, tc := range map[string]struct {
		operation string
		err       error
		want      string
	}{
		"no repository":    {"GetBranch", &op.Error{Code: "RepositoryDoesNotExistException", Message: "app does not exist"}, "ConfigurationError: Could not access the CodeCommit repository app."},
		"source denied":    {"GetBranch", denied, "PermissionError: Could not access the CodeCommit repository app."},
		"store denied":     {"PutObject", &op.Error{Code: "AccessDenied", Message: "Access Denied", Status: 403}, "PermissionError: The service role or action role doesn't have the permissions required to access the Amazon S3 bucket named store."},
		"build denied":     {"StartBuild", denied, "PermissionError: Error calling startBuild: User: x is not authorized"},
		"no such project":  {"StartBuild", &op.Error{Code: "ResourceNotFoundException", Message: "Project cannot be found: p"}, "ConfigurationError: Error calling startBuild: Project cannot be found: p"},
		"branch not there": {"GetBranch", &op.Error{Code: "BranchDoesNotExistException", Message: "main does not exist"}, "ConfigurationError: The AWS CodeCommit repository app doesn't have a branch named main."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.refuse[tc.operation] = tc.err
			p := demo()
			w.create(p)
			w.await("Pipeline FAILED")
			e := w.actions(p.Name)[0].Output.ExecutionResult.ErrorDetails
			if got := *e.Code + ": " + *e.Message; !strings.HasPrefix(got, tc.want) {
				t.Errorf("failed by %s", got)
			}
		})
	}
}

func TestBuildThatFailsAndFileThatIsMissing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.rollout("COMPLETED", "")
	p := demo()
	w.create(p)
	w.endBuild(<-w.started, "FAILED")
	w.await("Pipeline FAILED")
	if m := *w.actions(p.Name)[0].Output.ExecutionResult.ErrorDetails.Message; m != "Build terminated with state: FAILED" {
		t.Errorf("the build's action says %q", m)
	}
	id := w.actions(p.Name)[0].PipelineExecutionId
	call(w, api.RetryStageExecution, &api.RetryStageExecutionInput{PipelineName: p.Name, StageName: new("Build"), PipelineExecutionId: id, RetryMode: new(api.StageRetryModeAllActions)})
	build := <-w.started
	out := build.ArtifactsOverride
	w.put(*out.Location+"/"+*out.Path+"/"+*out.Name, archive("other.json", "[]"))
	build.ArtifactsOverride.Type = new("NO_ARTIFACTS") // the test has put another file already
	w.endBuild(build, "SUCCEEDED")
	w.await("Pipeline FAILED")
	want := "Did not find the image definition file imagedefinitions.json in the input artifacts ZIP file."
	if m := *w.actions(p.Name)[0].Output.ExecutionResult.ErrorDetails.Message; !strings.HasPrefix(m, want) {
		t.Errorf("the deploy action says %q", m)
	}
}

// approvals is a pipeline of a source and an approval.
func approvals(name string) *api.PipelineDeclaration {
	p := demo()
	p.Name = &name
	p.Stages = p.Stages[:1]
	p.Stages = append(p.Stages, api.StageDeclaration{Name: new("Ask"), Actions: []api.ActionDeclaration{act("Approval", "Manual", "", "", map[string]string{"IsSummaryRequired": "true"})}})
	return p
}

func TestApprovalWaitsForItsToken(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := approvals("ask")
	w.create(p)
	w.await("Manual STARTED")
	var token string
	for token == "" { // it is shown when its start has been reported
		token = op.Val(call(w, api.GetPipelineState, &api.GetPipelineStateInput{Name: p.Name}).StageStates[1].ActionStates[0].LatestExecution.Token)
	}
	put := func(token, summary string) error {
		_, err := op.Call(t.Context(), w, w.Root(), api.PutApprovalResult, &api.PutApprovalResultInput{
			PipelineName: p.Name, StageName: new("Ask"), ActionName: new("Manual"), Token: &token, Result: &api.ApprovalResult{Status: new("Approved"), Summary: &summary},
		})
		return err
	}
	for _, bad := range []struct{ token, summary, want string }{
		{"11111111-1111-4111-8111-111111111111", "ok", "InvalidApprovalTokenException"},
		{token, "", "requires a summary"},
	} {
		if err := put(bad.token, bad.summary); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("token %s, summary %q: %v", bad.token, bad.summary, err)
		}
	}
	if err := put(token, "ok"); err != nil {
		t.Fatal(err)
	}
	w.await("Pipeline SUCCEEDED")
	if err := put(token, "ok"); err == nil || !strings.Contains(err.Error(), "ApprovalAlreadyCompletedException") {
		t.Errorf("a second answer was answered by %v", err)
	}
}

func TestTokenStartsOnceAndRuleIsTold(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := approvals("once")
	w.create(p)
	w.await("Manual STARTED")
	in := &api.StartPipelineExecutionInput{Name: p.Name, ClientRequestToken: new("t-1")}
	first, second := call(w, api.StartPipelineExecution, in), call(w, api.StartPipelineExecution, in)
	if *first.PipelineExecutionId != *second.PipelineExecutionId {
		t.Error("one token started two executions")
	}
	c := op.As(w.Root().Scope, role, "push", "events.amazonaws.com", "key-1")
	for range 2 {
		if _, err := op.Call(t.Context(), w, c, api.StartPipelineExecution, &api.StartPipelineExecutionInput{Name: p.Name}); err != nil {
			t.Fatal(err)
		}
	}
	list := call(w, api.ListPipelineExecutions, &api.ListPipelineExecutionsInput{PipelineName: p.Name}).PipelineExecutionSummaries
	if len(list) != 3 || *list[0].Trigger.TriggerDetail != "arn:aws:events:us-east-1:100000000001:rule/push" || *list[0].Trigger.TriggerType != "CloudWatchEvent" {
		t.Errorf("%d executions, the newest by %+v", len(list), list[0].Trigger)
	}
}

func TestStopTwiceAndDelete(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := approvals("gone")
	w.create(p)
	w.await("Manual STARTED")
	id := w.actions(p.Name)[0].PipelineExecutionId
	stop := &api.StopPipelineExecutionInput{PipelineName: p.Name, PipelineExecutionId: id, Reason: new("no")}
	call(w, api.StopPipelineExecution, stop)
	if _, err := op.Call(t.Context(), w, w.Root(), api.StopPipelineExecution, stop); err == nil || !strings.Contains(err.Error(), "DuplicatedStopRequestException") {
		t.Errorf("a second stop was answered by %v", err)
	}
	stop.Abandon = new(true)
	call(w, api.StopPipelineExecution, stop)
	w.await("Pipeline STOPPED")
	call(w, api.DeletePipeline, &api.DeletePipelineInput{Name: p.Name})
	call(w, api.DeletePipeline, &api.DeletePipelineInput{Name: p.Name})
	if _, err := op.Call(t.Context(), w, w.Root(), api.GetPipeline, &api.GetPipelineInput{Name: p.Name}); err == nil || !strings.Contains(err.Error(), "Account '100000000001' does not have a pipeline with name 'gone'") {
		t.Errorf("a deleted pipeline was answered by %v", err)
	}
}

func TestPolledSourceStartsOncePerRevision(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := approvals("poll")
	p.Stages[0].Actions[0].Configuration["PollForSourceChanges"] = "True"
	w.create(p)
	w.await("Manual STARTED")
	list := call(w, api.ListPipelineExecutions, &api.ListPipelineExecutionsInput{PipelineName: p.Name}).PipelineExecutionSummaries
	if len(list) != 1 || *list[0].Trigger.TriggerType != "PollForSourceChanges" || *list[0].Trigger.TriggerDetail != "CodeCommit" {
		t.Errorf("executions = %+v", list)
	}
}

func TestRollbackBringsBackWhatAnEarlierExecutionShipped(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.rollout("COMPLETED", "")
	p := demo()
	w.create(p)
	w.endBuild(<-w.started, "SUCCEEDED")
	<-w.updated
	w.await("ECS STARTED")
	w.rollout("COMPLETED", "")
	w.tell(rolloutFact())
	w.await("Pipeline SUCCEEDED")
	shipped := w.actions(p.Name)[0]
	out := call(w, api.RollbackStage, &api.RollbackStageInput{PipelineName: p.Name, StageName: new("Deploy"), TargetPipelineExecutionId: shipped.PipelineExecutionId})
	<-w.updated
	w.await("ECS STARTED")
	w.rollout("COMPLETED", "")
	w.tell(rolloutFact())
	w.await("Pipeline SUCCEEDED")
	x := call(w, api.GetPipelineExecution, &api.GetPipelineExecutionInput{PipelineName: p.Name, PipelineExecutionId: out.PipelineExecutionId}).PipelineExecution
	again := w.actions(p.Name)[0]
	if *x.ExecutionType != "ROLLBACK" || *x.Trigger.TriggerType != "ManualRollback" || *again.Input.InputArtifacts[0].S3location.Key != *shipped.Input.InputArtifacts[0].S3location.Key {
		t.Errorf("the rollback is %+v with %+v", x, again.Input.InputArtifacts)
	}
	if n := len(w.actions(p.Name)); n != 4 {
		t.Errorf("%d actions ran, want the deployment alone", n-3)
	}
	_, err := op.Call(t.Context(), w, w.Root(), api.RollbackStage, &api.RollbackStageInput{PipelineName: p.Name, StageName: new("Source"), TargetPipelineExecutionId: shipped.PipelineExecutionId})
	if err == nil || !strings.Contains(err.Error(), "UnableToRollbackStageException") {
		t.Errorf("a rollback of the first stage was answered by %v", err)
	}
}
