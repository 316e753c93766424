package codepipeline_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	cb "github.com/penstock-ci/penstock/api/codebuild"
	cc "github.com/penstock-ci/penstock/api/codecommit"
	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/undocumented"
)

const (
	role    = "arn:aws:iam::100000000001:role/pipeline"
	service = "arn:aws:ecs:us-east-1:100000000001:service/c/s"
)

// world is the service with an engine, a stream of facts, and hand-written
// neighbours: a repository, a bucket, a project, a service.
type world struct {
	*dispatchtest.Dispatcher
	t       *testing.T
	stream  *eventstream.Log
	mu      sync.Mutex
	objects map[string][]byte
	builds  map[string]string // id → status
	started chan *cb.StartBuildInput
	updated chan *ecs.UpdateServiceInput
	task    *ecs.RegisterTaskDefinitionInput
	shown   ecs.Service
	callers map[string]op.Caller // operation → who called it last
	refuse  map[string]error
	changes chan string // "Action Build SUCCEEDED"
}

func setup(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, stream: eventstream.New(clock.System{}), objects: map[string][]byte{}, builds: map[string]string{}, callers: map[string]op.Caller{}, refuse: map[string]error{},
		started: make(chan *cb.StartBuildInput, 10), updated: make(chan *ecs.UpdateServiceInput, 10), changes: make(chan string, 1000),
	}
	deps := codepipeline.Deps{Stream: w.stream, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Net: time.Hour}
	w.Dispatcher = dispatchtest.New(t, codepipeline.New(deps).Tables())
	e := engine.New(engine.Deps{DB: w.DB, Stream: w.stream, Clock: clock.System{}})
	deps.DB, deps.Engine, deps.AWS, deps.Guard = w.DB, e, w.Dispatcher, w.Dispatcher
	s := codepipeline.New(deps)
	e.Register(s.Kinds()...)
	w.Add(t, s.Handlers()...)
	w.Add(t, w.neighbours()...)
	ear := eventstream.Consumer{Name: "test", DB: w.DB, Stream: w.stream, Clock: clock.System{}, Handle: w.hear}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, run := range []func(context.Context) error{e.Run, s.Run, ear.Run} {
		group.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); group.Wait() })
	return w
}

func (w *world) hear(_ context.Context, tx store.Tx, f eventstream.Fact) error {
	if f.Source != "aws.codepipeline" {
		return nil
	}
	var d struct{ State, Stage, Action string }
	if err := json.Unmarshal(f.Detail, &d); err != nil {
		return err
	}
	name := "Pipeline"
	if d.Stage != "" {
		name = d.Stage
	}
	if d.Action != "" {
		name = d.Action
	}
	tx.OnCommit(func() { w.changes <- name + " " + d.State })
	return nil
}

// await waits for a change.
func (w *world) await(change string) {
	w.t.Helper()
	for {
		select {
		case c := <-w.changes:
			if c == change {
				return
			}
		case <-time.After(20 * time.Second):
			w.t.Fatalf("%s did not come", change)
		}
	}
}

func (w *world) enter(name string, c op.Caller) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.callers[name] = c
	return w.refuse[name]
}

func read[I, O any](w *world, o op.Op[I, O], f func(*I) (*O, error)) op.Handler {
	return op.Read(o, nil, func(_ context.Context, _ store.Reader, c op.Caller, in *I) (*O, error) {
		if err := w.enter(o.Name, c); err != nil {
			return nil, err
		}
		return f(in)
	})
}

func change[I, O any](w *world, o op.Op[I, O], f func(op.Caller, *I) (*O, error)) op.Handler {
	return op.Change(o, nil, func(_ context.Context, _ store.Tx, c op.Caller, in *I) (*O, error) {
		if err := w.enter(o.Name, c); err != nil {
			return nil, err
		}
		return f(c, in)
	})
}

func stream[I, O any](w *world, o op.Op[I, O], f func(*I, io.Reader) (*O, io.ReadCloser, error)) op.Handler {
	return op.Stream(o, nil, func(_ context.Context, c op.Caller, in *I, body io.Reader) (*O, io.ReadCloser, error) {
		if err := w.enter(o.Name, c); err != nil {
			return nil, nil, err
		}
		return f(in, body)
	})
}

const commit = "0123456789abcdef0123456789abcdef01234567"

