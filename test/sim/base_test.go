package sim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	cb "github.com/penstock-ci/penstock/api/codebuild"
	cp "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/service/codebuild"
	"github.com/penstock-ci/penstock/internal/service/codepipeline"
	tasks "github.com/penstock-ci/penstock/internal/service/ecs"
	rules "github.com/penstock-ci/penstock/internal/service/events"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
)

// base is the world in which every run begins.
type base struct {
	db    storetest.Template
	pods  []compute.Pod
	facts int // told so far
}

func tables() []store.Table {
	t := newLedger().tables()
	for _, s := range []interface{ Tables() []store.Table }{
		codebuild.New(codebuild.Deps{}), codepipeline.New(codepipeline.Deps{}), tasks.New(tasks.Deps{}), rules.New(rules.Deps{}),
	} {
		t = append(t, s.Tables()...)
	}
	return t
}

func prepare(t *testing.T) (b base) {
	synctest.Test(t, func(t *testing.T) {
		b.db = storetest.Fill(t, func(db *store.SQL) {
			w := newWorld(t, db, &fate{})
			b.facts = w.play(t, setUp).seq
			b.pods = w.running(t)
		}, tables()...)
	})
	return b
}

// play lets users do something while servers live and die.
func (w *world) play(t *testing.T, do func(*run)) *run {
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- w.serve(ctx) }()
	r := &run{t: t, w: w, ctx: ctx, names: map[string]string{}}
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s\n%s", w.fate, again(t, w.fate.seed))
		}
	}()
	do(r)
	return r
}

// outcome is what is compared between runs of one story.
type outcome struct {
	points  []string
	crashes int
	told    string
	trace   string
}

// run plays a story with fate and verifies what came of it.
func (b base) run(t *testing.T, s story, f *fate) (o outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, b.db.Open(t), f)
		<-w.clock.After(time.Hour) // virtual: setUp's instants lie behind
		w.warm(t, 4)
		for _, p := range b.pods {
			if _, err := w.ensure(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		f.set(true)
		r := w.play(t, func(r *run) {
			r.seq = b.facts
			r.pause(time.Millisecond) // not at the instant at which the server begins
			s.play(r)
			r.rest()
			f.set(false)
			r.verify(s)
		})
		o = outcome{points: f.points, crashes: f.crashes, told: r.told(), trace: f.String()}
	})
	return o
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
