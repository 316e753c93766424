package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	cbtypes "github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	cptypes "github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/penstock-ci/penstock/examples"
	"github.com/penstock-ci/penstock/internal/demo"
	"github.com/penstock-ci/penstock/internal/host/baseimage"
)

// stackName is what the demo calls all of its stack.
const stackName = "core-app"

// delivery is the demo's stack and the execution of its pipeline that is under way.
type delivery struct {
	*installation
	stack      *demo.Stack
	folder     string
	repository *demo.Repository
	sts        *sts.Client // of a user whom the roles trust, too
	commits    int

	execution string
	last      cptypes.ActionExecutionDetail // with which the execution ended
}

// startDelivery makes the demo's stack on a server of the test's own.
func startDelivery(t *testing.T) *delivery {
	t.Helper()
	d := &delivery{installation: serve(t), folder: filepath.Join(t.TempDir(), stackName)}
	operator, err := d.server.Operator()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := operator.MirrorAdd(t.Context(), baseimage.PythonAlias); err != nil {
		t.Fatal(err)
	}
	if d.stack, err = demo.NewStack(t.Context(), d.aws, d.env, func(string) {}); err != nil {
		t.Fatal(err)
	}
	files, err := fs.Sub(examples.CoreApp, stackName)
	if err != nil {
		t.Fatal(err)
	}
	helper := fmt.Sprintf("!%q --data %q git-credential", d.server.Binary, d.data)
	d.repository = demo.NewRepository(d.folder, d.env, helper, files)
	if err := d.repository.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.trustUser(t)
	return d
}

// trustUser makes a user who may take all the roles of the stack.
func (d *delivery) trustUser(t *testing.T) {
	t.Helper()
	user, err := d.aws.IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: new("outside")})
	if err != nil {
		t.Fatal(err)
	}
	key, err := d.aws.IAM.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: user.User.UserName})
	if err != nil {
		t.Fatal(err)
	}
	d.sts = sts.New(sts.Options{
		BaseEndpoint: &d.env.Endpoint, Region: d.env.Region,
		Credentials: credentials.NewStaticCredentialsProvider(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, ""),
	})
	for role := range d.stack.Permissions() {
		got, err := d.aws.IAM.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &role})
		if err != nil {
			t.Fatal(err)
		}
		text, err := url.QueryUnescape(*got.Role.AssumeRolePolicyDocument)
		if err != nil {
			t.Fatal(err)
		}
		var trust struct {
			Version   string
			Statement []any
		}
		if err := json.Unmarshal([]byte(text), &trust); err != nil {
			t.Fatalf("trust policy of %s: %v\n%s", role, err, text)
		}
		trust.Statement = append(trust.Statement, map[string]any{"Effect": "Allow", "Principal": map[string]string{"AWS": *user.User.Arn}, "Action": "sts:AssumeRole"})
		document, err := json.Marshal(trust)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.aws.IAM.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: new(string(document))}); err != nil {
			t.Fatal(err)
		}
	}
}

// permit gives the role these statements and no others.
func (d *delivery) permit(t *testing.T, role string, statements []demo.Statement) {
	t.Helper()
	var err error
	if len(statements) == 0 { // a policy has one at least
		_, err = d.aws.IAM.DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: new(stackName)})
	} else {
		err = d.stack.Permit(t.Context(), role, statements)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// scale sets how many tasks the service has, and waits until they run.
func (d *delivery) scale(t *testing.T, count int32) {
	t.Helper()
	if _, err := d.aws.ECS.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: new(stackName), Service: new(stackName), DesiredCount: &count}); err != nil {
		t.Fatal(err)
	}
	d.await(t, "a stable service", func() (bool, error) {
		got, err := d.aws.ECS.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: new(stackName), Services: []string{stackName}})
		if err != nil {
			return false, err
		}
		s := got.Services[0]
		return len(s.Deployments) == 1 && s.RunningCount == count && s.PendingCount == 0, nil
	})
}

func (d *delivery) await(t *testing.T, what string, ok func() (bool, error)) {
	t.Helper()
	if err := until(t.Context(), what, ok); err != nil {
		t.Fatal(err)
	}
}

