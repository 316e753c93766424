package codebuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// tokenLife is how long AWS remembers an idempotency token.
const tokenLife = 5 * time.Minute

func (s *Service) startBuild(ctx context.Context, tx store.Tx, c op.Caller, in *api.StartBuildInput) (*api.StartBuildOutput, error) {
	return s.launch(ctx, tx, c, in, func(*Build) {})
}

// launch puts a build and wakes its machine; also says what else it is.
func (s *Service) launch(ctx context.Context, tx store.Tx, c op.Caller, in *api.StartBuildInput, also func(*Build)) (*api.StartBuildOutput, error) {
	name := projectName(in.ProjectName)
	d, err := s.project(ctx, tx, c.Scope, name)
	if err != nil {
		return nil, err
	}
	if known, err := s.known(ctx, tx, c.Scope, in); err != nil || known != nil {
		return known, err
	}
	asked, err := s.ask(ctx, tx, c, d.Value, in)
	if err != nil {
		return nil, err
	}
	if err := s.checkLimit(ctx, tx, c.Scope, d.Value); err != nil {
		return nil, err
	}
	b, err := s.newBuild(ctx, tx, c, name, asked)
	if err != nil {
		return nil, err
	}
	b.Seed = *in
	b.Seed.IdempotencyToken = nil
	b.Retry.Limit = int(op.Or(in.AutoRetryLimitOverride, op.Val(d.Value.AutoRetryLimit)))
	if op.Val(asked.Source.Type) == api.SourceTypeCodepipeline && op.Val(in.SourceVersion) != "" {
		b.Resolved = map[string]string{"": op.Val(in.SourceVersion)}
	}
	also(&b)
	if err := s.begin(ctx, tx, b); err != nil {
		return nil, err
	}
	if err := s.remember(ctx, tx, in, b); err != nil {
		return nil, err
	}
	return &api.StartBuildOutput{Build: new(b.shown())}, nil
}

// ask is the project's configuration with the overrides of the request.
func (s *Service) ask(ctx context.Context, r store.Reader, c op.Caller, p Project, in *api.StartBuildInput) (Asked, error) {
	source, artifacts, env := *p.Source, *p.Artifacts, *p.Environment
	given(&source.Type, in.SourceTypeOverride)
	given(&source.Location, in.SourceLocationOverride)
	given(&source.GitCloneDepth, in.GitCloneDepthOverride)
	given(&source.GitSubmodulesConfig, in.GitSubmodulesConfigOverride)
	given(&source.Buildspec, in.BuildspecOverride)
	given(&source.InsecureSsl, in.InsecureSslOverride)
	given(&source.Auth, in.SourceAuthOverride)
	given(&source.ReportBuildStatus, in.ReportBuildStatusOverride)
	given(&env.Type, in.EnvironmentTypeOverride)
	given(&env.Image, in.ImageOverride)
	given(&env.ComputeType, in.ComputeTypeOverride)
	given(&env.PrivilegedMode, in.PrivilegedModeOverride)
	given(&env.ImagePullCredentialsType, in.ImagePullCredentialsTypeOverride)
	given(&env.RegistryCredential, in.RegistryCredentialOverride)
	given(&env.Fleet, in.FleetOverride)
	if in.ArtifactsOverride != nil {
		artifacts = *in.ArtifactsOverride
	}
	if err := checkVariables(in.EnvironmentVariablesOverride); err != nil {
		return Asked{}, err
	}
	env.EnvironmentVariables = override(env.EnvironmentVariables, in.EnvironmentVariablesOverride)
	a := Asked{
		Role: op.Or(in.ServiceRoleOverride, op.Val(p.ServiceRole)), Source: source, Version: op.Or(in.SourceVersion, op.Val(p.SourceVersion)),
		SecondarySources: p.SecondarySources, SecondaryVersions: p.SecondarySourceVersions,
		Artifacts: artifacts, SecondaryArtifacts: p.SecondaryArtifacts, Environment: env, Cache: p.Cache, CacheID: p.CacheID, VPC: p.VpcConfig, Logs: p.LogsConfig,
		Key:     op.Or(in.EncryptionKeyOverride, op.Val(p.EncryptionKey)),
		Timeout: time.Duration(op.Or(in.TimeoutInMinutesOverride, op.Val(p.TimeoutInMinutes))) * time.Minute,
		Queued:  time.Duration(op.Or(in.QueuedTimeoutInMinutesOverride, op.Val(p.QueuedTimeoutInMinutes))) * time.Minute,
	}
	giveList(&a.SecondarySources, in.SecondarySourcesOverride)
	giveList(&a.SecondaryVersions, in.SecondarySourcesVersionOverride)
	giveList(&a.SecondaryArtifacts, in.SecondaryArtifactsOverride)
	give(&a.Cache, in.CacheOverride)
	give(&a.Logs, in.LogsConfigOverride)
	return a, s.checkAsked(ctx, r, c, a, in)
}

