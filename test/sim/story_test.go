package sim

import (
	"slices"
	"time"

	cb "github.com/penstock-ci/penstock/api/codebuild"
	cp "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/api/events"
)

// story is what users do and what must have come of it, however often the server died.
type story struct {
	name  string
	share int // of the seeds, in twelfths: the long ones are played less often
	play  func(r *run)
	want  want
}

// want counts what a story makes, all its executions together.
type want struct {
	executions                       string // their ends, oldest first
	builds, definitions, deployments int
	runs                             string // the commit, in the end
	abandons                         bool   // an action that has begun may be forgotten
}

const pipeline = "delivery"

var stories = []story{
	{"a commit is delivered", 2, func(r *run) {
		r.push("commit-2")
		r.await("e1 pipeline SUCCEEDED")
	}, want{"Succeeded", 1, 1, 1, "commit-2", false}},

	{"an approval is given", 1, func(r *run) {
		r.gate()
		r.push("commit-2")
		r.answer("Approved")
		r.await("e1 pipeline SUCCEEDED")
	}, want{"Succeeded", 1, 1, 1, "commit-2", false}},

	{"an approval is refused", 2, func(r *run) {
		r.gate()
		r.push("commit-2")
		r.answer("Rejected")
		r.await("e1 pipeline FAILED")
	}, want{"Failed", 1, 0, 0, "commit-1", false}},

	{"an execution is stopped", 2, func(r *run) {
		r.w.takes(time.Minute)
		r.push("commit-2")
		r.await("b1 phase PRE_BUILD SUCCEEDED")
		r.stop("e1", false)
		r.await("e1 pipeline STOPPED")
	}, want{"Stopped", 1, 0, 0, "commit-1", false}},

	{"an execution is abandoned", 2, func(r *run) {
		r.w.takes(time.Minute)
		r.push("commit-2")
		r.await("b1 phase PRE_BUILD SUCCEEDED")
		r.stop("e1", true)
		r.await("e1 pipeline STOPPED")
		r.await("b1 build COMPLETED SUCCEEDED")
	}, want{"Stopped", 1, 0, 0, "commit-1", true}},

	{"an execution is superseded", 1, func(r *run) {
		r.w.takes(time.Minute)
		r.push("commit-2")
		r.await("b1 phase PRE_BUILD SUCCEEDED")
		r.push("commit-3")
		r.await("e2 stage Source SUCCEEDED")
		r.push("commit-4")
		r.await("e2 pipeline SUPERSEDED")
		r.await("e3 pipeline SUCCEEDED")
	}, want{"Succeeded Superseded Succeeded", 2, 2, 2, "commit-4", false}},

	{"a stage is retried", 1, func(r *run) {
		r.w.fail(1)
		r.push("commit-2")
		r.await("e1 pipeline FAILED")
		r.retry("e1")
		r.await("e1 pipeline SUCCEEDED")
	}, want{"Succeeded", 2, 1, 1, "commit-2", false}},

	{"a deployment is rolled back", 1, func(r *run) {
		r.push("bad-2")
		r.await("e1 pipeline FAILED")
	}, want{"Failed", 1, 1, 1, "commit-1", false}},
}

// rough is the delivery while pods are lost, images do not come and calls are
// throttled: the user retries what has failed for it.
var rough = story{"a commit is delivered though things fail", 0, func(r *run) {
	lost := make(chan struct{})
	go func() {
		defer close(lost)
		r.lose(time.Duration(r.w.fate.pick("when", 20_000)) * time.Millisecond)
	}()
	r.push("commit-2")
	for r.awaitEnd("e1") == "FAILED" {
		r.retry("e1")
	}
	<-lost
}, want{executions: "Succeeded", runs: "commit-2"}}

// lose takes the network of one of the pods away after a while.
func (r *run) lose(after time.Duration) {
	r.pause(after)
	pods, err := r.w.pods.List(r.ctx)
	if err != nil || len(pods) == 0 || r.ctx.Err() != nil {
		return
	}
	lost := pods[r.w.fate.pick("which", len(pods))].Pod
	r.w.fate.note("pod " + lost + " is lost")
	r.w.pods.Lose(lost)
}

// storyOf is the story of a seed.
func storyOf(f *fate) story {
	if f.rough {
		return rough
	}
	n := f.pick("story", 12)
	i := slices.IndexFunc(stories, func(s story) bool { n -= s.share; return n < 0 })
	return stories[i]
}

// gate puts an approval in front of the deployment.
func (r *run) gate() {
	p := declaration()
	approve := action("Approval", "Manual", "", "", nil)
	p.Stages = append(p.Stages[:2:2], cp.StageDeclaration{Name: approve.Name, Actions: []cp.ActionDeclaration{approve}}, p.Stages[2])
	must(r, cp.UpdatePipeline, &cp.UpdatePipelineInput{Pipeline: p})
}

// answer gives an approval its result once it can be given.
func (r *run) answer(status string) {
	r.await("e1 action Approval STARTED")
	for {
		state := must(r, cp.GetPipelineState, &cp.GetPipelineStateInput{Name: new(pipeline)})
		if x := state.StageStates[2].ActionStates[0].LatestExecution; x != nil && x.Token != nil {
			must(r, cp.PutApprovalResult, &cp.PutApprovalResultInput{
				PipelineName: new(pipeline), StageName: new("Approval"), ActionName: new("Approval"), Token: x.Token,
				Result: &cp.ApprovalResult{Status: &status, Summary: new("so be it")},
			}, "ApprovalAlreadyCompletedException")
			return
		}
		r.pause(time.Second)
	}
}

