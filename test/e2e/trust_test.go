package e2e

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	cbtypes "github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	cctypes "github.com/aws/aws-sdk-go-v2/service/codecommit/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

//go:embed testdata/trust
var trustFiles embed.FS

const (
	trusted       = "trust" // what everything of this test is called
	trustedObject = "hello from S3"
)

// check is one thing that a build asserts: a script that fails where it does not hold.
type check struct{ says, script string }

// What a build sees of AWS's names, with nothing set. Each script runs by itself, with
// bash -e; the next ones run also where one has failed.
var checks = []check{
	{"AWS_ENDPOINT_URL is absent", `test -z "${AWS_ENDPOINT_URL+set}"`},
	{"no variable and no file names an endpoint", `env | grep -i endpoint_url && exit 1; grep -rsi endpoint_url ~/.aws && exit 1; true`},
	{"the AWS CLI calls STS as the build's role", `aws sts get-caller-identity --query Arn --output text | grep ":assumed-role/trust-build/AWSCodeBuild-"`},
	{"the AWS CLI does so without a variable of ours", `env -i PATH="$PATH" AWS_DEFAULT_REGION=us-east-1 AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" aws sts get-caller-identity`},
	{"curl verifies STS's certificate", `test "$(curl -sS -o /dev/null -w '%{ssl_verify_result} %{scheme}' https://sts.us-east-1.amazonaws.com/)" = "0 HTTPS"`},
	{"curl without a variable does, too", `env -i curl -sS -o /dev/null https://sts.us-east-1.amazonaws.com/`},
	{"a certificate of the world's own would not do", `code=0; curl -sS --capath /nowhere --cacert /usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt https://sts.us-east-1.amazonaws.com/ || code=$?; test $code = 60`},
	{"GnuTLS verifies (wget)", `env -i wget -qO- "$(aws s3 presign s3://$BUCKET/object)" | grep "hello from S3"`},
	{"Python verifies", `python3 call.py name && env -i python3 call.py name`},
	{"Git lists CodeCommit's branches with AWS's credential helper", `git -c credential.helper='!aws codecommit credential-helper $@' -c credential.UseHttpPath=true ls-remote https://git-codecommit.us-east-1.amazonaws.com/v1/repos/trust | grep refs/heads/main`},

	{"the Docker daemon has no containers of the host's", `test -z "$(docker ps --all --quiet)"`},
	{"the Docker daemon is the build's own", `test "$(docker info --format '{{.Name}}')" = "$(hostname)"`},
	{"the host's socket is not mounted", `! grep docker.sock /proc/self/mountinfo`},
	{"no registry is insecure", `docker info --format '{{json .RegistryConfig.InsecureRegistryCIDRs}} {{range .RegistryConfig.IndexConfigs}}{{.Secure}} {{end}}' | tee /dev/stderr | grep '^\["127.0.0.0/8"\] \(true \)*$'`},
	{"docker login", `aws ecr get-login-password | docker login --username AWS --password-stdin "${IMAGE%%/*}"`},
	{"docker build with RUN steps that call AWS", `docker build --no-cache --build-arg OBJECT="$(aws s3 presign s3://$BUCKET/object)" -t "$IMAGE" .`},
	{"docker build by BuildKit, too", `DOCKER_BUILDKIT=1 docker build --no-cache --progress plain --build-arg OBJECT="$(aws s3 presign s3://$BUCKET/object)" -t kit .`},
	{"nothing of ours is in the images", `
base=$(docker image inspect --format '{{len .RootFS.Layers}}' public.ecr.aws/penstock/python:3.11)
ours=$(sed -n 3p /codebuild/readonly/trust.pem)
for image in "$IMAGE" kit; do
  rm -rf /tmp/image; mkdir /tmp/image; docker save "$image" | tar -x -C /tmp/image; cd /tmp/image
  for layer in $(jq -r ".[0].Layers[$base:][]" manifest.json); do
    echo "of $image, $layer:"
    tar -tf "$layer" | grep -i penstock && exit 1
    tar -xOf "$layer" | grep -aF -e "$ours" -e Penstock && exit 1
  done
  tar -xOf "$layer" etc/ssl/certs/ca-certificates.crt | grep -x "# appended" # the last step's own change is
done`},
	{"docker push", `docker push "$IMAGE"`},
	{"docker pull by digest", `
digest=$(aws ecr describe-images --repository-name trust --query 'imageDetails[0].imageDigest' --output text)
docker rmi "$IMAGE"; docker pull "${IMAGE%:*}@$digest"; docker tag "${IMAGE%:*}@$digest" "$IMAGE"`},
	{"docker run calls AWS", `docker run --rm "$IMAGE" python3 /call.py name; docker run --rm "$IMAGE" env -i python3 /call.py name`},
	{"docker run --read-only", `docker run --rm --read-only "$IMAGE" env -i python3 /call.py name`},
	{"docker run --user 1000", `docker run --rm --user 1000 "$IMAGE" env -i python3 /call.py name; docker run --rm --read-only --user 1000 "$IMAGE" python3 /call.py name`},
}