func given[T any](to **T, v *T) {
	if v != nil {
		*to = v
	}
}

// override replaces variables of the same name and adds the others.
func override(vs, by []api.EnvironmentVariable) []api.EnvironmentVariable {
	out := slices.Clone(vs)
	for _, o := range by {
		o.Type = new(op.Or(o.Type, "PLAINTEXT"))
		i := slices.IndexFunc(out, func(v api.EnvironmentVariable) bool { return op.Val(v.Name) == op.Val(o.Name) })
		if i < 0 {
			out = append(out, o)
		} else {
			out[i] = o
		}
	}
	return orEmpty(out)
}

func (s *Service) checkAsked(ctx context.Context, r store.Reader, c op.Caller, a Asked, in *api.StartBuildInput) error {
	if err := checkSources(a.Source, a.SecondarySources); err != nil {
		return err
	}
	if op.Val(a.Source.Type) == api.SourceTypeCodepipeline && op.Val(a.Source.Location) == "" {
		return api.InvalidInputException("ArtifactsOverride must be set when using artifacts type CodePipelines")
	}
	if err := checkArtifacts(a.Artifacts, a.SecondaryArtifacts, op.Val(a.Source.Type)); err != nil {
		return err
	}
	if err := checkEnvironment(a.Environment, c.Account); err != nil {
		return err
	}
	if err := checkRest(Project{Project: api.Project{Cache: a.Cache, LogsConfig: a.Logs}}); err != nil {
		return err
	}
	if s.NoPrivileged && op.Val(a.Environment.PrivilegedMode) {
		return api.InvalidInputException("Privileged builds are refused by this installation (--no-privileged)")
	}
	if op.Val(in.DebugSessionEnabled) {
		return api.InvalidInputException("Invalid input: debug sessions are not supported")
	}
	if in.ServiceRoleOverride != nil {
		return s.checkRole(ctx, r, c, a.Role)
	}
	return nil
}

// checkLimit refuses a build above the project's own limit: it does not queue.
func (s *Service) checkLimit(ctx context.Context, r store.Reader, scope store.Scope, p Project) error {
	if p.ConcurrentBuildLimit == nil {
		return nil
	}
	docs, err := builds.List(ctx, r, scope, store.Query{Index: "running", Equal: "running"})
	if err != nil {
		return fmt.Errorf("count running builds: %w", err)
	}
	n := int32(0)
	for _, d := range docs {
		if d.Value.Project == op.Val(p.Name) {
			n++
		}
	}
	if n >= *p.ConcurrentBuildLimit {
		return api.AccountLimitExceededException("Project-level concurrent build limit cannot exceed %d", *p.ConcurrentBuildLimit)
	}
	return nil
}

// newBuild numbers a build.
func (s *Service) newBuild(ctx context.Context, tx store.Tx, c op.Caller, project string, a Asked) (Build, error) {
	d, err := counters.Get(ctx, tx, c.Scope, project)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Build{}, fmt.Errorf("read the number of builds of %s: %w", project, err)
	}
	d.Value.Last++
	if _, err := counters.Put(ctx, tx, c.Scope, project, d.Value, d.Version); err != nil {
		return Build{}, fmt.Errorf("number a build of %s: %w", project, err)
	}
	now := s.Clock.Now()
	return Build{
		Scope: c.Scope, Project: project, UUID: ids.UUID(c.Key), Number: d.Value.Last, Initiator: initiator(c), Asked: a,
		Phase: Queued, Status: InProgress, Start: now,
		Phases: []Entry{{Phase: Submitted, Status: "SUCCEEDED", Start: now, End: now}, {Phase: Queued, Start: now}},
	}, nil
}

// begin puts the build and wakes its machine.
func (s *Service) begin(ctx context.Context, tx store.Tx, b Build) error {
	if _, err := builds.Put(ctx, tx, b.Scope, b.ID(), b, 0); err != nil {
		return fmt.Errorf("put build %s: %w", b.ID(), err)
	}
	return s.Engine.Send(ctx, tx, machineID(b.Scope, b.ID()), engine.Event{ID: evSubmitted, Name: evSubmitted, At: b.Start})
}

