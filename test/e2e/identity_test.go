package e2e

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	cptypes "github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/penstock-ci/penstock/internal/demo"
)

// lack is one statement taken away from one of the demo's roles.
type lack struct {
	role, statement string // of core-app-ROLE, by its Sid
	step            string // which must fail: an action, a build's phase, a task's reason, a rule
	action          string // which the failure must name
	// outside is the same call, made by a client with the role's session. Nil: no
	// client can make it here.
	outside func(ctx context.Context, aws *demo.Clients, resource string) error
	says    string // how the step words the refusal's %[1]s code and %[2]s message
}

const noSecrets = "ResourceInitializationError: unable to pull secrets or registry auth"

// lacks follow one delivery: what fails for the want of one statement is retried
// for the want of the next one. A build that has a network interface deletes it
// after its end with its role, so that those without one come first.
var lacks = []lack{
	{"events", "Start", "rule core-app-push", "codepipeline:StartPipelineExecution", startPipeline, "%[1]s: %[2]s"},

	{"pipeline", "Source", "Source/CodeCommit", "codecommit:GetBranch", getBranch, "Error: %[2]s"},
	{"pipeline", "Artifacts", "Source/CodeCommit", "s3:PutObject", putObject, "Error: Amazon S3:%[1]s:%[2]s"},
	{"pipeline", "Build", "Build/CodeBuild", "codebuild:StartBuild", startBuild, "Error calling startBuild: %[2]s (Service: AWSCodeBuild; Status Code: 400; Error Code: %[1]s)"},

	{"build", "Logs", "QUEUED", "logs:CreateLogStream", createBuildStream, "Error message: %[2]s"},
	{"build", "Network", "PROVISIONING", "ec2:DescribeNetworkInterfaces", describeInterfaces, "Unexpected EC2 error: %[1]s: %[2]s"},
	{"build", "AttachInterface", "PROVISIONING", "ec2:CreateNetworkInterfacePermission", nil, ""},
	{"build", "Artifacts", "DOWNLOAD_SOURCE", "s3:GetObject", getObject, "%[1]s: %[2]s"},
	{"build", "Secret", "DOWNLOAD_SOURCE", "secretsmanager:GetSecretValue", getSecret, "Secrets Manager Error: %[1]s: %[2]s"},
	{"build", "Login", "PRE_BUILD", "ecr:GetAuthorizationToken", getToken, "(%[1]s) when calling the GetAuthorizationToken operation: %[2]s"},
	{"build", "Push", "POST_BUILD", "ecr:InitiateLayerUpload", beginUpload, "denied: %[2]s"},

	{"pipeline", "Deploy", "Deploy/ECS", "ecs:DescribeServices", describeService, "%[2]s"},
	{"pipeline", "Definition", "Deploy/ECS", "ecs:DescribeTaskDefinition", describeDefinition, "%[2]s"},
	{"pipeline", "PassExecutionRole", "Deploy/ECS", "iam:PassRole", registerDefinition, "%[2]s"},

	{"execution", "Secret", noSecrets, "secretsmanager:GetSecretValue", getSecret, "%[1]s: %[2]s"},
	{"execution", "Logs", "ResourceInitializationError: failed to validate logger args", "logs:CreateLogStream", createTaskStream, "%[1]s: %[2]s"},
	{"execution", "Login", noSecrets, "ecr:GetAuthorizationToken", getToken, "%[1]s: %[2]s"},
	{"execution", "Pull", "CannotPullContainerError: pull image manifest has been retried 1 time(s)", "ecr:BatchCheckLayerAvailability", checkLayers, "%[1]s: %[2]s"},
}

// TestIdentity takes the statements of the demo's roles away, each by itself, and
// has the demo's pipeline deliver: the step that needs the statement fails and
// names the action; a client with the role's session that makes the same call is
// refused in the same words. With all given back the same execution succeeds.
func TestIdentity(t *testing.T) {
	d := startDelivery(t)
	if got := d.goOn(t); got.Status != cptypes.ActionExecutionStatusSucceeded {
		t.Fatalf("with all permissions the delivery ends with %s", outcome(got))
	}
	d.scale(t, 1)
	t.Run("the table has each statement of each role", func(t *testing.T) { isComplete(t, d.stack.Permissions()) })
	for _, l := range lacks {
		if !t.Run(l.role+" without "+l.statement, func(t *testing.T) { d.isRefused(t, l) }) {
			t.FailNow() // the next one would go on from elsewhere
		}
	}
	if got := d.goOn(t); got.Status != cptypes.ActionExecutionStatusSucceeded {
		t.Errorf("with all permissions given back the delivery ends with %s", outcome(got))
	}
}

func isComplete(t *testing.T, permissions map[string][]demo.Statement) {
	var want, got []string
	for role, statements := range permissions {
		for _, s := range statements {
			want = append(want, strings.TrimPrefix(role, stackName+"-")+" "+s.Sid)
		}
	}
	for _, l := range lacks {
		got = append(got, l.role+" "+l.statement)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the table has\n%q\nand the stack's roles have\n%q", got, want)
	}
}