// push commits something new and pushes it.
func (d *delivery) push(t *testing.T) {
	t.Helper()
	d.commits++
	if err := os.WriteFile(filepath.Join(d.folder, "commits"), []byte(strconv.Itoa(d.commits)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.repository.Push(t.Context(), fmt.Sprintf("commit %d", d.commits)); err != nil {
		t.Fatal(err)
	}
}

// newest is the execution of the pipeline that started last.
func (d *delivery) newest(t *testing.T) string {
	t.Helper()
	got, err := d.aws.Pipeline.ListPipelineExecutions(t.Context(), &codepipeline.ListPipelineExecutionsInput{PipelineName: new(stackName), MaxResults: new(int32(1))})
	if err != nil {
		t.Fatal(err)
	}
	return *got.PipelineExecutionSummaries[0].PipelineExecutionId
}

// goOn retries the stage in which the execution has failed, or starts another one by
// a push, and returns the action with which it ends.
func (d *delivery) goOn(t *testing.T) cptypes.ActionExecutionDetail {
	t.Helper()
	before := ""
	if d.last.Status == cptypes.ActionExecutionStatusFailed {
		before = *d.last.ActionExecutionId
		_, err := d.aws.Pipeline.RetryStageExecution(t.Context(), &codepipeline.RetryStageExecutionInput{
			PipelineName: new(stackName), PipelineExecutionId: &d.execution, StageName: d.last.StageName, RetryMode: cptypes.StageRetryModeFailedActions,
		})
		if err != nil {
			t.Fatal(err)
		}
	} else {
		known := d.newest(t)
		d.push(t)
		d.await(t, "an execution for the push", func() (bool, error) { d.execution = d.newest(t); return d.execution != known, nil })
	}
	// An execution that was retried still shows its old end for a moment.
	d.await(t, "an action", func() (bool, error) { return d.lastAction(t) && *d.last.ActionExecutionId != before, nil })
	d.await(t, "the execution's end", func() (bool, error) {
		got, err := d.aws.Pipeline.GetPipelineExecution(t.Context(), &codepipeline.GetPipelineExecutionInput{PipelineName: new(stackName), PipelineExecutionId: &d.execution})
		return err == nil && got.PipelineExecution.Status != cptypes.PipelineExecutionStatusInProgress, err
	})
	d.lastAction(t)
	return d.last
}

// lastAction looks which action the execution has come to, if any.
func (d *delivery) lastAction(t *testing.T) bool {
	t.Helper()
	got, err := d.aws.Pipeline.ListActionExecutions(t.Context(), &codepipeline.ListActionExecutionsInput{
		PipelineName: new(stackName), Filter: &cptypes.ActionExecutionFilter{PipelineExecutionId: &d.execution}, MaxResults: new(int32(1)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.ActionExecutionDetails) == 0 {
		return false
	}
	d.last = got.ActionExecutionDetails[0]
	return true
}

// outcome is an action, and what it says of its end.
func outcome(a cptypes.ActionExecutionDetail) string {
	text := string(a.Status)
	if r := a.Output; r != nil && r.ExecutionResult != nil && r.ExecutionResult.ErrorDetails != nil {
		text = *r.ExecutionResult.ErrorDetails.Message
	}
	return *a.StageName + "/" + *a.ActionName + ": " + text
}

// attempts are the shortest ways to need a role. Each tells the step that failed,
// and its words.
var attempts = map[string]func(*delivery, *testing.T) string{
	"events": (*delivery).sendEvent, "pipeline": (*delivery).act, "build": (*delivery).build, "execution": (*delivery).runTask,
}

// act has the pipeline go on, and tells the action with which it ends.
func (d *delivery) act(t *testing.T) string {
	t.Helper()
	return outcome(d.goOn(t))
}

// build has the pipeline go on to a build, and tells the phase that failed with what
// it left in the build's log.
func (d *delivery) build(t *testing.T) string {
	t.Helper()
	a := d.goOn(t)
	if *a.StageName != "Build" || a.Output.ExecutionResult.ExternalExecutionId == nil {
		return outcome(a)
	}
	got, err := d.aws.Build.BatchGetBuilds(t.Context(), &codebuild.BatchGetBuildsInput{Ids: []string{*a.Output.ExecutionResult.ExternalExecutionId}})
	if err != nil {
		t.Fatal(err)
	}
	b := got.Builds[0]
	for _, p := range b.Phases {
		if p.PhaseStatus == cbtypes.StatusTypeFailed && len(p.Contexts) > 0 {
			why := p.Contexts[0]
			return fmt.Sprintf("%s: %s: %s\n%s", p.PhaseType, *why.StatusCode, *why.Message, d.log(t, b))
		}
	}
	return outcome(a)
}

// log is a build's log, "" where none was begun.
func (d *delivery) log(t *testing.T, b cbtypes.Build) string {
	t.Helper()
	if b.Logs.StreamName == nil {
		return ""
	}
	got, err := d.aws.Logs.GetLogEvents(t.Context(), &logs.GetLogEventsInput{LogGroupName: b.Logs.GroupName, LogStreamName: b.Logs.StreamName})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, e := range got.Events {
		text.WriteString(*e.Message)
	}
	return text.String()
}

// runTask runs a task as the service does, and tells why it stopped.
func (d *delivery) runTask(t *testing.T) (told string) {
	t.Helper()
	service, err := d.aws.ECS.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: new(stackName), Services: []string{stackName}})
	if err != nil {
		t.Fatal(err)
	}
	s := service.Services[0]
	run, err := d.aws.ECS.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: new(stackName), TaskDefinition: s.TaskDefinition, LaunchType: s.LaunchType, NetworkConfiguration: s.NetworkConfiguration})
	if err != nil {
		t.Fatal(err)
	}
	task := *run.Tasks[0].TaskArn
	d.await(t, "the task's end", func() (bool, error) {
		got, err := d.aws.ECS.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: new(stackName), Tasks: []string{task}})
		if err != nil {
			return false, err
		}
		switch now := got.Tasks[0]; *now.LastStatus {
		case "RUNNING":
			told = "the task runs"
		case "STOPPED":
			told = *now.StoppedReason
		}
		return told != "", nil
	})
	return told
}