// TestNamesAndTrust is a build and a task that call AWS by its own names over verified
// TLS, from a private subnet behind a NAT gateway, with nothing set: the AWS CLI,
// curl, wget, Python, Git, Docker, and what runs in containers of the build's own
// Docker daemon, RUN steps included; then a task with a read-only root and a user.
func TestNamesAndTrust(t *testing.T) {
	in := serve(t)
	operator, err := in.server.Operator()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := operator.MirrorAdd(t.Context(), "public.ecr.aws/penstock/python:3.11"); err != nil {
		t.Fatalf("mirror the base image: %v", err)
	}
	w := &trustWorld{installation: in, t: t}
	w.network()
	w.places()
	w.build()
	w.task()
}

// trustWorld is the stack of the test.
type trustWorld struct {
	*installation
	t             *testing.T
	vpc, private  string
	bucket, image string
	taskGroup     string
}

func (w *trustWorld) must(err error, doing string) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%s: %v", doing, err)
	}
}

// network is a VPC with a private subnet whose way out is a NAT gateway.
func (w *trustWorld) network() {
	ctx, api := w.t.Context(), w.aws.EC2
	vpc, err := api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: new("10.20.0.0/16")})
	w.must(err, "create the VPC")
	w.vpc = *vpc.Vpc.VpcId
	gateway, err := api.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{})
	w.must(err, "create the internet gateway")
	internet := gateway.InternetGateway.InternetGatewayId
	_, err = api.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: internet, VpcId: &w.vpc})
	w.must(err, "attach the internet gateway")
	public := w.subnet("10.20.0.0/24", &ec2.CreateRouteInput{GatewayId: internet})
	address, err := api.AllocateAddress(ctx, &ec2.AllocateAddressInput{Domain: types.DomainTypeVpc})
	w.must(err, "allocate an address")
	nat, err := api.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: &public, AllocationId: address.AllocationId})
	w.must(err, "create the NAT gateway")
	w.must(until(ctx, "the NAT gateway", func() (bool, error) {
		got, err := api.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*nat.NatGateway.NatGatewayId}})
		return err == nil && got.NatGateways[0].State == types.NatGatewayStateAvailable, err
	}), "wait for the NAT gateway")
	w.private = w.subnet("10.20.1.0/24", &ec2.CreateRouteInput{NatGatewayId: nat.NatGateway.NatGatewayId})
}