func (r *run) stop(execution string, abandon bool) {
	must(r, cp.StopPipelineExecution, &cp.StopPipelineExecutionInput{
		PipelineName: new(pipeline), PipelineExecutionId: new(r.id(execution)), Abandon: &abandon,
	}, "DuplicatedStopRequestException", "PipelineExecutionNotStoppableException")
}

// retry tries the stage again in which an execution failed.
func (r *run) retry(execution string) {
	id, stage := r.id(execution), ""
	for _, s := range must(r, cp.GetPipelineState, &cp.GetPipelineStateInput{Name: new(pipeline)}).StageStates {
		if x := s.LatestExecution; x != nil && *x.PipelineExecutionId == id && *x.Status == "Failed" {
			stage = *s.StageName
		}
	}
	must(r, cp.RetryStageExecution, &cp.RetryStageExecutionInput{
		PipelineName: new(pipeline), PipelineExecutionId: &id, StageName: &stage, RetryMode: new("FAILED_ACTIONS"),
	}, "ConflictException", "StageNotRetryableException")
}

func action(category, provider, in, out string, configuration map[string]string) cp.ActionDeclaration {
	a := cp.ActionDeclaration{
		Name: &category, Configuration: configuration,
		ActionTypeId: &cp.ActionTypeId{Category: &category, Owner: new("AWS"), Provider: &provider, Version: new("1")},
	}
	if in != "" {
		a.InputArtifacts = []cp.InputArtifact{{Name: &in}}
	}
	if out != "" {
		a.OutputArtifacts = []cp.OutputArtifact{{Name: &out}}
	}
	return a
}

func declaration() *cp.PipelineDeclaration {
	stage := func(a cp.ActionDeclaration) cp.StageDeclaration {
		return cp.StageDeclaration{Name: a.Name, Actions: []cp.ActionDeclaration{a}}
	}
	return &cp.PipelineDeclaration{
		Name: new(pipeline), RoleArn: new(role), ArtifactStore: &cp.ArtifactStore{Type: new("S3"), Location: new("store")},
		Stages: []cp.StageDeclaration{
			stage(action("Source", "CodeCommit", "", "source", map[string]string{"RepositoryName": "app", "BranchName": "main", "PollForSourceChanges": "false"})),
			stage(action("Build", "CodeBuild", "source", "image", map[string]string{"ProjectName": "app"})),
			stage(action("Deploy", "ECS", "image", "", map[string]string{"ClusterName": "main", "ServiceName": "app"})),
		},
	}
}

// setUp makes what every story begins with: a service that runs the first commit.
func setUp(r *run) {
	d := r.w.alive(r.ctx).dispatch
	do := func(service, name string, in any) {
		r.t.Helper()
		if _, err := d.Invoke(r.ctx, root("set up "+name), service, name, in); err != nil {
			r.t.Fatal(err)
		}
	}
	do("codebuild", "CreateProject", &cb.CreateProjectInput{
		Name: new("app"), ServiceRole: new(role), Artifacts: &cb.ProjectArtifacts{Type: new("CODEPIPELINE")},
		Source: &cb.ProjectSource{Type: new("CODEPIPELINE"), Buildspec: new("version: 0.2\nphases:\n  build:\n    commands: [make]\nartifacts: {files: imagedefinitions.json}\n")},
		Environment: &cb.ProjectEnvironment{
			Type: new("LINUX_CONTAINER"), Image: new("registry/build:1"), ComputeType: new("BUILD_GENERAL1_SMALL"),
		},
	})
	do("ecs", "CreateCluster", &ecs.CreateClusterInput{ClusterName: new("main")})
	do("ecs", "RegisterTaskDefinition", &ecs.RegisterTaskDefinitionInput{
		Family: new("app"), NetworkMode: new("awsvpc"), Cpu: new("256"), Memory: new("512"), RequiresCompatibilities: []string{"FARGATE"}, ExecutionRoleArn: new(role),
		ContainerDefinitions: []ecs.ContainerDefinition{{
			Name: new("app"), Image: new("registry/app:commit-0"), PortMappings: []ecs.PortMapping{{ContainerPort: new(int32(80))}},
			LogConfiguration: &ecs.LogConfiguration{LogDriver: new("awslogs"), Options: map[string]string{"awslogs-group": "/app", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"}},
		}},
	})
	do("ecs", "CreateService", &ecs.CreateServiceInput{
		Cluster: new("main"), ServiceName: new("app"), TaskDefinition: new("app:1"), DesiredCount: new(int32(1)), LaunchType: new("FARGATE"),
		NetworkConfiguration:    &ecs.NetworkConfiguration{AwsvpcConfiguration: &ecs.AwsVpcConfiguration{Subnets: []string{"subnet-a", "subnet-b"}}},
		LoadBalancers:           []ecs.LoadBalancer{{TargetGroupArn: new("arn:aws:elasticloadbalancing:us-east-1:100000000001:targetgroup/app/0123456789abcdef"), ContainerName: new("app"), ContainerPort: new(int32(80))}},
		DeploymentConfiguration: &ecs.DeploymentConfiguration{DeploymentCircuitBreaker: &ecs.DeploymentCircuitBreaker{Enable: new(true), Rollback: new(true)}},
	})
	r.rest()
	do("codepipeline", "CreatePipeline", &cp.CreatePipelineInput{Pipeline: declaration()})
	do("events", "PutRule", &events.PutRuleInput{Name: new("push"), EventPattern: new(`{"source":["aws.codecommit"]}`)})
	do("events", "PutTargets", &events.PutTargetsInput{Rule: new("push"), Targets: []events.Target{{
		Id: new("pipeline"), Arn: new("arn:aws:codepipeline:us-east-1:100000000001:" + pipeline), RoleArn: new(role),
	}}})
	r.await("e1 pipeline SUCCEEDED")
	r.rest()
	r.pause(time.Minute)
}
