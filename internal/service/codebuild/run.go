package codebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/embed"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
	"github.com/penstock-ci/penstock/internal/store"
)

// Where the runner lies in a build container, and what holds its daemon's images.
const (
	runnerPath = "/codebuild/bin"
	dockerData = "/var/lib/docker"
	localCache = "/codebuild/local-cache"
)

// as is the build's role session.
func (s *Service) as(b Build, token string) op.Caller {
	return op.As(b.Scope, b.Asked.Role, b.session(), servicePrincipal, token).For(projectARN(b.Scope, b.Project))
}

// event makes an event of an effect's result.
func event(name string, at time.Time, body any) (*engine.Event, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return &engine.Event{ID: name, Name: name, At: at, Body: raw}, nil
}

func (s *Service) refuse(code, format string, args ...any) (*engine.Event, error) {
	return event(evRefused, s.Clock.Now(), protocol.Context{Code: code, Message: fmt.Sprintf(format, args...)})
}

// admit makes the log stream as the build's role and takes a place on the host.
func (s *Service) admit(ctx context.Context, id engine.ID, b Build, _ engine.Effect, token string) (*engine.Event, error) {
	if b.Complete() {
		return nil, nil
	}
	if s.Runner != nil {
		return s.refuse(internalError, "%v", s.Runner)
	}
	if b.keepsLog() {
		refused, err := s.openLog(ctx, b, token)
		if err != nil {
			return nil, err
		}
		if refused != nil {
			return s.refuse("ACCESS_DENIED", "Service role %s does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams for build %s. Error message: %s",
				b.Asked.Role, b.ARN(), refused.Message)
		}
	}
	held, err := s.take(ctx, id.Scope, id.Key)
	if err != nil || !held {
		return nil, err
	}
	return &engine.Event{ID: evAdmitted, Name: evAdmitted, At: s.Clock.Now()}, nil
}

// openLog makes group and stream; refused is the role's lack of a permission.
func (s *Service) openLog(ctx context.Context, b Build, token string) (refused *op.Error, err error) {
	group, stream := b.logStream()
	_, err = op.Call(ctx, s.AWS, s.as(b, token+"/stream"), logs.CreateLogStream, &logs.CreateLogStreamInput{LogGroupName: new(group), LogStreamName: new(stream)})
	if isCode(err, "ResourceNotFoundException") {
		_, err = op.Call(ctx, s.AWS, s.as(b, token+"/group"), logs.CreateLogGroup, &logs.CreateLogGroupInput{LogGroupName: new(group)})
		if err == nil || isCode(err, "ResourceAlreadyExistsException") {
			_, err = op.Call(ctx, s.AWS, s.as(b, token+"/stream2"), logs.CreateLogStream, &logs.CreateLogStreamInput{LogGroupName: new(group), LogStreamName: new(stream)})
		}
	}
	if err == nil || isCode(err, "ResourceAlreadyExistsException") {
		err = s.may(ctx, b, "logs:PutLogEvents", "arn:aws:logs:"+b.Region+":"+b.Account+":log-group:"+group+":log-stream:"+stream, nil)
	}
	if e, ok := errors.AsType[*op.Error](err); ok && !e.IsTransient() {
		return e, nil
	}
	return nil, err
}

// may asks whether the build's role has a permission that CodeBuild uses by itself.
func (s *Service) may(ctx context.Context, b Build, action, resource string, facts map[string]string) error {
	return s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		return s.Guard.Allow(ctx, r, s.as(b, ""), action, resource, facts)
	})
}

func isCode(err error, code string) bool {
	e, ok := errors.AsType[*op.Error](err)
	return ok && e.Code == code
}

// provision asks for the pod.
func (s *Service) provision(ctx context.Context, _ engine.ID, b Build, _ engine.Effect, _ string) (*engine.Event, error) {
	if b.Complete() {
		return nil, nil
	}
	if t := op.Val(b.Asked.Environment.Type); !canRun(t) {
		return s.refuse(protocol.ClientError, "Environment type %s cannot be built here: only Linux containers are run", t)
	}
	image, going, err := s.image(ctx, b)
	if isUnpullable(err) {
		return s.refuse("BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE", "Unable to pull customer's container image. %v", err)
	}
	if err != nil {
		return nil, fmt.Errorf("bring the build's image: %w", err)
	}
	if going {
		return &engine.Event{Name: evPulling, At: s.Clock.Now()}, nil
	}
	kept, waits, err := s.lease(ctx, b)
	if err != nil || waits {
		return nil, err
	}
	pod, err := s.pod(b, image, kept)
	if err != nil {
		return nil, err
	}
	st, err := s.Pods.Ensure(ctx, pod)
	if isUnpullable(err) {
		return s.refuse("BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE", "Unable to pull customer's container image. %v", err)
	}
	if err != nil {
		return nil, fmt.Errorf("start the build's container: %w", err)
	}
	s.Log.Info("build container asked for", "build", b.ID(), "pod", pod.Name, "phase", string(st.Phase))
	return &engine.Event{ID: evProvisioned, Name: evProvisioned, At: s.Clock.Now()}, nil
}