// refusedEvent is the server's line about an event that a rule's target did not
// take: as on AWS, no operation tells of it.
var refusedEvent = regexp.MustCompile(`msg="a rule's target refused an event" rule=(\S+) target=\S+ error=(".*")`)

// sendEvent pushes, and tells what became of the event.
func (d *delivery) sendEvent(t *testing.T) (told string) {
	t.Helper()
	before := d.newest(t)
	d.push(t)
	d.await(t, "a start of the pipeline, or its refusal", func() (bool, error) {
		if now := d.newest(t); now != before {
			told = "the push started the execution " + now
			return true, nil
		}
		raw, err := os.ReadFile(d.server.Log)
		if err != nil {
			return false, err
		}
		line := refusedEvent.FindSubmatch(raw)
		if line == nil {
			return false, nil
		}
		text, err := strconv.Unquote(string(line[2]))
		told = fmt.Sprintf("rule %s: %s", line[1], text)
		return true, err
	})
	return told
}

// refusal is what a client with a session of the role is told by call.
func (d *delivery) refusal(t *testing.T, role, session string, call func(*demo.Clients) error) (code, message string) {
	t.Helper()
	got, err := d.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: new("arn:aws:iam::" + d.env.Account + ":role/" + role), RoleSessionName: &session})
	if err != nil {
		t.Fatal(err)
	}
	env := d.env
	env.AccessKeyID, env.SecretAccessKey, env.SessionToken = *got.Credentials.AccessKeyId, *got.Credentials.SecretAccessKey, *got.Credentials.SessionToken
	aws, err := demo.Connect(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	err = call(aws)
	var refused smithy.APIError
	if !errors.As(err, &refused) {
		t.Fatalf("a client with the session %s of %s got %v, not a refusal", session, role, err)
	}
	return refused.ErrorCode(), refused.ErrorMessage()
}