// subnet makes one with a default route of its own.
func (w *trustWorld) subnet(cidr string, route *ec2.CreateRouteInput) string {
	ctx, api := w.t.Context(), w.aws.EC2
	subnet, err := api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &w.vpc, CidrBlock: &cidr})
	w.must(err, "create the subnet "+cidr)
	table, err := api.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: &w.vpc})
	w.must(err, "create a route table")
	route.RouteTableId, route.DestinationCidrBlock = table.RouteTable.RouteTableId, new("0.0.0.0/0")
	_, err = api.CreateRoute(ctx, route)
	w.must(err, "create the route of "+cidr)
	_, err = api.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: route.RouteTableId, SubnetId: subnet.Subnet.SubnetId})
	w.must(err, "associate the route table of "+cidr)
	return *subnet.Subnet.SubnetId
}

// places are the repositories, the bucket with its object, the log group of the task.
func (w *trustWorld) places() {
	ctx := w.t.Context()
	w.bucket = trusted + "-" + w.env.Account
	_, err := w.aws.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &w.bucket})
	w.must(err, "create the bucket")
	_, err = w.aws.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &w.bucket, Key: new("object"), Body: strings.NewReader(trustedObject)})
	w.must(err, "put the object")
	images, err := w.aws.ECR.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: new(trusted)})
	w.must(err, "create the image repository")
	w.image = *images.Repository.RepositoryUri + ":1"
	_, err = w.aws.Commit.CreateRepository(ctx, &codecommit.CreateRepositoryInput{RepositoryName: new(trusted)})
	w.must(err, "create the Git repository")
	commit := &codecommit.CreateCommitInput{RepositoryName: new(trusted), BranchName: new("main")}
	for _, name := range []string{"Dockerfile", "call.py"} {
		body, err := trustFiles.ReadFile("testdata/trust/" + name)
		w.must(err, "read "+name)
		commit.PutFiles = append(commit.PutFiles, cctypes.PutFileEntry{FilePath: &name, FileContent: body})
	}
	_, err = w.aws.Commit.CreateCommit(ctx, commit)
	w.must(err, "commit the sources")
	w.taskGroup = "/ecs/" + trusted
	_, err = w.aws.Logs.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: &w.taskGroup})
	w.must(err, "create the task's log group")
}

// role makes one that the service may assume.
func (w *trustWorld) role(name, service string, actions ...string) string {
	document := func(statement map[string]any) *string {
		statement["Effect"] = "Allow"
		b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{statement}})
		w.must(err, "write a policy")
		return new(string(b))
	}
	made, err := w.aws.IAM.CreateRole(w.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: document(map[string]any{
		"Principal": map[string]string{"Service": service}, "Action": "sts:AssumeRole",
	})})
	w.must(err, "create the role "+name)
	_, err = w.aws.IAM.PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &name, PolicyDocument: document(map[string]any{
		"Action": actions, "Resource": "*",
	})})
	w.must(err, "write the policy of the role "+name)
	return *made.Role.Arn
}