// pod is the build's container, of an image as the back end knows it; kept is the
// folder of its local cache, "" for none.
func (s *Service) pod(b Build, image, kept string) (compute.Pod, error) {
	env := b.Asked.Environment
	uri, err := s.Ticket(b.Asked.Role, b.session(), b.Start.Add(b.Asked.Queued+b.Asked.Timeout+time.Hour))
	if err != nil {
		return compute.Pod{}, fmt.Errorf("seal the role's credentials: %w", err)
	}
	c := compute.Container{
		Name: "build", Image: image, User: "0:0", WorkingDir: "/",
		Entry: []string{runnerPath + "/" + embed.Name}, Args: []string{},
		Env: []string{
			protocol.ControlVariable + "=http://169.254.170.2" + ControlPath + b.Account + "/" + b.Region + "/" + b.ID(),
			protocol.TokenVariable + "=" + s.token(b.Scope, b.ID()),
			"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=" + uri,
			"AWS_DEFAULT_REGION=" + b.Region, "AWS_REGION=" + b.Region, "AWS_EXECUTION_ENV=AWS_ECS_EC2",
		},
		Essential: true, Privileged: op.Val(env.PrivilegedMode), StopTimeout: stopGrace,
		Mounts: []compute.Mount{{HostPath: s.RunnerDir, Path: runnerPath, ReadOnly: true}},
	}
	cores, memory := size(op.Val(env.ComputeType), op.Val(env.Type))
	if s.Cores > 0 {
		c.CPU = min(cores, s.Cores)
	}
	if s.Memory > memory {
		c.Memory = memory // a host with less cannot be held to it
	}
	layers := compute.Mount{Volume: "docker", Path: dockerData}
	if kept != "" {
		c.Mounts = append(c.Mounts, compute.Mount{HostPath: kept, Path: localCache})
	}
	if kept != "" && b.caches(api.CacheModeLocalDockerLayerCache) {
		layers = compute.Mount{HostPath: filepath.Join(kept, layersFolder), Path: dockerData}
	}
	if c.Privileged {
		c.Mounts = append(c.Mounts, layers)
	}
	return compute.Pod{
		Name: b.pod(), Owner: buildKind + "/" + b.Account + "/" + b.Region + "/" + b.ID(),
		Interface: b.Interface, Tag: b.ARN(), Containers: []compute.Container{c},
	}, nil
}

// retry starts the build that follows one that failed, with the project's role: a role
// that may not, a project that is gone or full, ends the row.
func (s *Service) retry(ctx context.Context, _ engine.ID, b Build, _ engine.Effect, token string) (*engine.Event, error) {
	out, err := op.Call(ctx, s.AWS, s.as(b, token), api.RetryBuild, &api.RetryBuildInput{Id: new(b.ARN())})
	if e, ok := errors.AsType[*op.Error](err); ok && !e.IsServerFault() {
		s.Log.Warn("a failed build is not retried", "build", b.ID(), "error", e)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return event(evRetried, s.Clock.Now(), Retrial{op.Val(out.Build.Arn)})
}

// clean removes what a build leaves outside: pod, interface, place, open log.
func (s *Service) clean(ctx context.Context, id engine.ID, b Build, f engine.Effect, token string) (*engine.Event, error) {
	var c Cleaning
	if len(f.Body) > 0 {
		if err := json.Unmarshal(f.Body, &c); err != nil {
			return nil, engine.Permanent(fmt.Errorf("decode %s: %w", f.Name, err))
		}
	}
	if c.Grace > 0 {
		// The runner delivers the rest of its log meanwhile; its end is awaited by Watch or by the grace.
		if err := s.stopPod(ctx, b.pod(), c.Grace); err != nil {
			return nil, err
		}
	}
	s.pulls.end(b.ID())
	if err := s.Pods.Remove(ctx, b.pod()); err != nil {
		return nil, fmt.Errorf("remove the build's container: %w", err)
	}
	if err := s.release(ctx, b); err != nil {
		return nil, err
	}
	if err := s.leave(ctx, id.Scope, id.Key); err != nil {
		return nil, err
	}
	if err := s.detach(ctx, b, token); err != nil {
		return nil, err
	}
	if b.Logged {
		if err := s.Lines.Close(ctx, s.stream(b)); err != nil {
			return nil, fmt.Errorf("close the build's log: %w", err)
		}
	}
	return nil, nil
}

// stopPod asks the runner to end and waits until it has, at most grace and a little.
func (s *Service) stopPod(ctx context.Context, pod string, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, grace+2*time.Second)
	defer cancel()
	if err := s.Pods.Stop(ctx, pod, grace); err != nil {
		return fmt.Errorf("stop the build's container: %w", err)
	}
	err := s.Pods.Watch(ctx, func(st compute.Status) {
		if st.Pod == pod && (st.Phase == compute.Stopped || st.Phase == compute.Lost) {
			cancel()
		}
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("wait for the build's container: %w", err)
	}
	return nil
}

func (s *Service) stream(b Build) logstore.Stream {
	group, name := b.logStream()
	return logstore.Stream{Account: b.Account, Region: b.Region, Group: group, Name: name}
}