// isRefused takes one statement away as long as it takes to see what that does.
func (d *delivery) isRefused(t *testing.T, l lack) {
	role := stackName + "-" + l.role
	all := d.stack.Permissions()[role]
	d.permit(t, role, slices.DeleteFunc(slices.Clone(all), func(s demo.Statement) bool { return s.Sid == l.statement }))
	defer d.permit(t, role, all)
	told := attempts[l.role](d, t)
	sentence := regexp.MustCompile(fmt.Sprintf(`User: arn:aws:sts::%s:assumed-role/%s/(\S+) is not authorized to perform: %[3]s (?:on resource: (\S+) )?because no identity-based policy allows the %[3]s action`,
		d.env.Account, role, l.action))
	refused := sentence.FindStringSubmatch(told)
	if refused == nil || !strings.HasPrefix(told, l.step+": ") {
		t.Fatalf("got:\n%s\nwant %s to fail and to say %s", told, l.step, sentence)
	}
	if l.outside == nil {
		return
	}
	session, resource := refused[1], refused[2]
	code, message := d.refusal(t, role, session, func(aws *demo.Clients) error { return l.outside(t.Context(), aws, resource) })
	if want := fmt.Sprintf(l.says, code, message); !strings.Contains(told, want) {
		t.Errorf("the step says:\n%s\na client with the same session is told %s: %s", told, code, message)
	}
}

// The same calls from outside. Resources are those of the stack.

func startPipeline(ctx context.Context, aws *demo.Clients, _ string) error {
	_, err := aws.Pipeline.StartPipelineExecution(ctx, &codepipeline.StartPipelineExecutionInput{Name: new(stackName)})
	return err
}

func getBranch(ctx context.Context, aws *demo.Clients, _ string) error {
	_, err := aws.Commit.GetBranch(ctx, &codecommit.GetBranchInput{RepositoryName: new(stackName), BranchName: new("main")})
	return err
}

func putObject(ctx context.Context, aws *demo.Clients, resource string) error {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(resource, "arn:aws:s3:::"), "/")
	_, err := aws.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("")})
	return err
}

func getObject(ctx context.Context, aws *demo.Clients, resource string) error {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(resource, "arn:aws:s3:::"), "/")
	_, err := aws.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	return err
}

func startBuild(ctx context.Context, aws *demo.Clients, _ string) error {
	_, err := aws.Build.StartBuild(ctx, &codebuild.StartBuildInput{ProjectName: new(stackName)})
	return err
}

func createBuildStream(ctx context.Context, aws *demo.Clients, resource string) error {
	return createStream(ctx, aws, "/aws/codebuild/"+stackName, resource)
}

func createTaskStream(ctx context.Context, aws *demo.Clients, resource string) error {
	return createStream(ctx, aws, "/ecs/"+stackName, resource)
}

func createStream(ctx context.Context, aws *demo.Clients, group, resource string) error {
	_, stream, _ := strings.Cut(resource, ":log-stream:")
	_, err := aws.Logs.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
	return err
}

func describeInterfaces(ctx context.Context, aws *demo.Clients, _ string) error {
	_, err := aws.EC2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{})
	return err
}

func getSecret(ctx context.Context, aws *demo.Clients, _ string) error {
	_, err := aws.Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: new(stackName + "/database")})
	return err
}

func getToken(ctx context.Context, aws *demo.Clients, _ string) error {
	_, err := aws.ECR.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	return err
}

func beginUpload(ctx context.Context, aws *demo.Clients, _ string) error {
	_, err := aws.ECR.InitiateLayerUpload(ctx, &ecr.InitiateLayerUploadInput{RepositoryName: new(stackName)})
	return err
}

func checkLayers(ctx context.Context, aws *demo.Clients, _ string) error {
	_, err := aws.ECR.BatchCheckLayerAvailability(ctx, &ecr.BatchCheckLayerAvailabilityInput{RepositoryName: new(stackName), LayerDigests: []string{"sha256:" + strings.Repeat("0", 64)}})
	return err
}

func describeService(ctx context.Context, aws *demo.Clients, _ string) error {
	_, err := aws.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: new(stackName), Services: []string{stackName}})
	return err
}

func describeDefinition(ctx context.Context, aws *demo.Clients, _ string) error {
	_, err := aws.ECS.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: new(stackName)})
	return err
}

func registerDefinition(ctx context.Context, aws *demo.Clients, role string) error {
	_, err := aws.ECS.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: new(stackName), ExecutionRoleArn: &role, RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
		NetworkMode: ecstypes.NetworkModeAwsvpc, Cpu: new("256"), Memory: new("512"),
		ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: new("web"), Image: new("web")}},
	})
	return err
}
