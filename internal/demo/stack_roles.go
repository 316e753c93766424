package demo

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// Statement is one permission of a role. Each is needed: without it a step of
// the story fails.
type Statement struct {
	Sid      string
	Effect   string
	Action   []string
	Resource []string
}

func allow(sid string, actions []string, resources ...string) Statement {
	return Statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

// Permissions are what the four roles are allowed, by role name.
func (s *Stack) Permissions() map[string][]Statement {
	env := s.env
	in := func(service, resource string) string {
		return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, env.Region, env.Account, resource)
	}
	var (
		bucket    = "arn:aws:s3:::" + bucketName(env)
		images    = in("ecr", "repository/"+name)
		secret    = in("secretsmanager", "secret:"+secretName+"-*")
		taskLogs  = in("logs", "log-group:/ecs/"+name+":*")
		buildLogs = in("logs", "log-group:/aws/codebuild/"+name)
		service   = in("ecs", "service/"+name+"/"+name)
		execution = "arn:aws:iam::" + env.Account + ":role/" + name + "-execution"
	)
	return map[string][]Statement{
		name + "-pipeline": {
			allow("Source", []string{"codecommit:GetBranch", "codecommit:GetCommit", "codecommit:UploadArchive", "codecommit:GetUploadArchiveStatus", "codecommit:CancelUploadArchive"}, in("codecommit", name)),
			allow("Artifacts", []string{"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"}, bucket+"/*"),
			allow("Build", []string{"codebuild:StartBuild", "codebuild:BatchGetBuilds", "codebuild:StopBuild"}, in("codebuild", "project/"+name)),
			allow("Definition", []string{"ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"}, "*"),
			allow("Deploy", []string{"ecs:DescribeServices", "ecs:UpdateService"}, service),
			allow("PassExecutionRole", []string{"iam:PassRole"}, execution),
		},
		name + "-build": {
			allow("Logs", []string{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}, buildLogs, buildLogs+":*"),
			allow("Artifacts", []string{"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"}, bucket+"/*"),
			allow("Secret", []string{"secretsmanager:GetSecretValue"}, secret),
			allow("Login", []string{"ecr:GetAuthorizationToken"}, "*"),
			allow("Push", []string{"ecr:BatchCheckLayerAvailability", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}, images),
			allow("Network", []string{"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups", "ec2:DescribeVpcs", "ec2:DescribeDhcpOptions"}, "*"),
			allow("AttachInterface", []string{"ec2:CreateNetworkInterfacePermission"}, in("ec2", "network-interface/*")),
		},
		name + "-execution": {
			allow("Login", []string{"ecr:GetAuthorizationToken"}, "*"),
			allow("Pull", []string{"ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"}, images),
			allow("Secret", []string{"secretsmanager:GetSecretValue"}, secret),
			allow("Logs", []string{"logs:CreateLogStream", "logs:PutLogEvents"}, taskLogs),
		},
		name + "-events": {
			allow("Start", []string{"codepipeline:StartPipelineExecution"}, in("codepipeline", name)),
		},
	}
}

func (s *Stack) makeRoles(ctx context.Context) error {
	permissions := s.Permissions()
	for _, r := range []struct {
		role, service string
		arn           *string
	}{
		{name + "-pipeline", "codepipeline.amazonaws.com", &s.pipelineRole},
		{name + "-build", "codebuild.amazonaws.com", &s.buildRole},
		{name + "-execution", "ecs-tasks.amazonaws.com", &s.executionRole},
		{name + "-events", "events.amazonaws.com", &s.eventRole},
	} {
		trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":%q},"Action":"sts:AssumeRole"}]}`, r.service)
		made, err := s.aws.IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &r.role, AssumeRolePolicyDocument: &trust})
		if err != nil {
			return wrap(err, "create the role %s", r.role)
		}
		*r.arn = *made.Role.Arn
		if err := s.Permit(ctx, r.role, permissions[r.role]); err != nil {
			return err
		}
	}
	return nil
}

// Permit writes the role's policy: these statements in place of those it had.
func (s *Stack) Permit(ctx context.Context, role string, allowed []Statement) error {
	document, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": allowed})
	if err != nil {
		return err
	}
	_, err = s.aws.IAM.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new("core-app"), PolicyDocument: new(string(document))})
	return wrap(err, "write the policy of the role %s", role)
}