// build runs the checks in one build and tells those that do not hold.
func (w *trustWorld) build() {
	ctx := w.t.Context()
	variable := func(name, value string) cbtypes.EnvironmentVariable {
		return cbtypes.EnvironmentVariable{Name: &name, Value: &value}
	}
	_, err := w.aws.Build.CreateProject(ctx, &codebuild.CreateProjectInput{
		Name:        new(trusted),
		ServiceRole: new(w.role("trust-build", "codebuild.amazonaws.com", "logs:*", "ec2:*", "ecr:*", "codecommit:GitPull", "s3:GetObject")),
		Source:      &cbtypes.ProjectSource{Type: cbtypes.SourceTypeCodecommit, Location: new("https://git-codecommit.us-east-1.amazonaws.com/v1/repos/" + trusted), Buildspec: new(buildspecOf(checks))},
		Artifacts:   &cbtypes.ProjectArtifacts{Type: cbtypes.ArtifactsTypeNoArtifacts},
		Environment: &cbtypes.ProjectEnvironment{
			Type: cbtypes.EnvironmentTypeLinuxContainer, ComputeType: cbtypes.ComputeTypeBuildGeneral1Small,
			Image: new("aws/codebuild/standard:7.0"), PrivilegedMode: new(true),
			EnvironmentVariables: []cbtypes.EnvironmentVariable{variable("IMAGE", w.image), variable("BUCKET", w.bucket)},
		},
		VpcConfig: &cbtypes.VpcConfig{VpcId: &w.vpc, Subnets: []string{w.private}, SecurityGroupIds: []string{w.defaultGroup()}},
	})
	w.must(err, "create the project")
	started, err := w.aws.Build.StartBuild(ctx, &codebuild.StartBuildInput{ProjectName: new(trusted), SourceVersion: new("refs/heads/main")})
	w.must(err, "start the build")
	lines, build := w.follow(*started.Build.Id)
	for _, c := range checks {
		if !slices.Contains(lines, "holds: "+c.says) {
			w.t.Errorf("in the build it does not hold that %s:\n%s", c.says, strings.Join(said(lines, c.says), "\n"))
		}
	}
	if build.BuildStatus != cbtypes.StatusTypeSucceeded || w.t.Failed() {
		w.t.Fatalf("the build is %s; the end of its log:\n%s", build.BuildStatus, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
}

// follow waits as long as the build says something new, to its end.
func (w *trustWorld) follow(id string) ([]string, cbtypes.Build) {
	ctx := w.t.Context()
	var build cbtypes.Build
	_, stream, _ := strings.Cut(id, ":")
	log := w.open("/aws/codebuild/"+trusted, stream)
	for !build.BuildComplete {
		before := len(log.lines)
		err := until(ctx, "more of the build", func() (bool, error) {
			got, err := w.aws.Build.BatchGetBuilds(ctx, &codebuild.BatchGetBuildsInput{Ids: []string{id}})
			if err != nil {
				return false, err
			}
			build = got.Builds[0]
			if build.Logs != nil && build.Logs.StreamName != nil {
				err = log.read(ctx)
			}
			return build.BuildComplete || len(log.lines) > before, err
		})
		if err != nil {
			w.t.Errorf("follow the build: %v", err)
			break
		}
	}
	return log.lines, build
}

func (w *trustWorld) defaultGroup() string {
	got, err := w.aws.EC2.DescribeSecurityGroups(w.t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{
		{Name: new("vpc-id"), Values: []string{w.vpc}}, {Name: new("group-name"), Values: []string{"default"}},
	}})
	w.must(err, "find the VPC's security group")
	return *got.SecurityGroups[0].GroupId
}

// buildspecOf is one command for each check.
func buildspecOf(checks []check) string {
	var b strings.Builder
	b.WriteString("version: 0.2\nphases:\n  build:\n    commands:\n")
	for _, c := range checks {
		text := fmt.Sprintf("cat > /tmp/check <<'END'\n%s\nEND\n", c.script) +
			fmt.Sprintf(`echo "checking: %s"; if bash -eo pipefail /tmp/check; then echo "holds: %[1]s"; else echo "FAILED: %[1]s"; fi`, c.says)
		b.WriteString("      - |\n        " + strings.ReplaceAll(text, "\n", "\n        ") + "\n")
	}
	return b.String()
}

// said are the lines of one check.
func said(lines []string, check string) []string {
	begin, end := slices.Index(lines, "checking: "+check), slices.Index(lines, "FAILED: "+check)
	switch {
	case begin < 0:
		return []string{"(it was not run)"}
	case end < 0:
		return append(slices.Clone(lines[begin:]), "(it has not ended)")
	}
	return lines[begin:end]
}

// stream is a log stream, read so far.
type stream struct {
	logs    *logs.Client
	request *logs.GetLogEventsInput
	lines   []string
}

func (w *trustWorld) open(group, name string) *stream {
	return &stream{logs: w.aws.Logs, request: &logs.GetLogEventsInput{LogGroupName: &group, LogStreamName: &name, StartFromHead: new(true)}}
}

// read adds what is new.
func (s *stream) read(ctx context.Context) error {
	for {
		page, err := s.logs.GetLogEvents(ctx, s.request)
		if err != nil {
			return fmt.Errorf("read the log %s %s: %w", *s.request.LogGroupName, *s.request.LogStreamName, err)
		}
		for _, e := range page.Events {
			s.lines = append(s.lines, strings.TrimRight(*e.Message, "\n"))
		}
		if s.request.NextToken != nil && *s.request.NextToken == *page.NextForwardToken {
			return nil
		}
		s.request.NextToken = page.NextForwardToken
	}
}

// task runs one with a read-only root as user 1000, in the image that the build pushed.
func (w *trustWorld) task() {
	ctx := w.t.Context()
	pushed, err := w.aws.ECR.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: new(trusted)})
	w.must(err, "describe the pushed image")
	repository, _, _ := strings.Cut(w.image, ":1")
	image := repository + "@" + *pushed.ImageDetails[0].ImageDigest
	cluster, err := w.aws.ECS.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: new(trusted)})
	w.must(err, "create the cluster")
	definition, err := w.aws.ECS.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: new(trusted), NetworkMode: ecstypes.NetworkModeAwsvpc, RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
		Cpu: new("256"), Memory: new("512"),
		ExecutionRoleArn: new(w.role("trust-execution", "ecs-tasks.amazonaws.com", "ecr:*", "logs:*")),
		TaskRoleArn:      new(w.role("trust-task", "ecs-tasks.amazonaws.com", "s3:GetObject")),
		ContainerDefinitions: []ecstypes.ContainerDefinition{{
			Name: new("main"), Image: &image, Essential: new(true), ReadonlyRootFilesystem: new(true), User: new("1000"),
			Command: []string{"python3", "/call.py", "task", w.bucket, "object"},
			LogConfiguration: &ecstypes.LogConfiguration{LogDriver: ecstypes.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": w.taskGroup, "awslogs-region": w.env.Region, "awslogs-stream-prefix": "t",
			}},
		}},
	})
	w.must(err, "register the task definition")
	ran, err := w.aws.ECS.RunTask(ctx, &ecs.RunTaskInput{
		Cluster: cluster.Cluster.ClusterArn, TaskDefinition: definition.TaskDefinition.TaskDefinitionArn, LaunchType: ecstypes.LaunchTypeFargate,
		NetworkConfiguration: &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{Subnets: []string{w.private}}},
	})
	w.must(err, "run the task")
	var task ecstypes.Task
	w.must(until(ctx, "the task's end", func() (bool, error) {
		got, err := w.aws.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: cluster.Cluster.ClusterArn, Tasks: []string{*ran.Tasks[0].TaskArn}})
		if err != nil {
			return false, err
		}
		task = got.Tasks[0]
		return *task.LastStatus == "STOPPED", nil
	}), "wait for the task")
	id := path.Base(*task.TaskArn)
	log := w.open(w.taskGroup, "t/main/"+id)
	w.must(log.read(ctx), "the task has ended")
	lines := log.lines
	if c := task.Containers[0]; c.ExitCode == nil || *c.ExitCode != 0 {
		w.t.Errorf("the task ended with %v (%v, %v), not 0; its log:\n%s", c.ExitCode, c.Reason, task.StoppedReason, strings.Join(lines, "\n"))
	}
	for what, want := range map[string]string{
		"nothing names an endpoint":                 "endpoints []",
		"it runs as its user":                       "user 1000",
		"its root is read-only":                     "root: Read-only file system",
		"it calls STS as its role, over TLS":        "caller arn:aws:sts::" + w.env.Account + ":assumed-role/trust-task/" + id,
		"it reads its own object from S3, over TLS": "object " + trustedObject,
	} {
		if !slices.Contains(lines, want) {
			w.t.Errorf("of the task it does not hold that %s: its log lacks %q:\n%s", what, want, strings.Join(lines, "\n"))
		}
	}
}