func (w *world) neighbours() []op.Handler {
	return []op.Handler{
		read(w, cc.GetBranch, func(*cc.GetBranchInput) (*cc.GetBranchOutput, error) {
			return &cc.GetBranchOutput{Branch: &cc.BranchInfo{CommitId: new(commit)}}, nil
		}),
		read(w, cc.GetCommit, func(in *cc.GetCommitInput) (*cc.GetCommitOutput, error) {
			return &cc.GetCommitOutput{Commit: &cc.Commit{CommitId: in.CommitId, Message: new("a change"), Committer: &cc.UserInfo{Date: new("1700000000 +0000")}}}, nil
		}),
		stream(w, undocumented.UploadArchive, func(in *undocumented.UploadArchiveInput, _ io.Reader) (*undocumented.UploadArchiveOutput, io.ReadCloser, error) {
			return &undocumented.UploadArchiveOutput{}, io.NopCloser(bytes.NewReader(archive("README", in.CommitID))), nil
		}),
		stream(w, s3.PutObject, func(in *s3.PutObjectInput, body io.Reader) (*s3.PutObjectOutput, io.ReadCloser, error) {
			raw, err := io.ReadAll(body)
			w.put(*in.Bucket+"/"+*in.Key, raw)
			return &s3.PutObjectOutput{}, nil, err
		}),
		stream(w, s3.GetObject, func(in *s3.GetObjectInput, _ io.Reader) (*s3.GetObjectOutput, io.ReadCloser, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			raw, ok := w.objects[*in.Bucket+"/"+*in.Key]
			if !ok {
				return nil, nil, &op.Error{Code: "NoSuchKey", Message: "The specified key does not exist.", Status: 404}
			}
			return &s3.GetObjectOutput{}, io.NopCloser(bytes.NewReader(raw)), nil
		}),
		change(w, cb.StartBuild, func(c op.Caller, in *cb.StartBuildInput) (*cb.StartBuildOutput, error) {
			id := "p:" + c.Key
			w.mu.Lock()
			w.builds[id] = "IN_PROGRESS"
			w.mu.Unlock()
			w.started <- in
			return &cb.StartBuildOutput{Build: &cb.Build{Id: &id, Arn: new(buildARN(id))}}, nil
		}),
		read(w, cb.BatchGetBuilds, func(in *cb.BatchGetBuildsInput) (*cb.BatchGetBuildsOutput, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return &cb.BatchGetBuildsOutput{Builds: []cb.Build{{
				Id: &in.Ids[0], Arn: new(buildARN(in.Ids[0])), BuildStatus: new(w.builds[in.Ids[0]]),
				ExportedEnvironmentVariables: []cb.ExportedEnvironmentVariable{{Name: new("TAG"), Value: new("v7")}},
			}}}, nil
		}),
		read(w, ecs.DescribeServices, func(*ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return &ecs.DescribeServicesOutput{Services: []ecs.Service{w.shown}}, nil
		}),
		read(w, ecs.DescribeTaskDefinition, func(in *ecs.DescribeTaskDefinitionInput) (*ecs.DescribeTaskDefinitionOutput, error) {
			return &ecs.DescribeTaskDefinitionOutput{
				Tags: []ecs.Tag{{Key: new("team"), Value: new("x")}},
				TaskDefinition: &ecs.TaskDefinition{
					TaskDefinitionArn: in.TaskDefinition, Family: new("f"), Cpu: new("256"), Revision: new(int32(1)), Status: new("ACTIVE"),
					ContainerDefinitions: []ecs.ContainerDefinition{{Name: new("web"), Image: new("old"), Cpu: new(int32(7))}, {Name: new("log"), Image: new("log:1")}},
				},
			}, nil
		}),
		change(w, ecs.RegisterTaskDefinition, func(_ op.Caller, in *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.task = in
			return &ecs.RegisterTaskDefinitionOutput{TaskDefinition: &ecs.TaskDefinition{TaskDefinitionArn: new("arn:task:2")}}, nil
		}),
		change(w, ecs.UpdateService, func(_ op.Caller, in *ecs.UpdateServiceInput) (*ecs.UpdateServiceOutput, error) {
			w.rollout("IN_PROGRESS", "")
			w.mu.Lock()
			out := w.shown
			w.mu.Unlock()
			w.updated <- in
			return &ecs.UpdateServiceOutput{Service: &out}, nil
		}),
	}
}