// known answers a request that came before.
func (s *Service) known(ctx context.Context, tx store.Tx, scope store.Scope, in *api.StartBuildInput) (*api.StartBuildOutput, error) {
	token := op.Val(in.IdempotencyToken)
	if token == "" {
		return nil, nil
	}
	d, err := tokens.Get(ctx, tx, scope, token)
	if errors.Is(err, store.ErrNotFound) || err == nil && s.Clock.Now().Sub(d.Value.At) > tokenLife {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read idempotency token: %w", err)
	}
	if d.Value.Digest != digest(in) {
		return nil, api.InvalidInputException("Idempotency token %s was already used with different parameters", token)
	}
	b, err := builds.Get(ctx, tx, scope, d.Value.Build)
	if err != nil {
		return nil, fmt.Errorf("read build %s: %w", d.Value.Build, err)
	}
	return &api.StartBuildOutput{Build: new(b.Value.shown())}, nil
}

func (s *Service) remember(ctx context.Context, tx store.Tx, in *api.StartBuildInput, b Build) error {
	token := op.Val(in.IdempotencyToken)
	if token == "" {
		return nil
	}
	d, err := tokens.Get(ctx, tx, b.Scope, token)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("read idempotency token: %w", err)
	}
	if _, err := tokens.Put(ctx, tx, b.Scope, token, Token{b.ID(), digest(in), b.Start}, d.Version); err != nil {
		return fmt.Errorf("keep idempotency token: %w", err)
	}
	return nil
}

func digest(in *api.StartBuildInput) string {
	raw, _ := json.Marshal(in) // a plain structure always encodes
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// initiator is who started a build, in CodeBuild's words.
func initiator(c op.Caller) string {
	_, name, _ := strings.Cut(c.ARN, "/")
	switch {
	case c.Service == "codepipeline.amazonaws.com":
		return "codepipeline/" + name[strings.LastIndexByte(name, '/')+1:]
	case c.Service == "events.amazonaws.com":
		return "rule/" + name[strings.LastIndexByte(name, '/')+1:]
	case name == "":
		return "root"
	}
	return name
}

// retryBuild starts the same again, at the same revision.
func (s *Service) retryBuild(ctx context.Context, tx store.Tx, c op.Caller, in *api.RetryBuildInput) (*api.RetryBuildOutput, error) {
	d, err := s.build(ctx, tx, c.Scope, op.Val(in.Id))
	if err != nil {
		return nil, err
	}
	old := d.Value
	if op.Val(old.Asked.Source.Type) == api.SourceTypeCodepipeline {
		return nil, api.InvalidInputException("Builds started by CodePipeline cannot be retried")
	}
	if _, err := s.project(ctx, tx, c.Scope, old.Project); err != nil {
		return nil, err
	}
	again := old.Seed
	again.IdempotencyToken = in.IdempotencyToken
	if v := old.Resolved[""]; v != "" {
		again.SourceVersion = new(v)
	}
	out, err := s.launch(ctx, tx, c, &again, func(b *Build) {
		if c.Service == servicePrincipal { // by itself, with the project's role
			b.Initiator, b.Retry.Number, b.Retry.Previous = old.Initiator, old.Retry.Number+1, old.ARN()
		}
	})
	if err != nil {
		return nil, err
	}
	return &api.RetryBuildOutput{Build: out.Build}, nil
}

// stopBuild asks the machine to stop; a build that has ended is answered as it is.
func (s *Service) stopBuild(ctx context.Context, tx store.Tx, c op.Caller, in *api.StopBuildInput) (*api.StopBuildOutput, error) {
	d, err := s.build(ctx, tx, c.Scope, op.Val(in.Id))
	if err != nil {
		return nil, err
	}
	b := d.Value
	if !b.Complete() {
		e := engine.Event{ID: evStop, Name: evStop, At: s.Clock.Now()}
		if err := s.Engine.Send(ctx, tx, machineID(c.Scope, b.ID()), e); err != nil {
			return nil, err
		}
		// What the machine will say: the answer shows the build stopped, as on AWS.
		if t, err := step(b, e); err == nil {
			b = t.Next
		}
	}
	return &api.StopBuildOutput{Build: new(b.shown())}, nil
}

func (s *Service) build(ctx context.Context, r store.Reader, scope store.Scope, id string) (store.Doc[Build], error) {
	id = buildID(id)
	if p, u, ok := strings.Cut(id, ":"); !ok || p == "" || u == "" {
		return store.Doc[Build]{}, api.InvalidInputException("Invalid build ID provided")
	}
	d, err := builds.Get(ctx, r, scope, id)
	if errors.Is(err, store.ErrNotFound) {
		return d, api.ResourceNotFoundException("Build ID does not exist")
	}
	if err != nil {
		return d, fmt.Errorf("read build %s: %w", id, err)
	}
	return d, nil
}