func (w *world) put(name string, raw []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[name] = raw
}

// rollout is what DescribeServices shows from now on.
func (w *world) rollout(state, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = ecs.Service{ServiceArn: new(service), Status: new("ACTIVE"), TaskDefinition: new("arn:task:1"), Deployments: []ecs.Deployment{
		{Id: new("ecs-svc/1"), Status: new("PRIMARY"), RolloutState: &state, RolloutStateReason: &reason, TaskDefinition: new("arn:task:2")},
	}}
}

func buildARN(id string) string { return "arn:aws:codebuild:us-east-1:100000000001:build/" + id }

func archive(name, text string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, _ := z.Create(name)
	_, _ = io.WriteString(f, text)
	_ = z.Close()
	return b.Bytes()
}

// tell publishes a fact as the neighbours do.
func (w *world) tell(f eventstream.Fact) {
	w.t.Helper()
	err := w.DB.Update(w.t.Context(), func(ctx context.Context, tx store.Tx) error { return w.stream.Append(ctx, tx, dispatchtest.Scope, f) })
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) endBuild(in *cb.StartBuildInput, status string) {
	w.mu.Lock()
	var id string
	for k, v := range w.builds {
		if v == "IN_PROGRESS" {
			id = k
		}
	}
	w.builds[id] = status
	w.mu.Unlock()
	if out := in.ArtifactsOverride; status == "SUCCEEDED" && *out.Type == cb.ArtifactsTypeCodepipeline {
		w.put(*out.Location+"/"+*out.Path+"/"+*out.Name, archive("imagedefinitions.json", `[{"name":"web","imageUri":"registry/app:2"}]`))
	}
	w.tell(eventstream.Fact{Source: "aws.codebuild", DetailType: "CodeBuild Build State Change", Resources: []string{buildARN(id)}})
}

func act(category, provider, in, out string, configuration map[string]string) api.ActionDeclaration {
	a := api.ActionDeclaration{
		Name: new(provider), Configuration: configuration,
		ActionTypeId: &api.ActionTypeId{Category: &category, Owner: new("AWS"), Provider: &provider, Version: new("1")},
	}
	if in != "" {
		a.InputArtifacts = []api.InputArtifact{{Name: &in}}
	}
	if out != "" {
		a.OutputArtifacts = []api.OutputArtifact{{Name: &out}}
	}
	return a
}

// demo is the pipeline of the reference delivery.
func demo() *api.PipelineDeclaration {
	source := act("Source", "CodeCommit", "", "source", map[string]string{"RepositoryName": "app", "BranchName": "main", "PollForSourceChanges": "false"})
	source.Namespace = new("SourceVariables")
	build := act("Build", "CodeBuild", "source", "image", map[string]string{"ProjectName": "p", "EnvironmentVariables": `[{"name":"C","value":"#{SourceVariables.CommitId}"}]`})
	return &api.PipelineDeclaration{
		Name: new("a-pipeline-with-a-long-name"), RoleArn: new(role), ArtifactStore: &api.ArtifactStore{Type: new("S3"), Location: new("store")},
		Stages: []api.StageDeclaration{
			{Name: new("Source"), Actions: []api.ActionDeclaration{source}},
			{Name: new("Build"), Actions: []api.ActionDeclaration{build}},
			{Name: new("Deploy"), Actions: []api.ActionDeclaration{act("Deploy", "ECS", "image", "", map[string]string{"ClusterName": "c", "ServiceName": "s", "DeploymentTimeout": "10"})}},
		},
	}
}

func (w *world) create(p *api.PipelineDeclaration) {
	w.t.Helper()
	if _, err := op.Call(w.t.Context(), w, w.Root(), api.CreatePipeline, &api.CreatePipelineInput{Pipeline: p}); err != nil {
		w.t.Fatal(err)
	}
}

func call[I, O any](w *world, o op.Op[I, O], in *I) *O {
	w.t.Helper()
	out, err := op.Call(w.t.Context(), w, w.Root(), o, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) actions(pipeline *string) (out []api.ActionExecutionDetail) {
	w.t.Helper()
	return call(w, api.ListActionExecutions, &api.ListActionExecutionsInput{PipelineName: pipeline}).ActionExecutionDetails
}

func (w *world) who(operation string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := maps.Clone(w.callers)[operation]
	return fmt.Sprint(c.ARN, " for ", c.Service)
}
