package runner

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// defaultRoot is where CodeBuild keeps everything of a build.
const defaultRoot = "/codebuild"

// lastWord is how long a stopped build tries to deliver the rest of its log: the
// container is killed after its grace anyway.
const lastWord = 8 * time.Second

// build is one run of the program.
type build struct {
	client  *client
	clock   clock.Clock
	http    *http.Client
	self    string
	start   protocol.Start
	plan    protocol.Plan
	sender  *sender
	log     *buildLog
	session *session
	objects *objects
	docker  *daemon
	failed  bool // a phase failed and was not continued
	retries int  // further builds that a failed phase asks for
	// The cache's object, and the one that was restored.
	cacheAt, cacheHad string
}

func newBuild(c *client, k clock.Clock) *build {
	return &build{client: c, clock: k, http: newHTTP()}
}

// tmp is for scripts and archives; run-as users write into it too.
func (b *build) tmp() string { return filepath.Join(b.start.Root, "output", "tmp") }

// run does the whole build and returns when the server has all of it.
func (b *build) run(ctx context.Context) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	// Lines and reports are delivered also after the stop, for a while.
	delivery, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-b.clock.After(lastWord):
			cancel()
		case <-delivery.Done():
		}
	})
	defer stop()
	go b.sender.run(delivery)
	state := b.work(ctx)
	if err := b.log.drain(); err != nil {
		return err
	}
	b.sender.report(protocol.Report{State: state, Retries: b.retries})
	if err := b.sender.close(); err != nil && !errors.Is(err, errGone) {
		return fmt.Errorf("deliver the log: %w", err)
	}
	return nil
}

// prepare asks what is to be done and makes the folders.
func (b *build) prepare(ctx context.Context) error {
	var err error
	if b.self, err = os.Executable(); err != nil {
		return fmt.Errorf("find the program's own file: %w", err)
	}
	if err := b.client.get(ctx, protocol.StartPath, &b.start); err != nil {
		return fmt.Errorf("ask for the build: %w", err)
	}
	if b.start.Root == "" {
		b.start.Root = defaultRoot
	}
	if b.start.Credentials == "" {
		b.start.Credentials = linkLocal + os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
	}
	for _, d := range []string{"output", "output/tmp", "readonly"} {
		if err := os.MkdirAll(filepath.Join(b.start.Root, d), 0o755); err != nil {
			return fmt.Errorf("make the build's folders: %w", err)
		}
	}
	if err := os.Chmod(b.tmp(), 0o1777); err != nil {
		return fmt.Errorf("make the build's folders: %w", err)
	}
	b.sender = newSender(b.client, b.clock, b.tmp())
	if b.log, err = newBuildLog(b.clock, b.sender.spool); err != nil {
		return err
	}
	b.objects = &objects{http: b.http, clock: b.clock, base: b.start.S3, region: b.start.Region, credentials: b.start.Credentials}
	b.session = &session{
		self: b.self, tmp: b.tmp(), shell: "sh", home: b.start.Sources[0].Dir, dir: b.start.Sources[0].Dir,
		env: setVariable(os.Environ(), "HOME", "/root"), output: b.log.output, clock: b.clock,
	}
	return b.installHelpers()
}

// work does the phases and returns the build's outcome.
func (b *build) work(ctx context.Context) string {
	b.log.say("Running on CodeBuild On-demand")
	b.log.say("Waiting for agent ping")
	b.log.say("Waiting for DOWNLOAD_SOURCE")
	b.log.say("Phase is DOWNLOAD_SOURCE")
	b.begin(protocol.DownloadSource)
	resolved, err := b.obtain(ctx)
	if b.end(ctx, protocol.Report{Phase: protocol.DownloadSource, Resolved: resolved}, err) != protocol.Succeeded {
		return b.outcome(ctx)
	}
	b.phases(ctx)
	return b.outcome(ctx)
}

func (b *build) outcome(ctx context.Context) string {
	switch {
	case ctx.Err() != nil:
		return protocol.Stopped
	case b.failed:
		return protocol.Failed
	}
	return protocol.Succeeded
}

func (b *build) begin(phase string) { b.sender.report(protocol.Report{Phase: phase}) }

// end logs and reports the end of a phase, and returns its state.
func (b *build) end(ctx context.Context, r protocol.Report, err error) string {
	var f *failure
	switch {
	case err == nil:
		r.State = protocol.Succeeded
	case ctx.Err() != nil:
		r.State = protocol.Stopped
	case errors.As(err, &f):
		r.State, r.Why = protocol.Failed, f.Context
	default:
		r.State, r.Why = protocol.Failed, protocol.Context{Code: protocol.ClientError, Message: err.Error()}
	}
	if r.State != protocol.Succeeded {
		b.failed = true
	}
	b.log.say("Phase complete: %s State: %s", r.Phase, r.State)
	b.log.say("Phase context status code: %s Message: %s", r.Why.Code, r.Why.Message)
	b.sender.report(r)
	return r.State
}

// obtain brings sources, buildspec and plan, and makes the environment ready.
func (b *build) obtain(ctx context.Context) (map[string]string, error) {
	home := b.session.home
	b.log.say("CODEBUILD_SRC_DIR=%s", home)
	if err := b.trust(ctx); err != nil {
		return nil, err
	}
	if b.start.Docker {
		var err error
		if b.docker, err = startDocker(b.self, b.tmp(), b.session.env, b.start.MTU); err != nil {
			return nil, err
		}
	}
	resolved := map[string]string{}
	for _, src := range b.start.Sources {
		v, err := b.bring(ctx, src)
		if err != nil {
			return nil, err
		}
		if v != "" {
			resolved[src.ID] = v
		}
	}
	text, err := b.buildspec(ctx)
	if err != nil {
		return resolved, err
	}
	b.log.say("Processing environment variables")
	if err := b.client.post(ctx, protocol.SpecPath, protocol.SpecRequest{Text: text, Resolved: resolved}, &b.plan); err != nil {
		return resolved, fmt.Errorf("ask for the plan: %w", err)
	}
	if b.plan.Refusal != nil {
		return resolved, &failure{*b.plan.Refusal}
	}
	return resolved, b.adopt(ctx)
}

// buildspec reads the text that the server will parse.
func (b *build) buildspec(ctx context.Context) (string, error) {
	spec := b.start.Spec
	switch {
	case spec.Inline != "":
		b.log.say("YAML location is %s/readonly/buildspec.yml", b.start.Root)
		return spec.Inline, nil
	case spec.Bucket != "":
		f, err := os.CreateTemp(b.tmp(), "buildspec-*")
		if err != nil {
			return "", fmt.Errorf("make room for the buildspec: %w", err)
		}
		defer os.Remove(f.Name())
		defer f.Close()
		if _, err := b.download(ctx, spec.Bucket, spec.Key, "", f); err != nil {
			return "", err
		}
		text, err := os.ReadFile(f.Name())
		return string(text), err
	}
	name := spec.Path
	if name == "" {
		name = "buildspec.yml"
	}
	file := filepath.Join(b.session.home, name)
	b.log.say("YAML location is %s", file)
	text, err := os.ReadFile(file)
	switch {
	case err == nil:
		return string(text), nil
	case spec.Path == "":
		return "", &failure{protocol.Context{Code: protocol.YAMLFileError, Message: "YAML file does not exist"}}
	}
	return "", &failure{protocol.Context{Code: protocol.YAMLFileError, Message: strings.Replace(err.Error(), "open ", "stat ", 1)}}
}

// adopt takes the plan over: variables, shell, secrets to hide.
func (b *build) adopt(ctx context.Context) error {
	for _, v := range b.plan.Variables {
		if v.Secret {
			b.log.hide(v.Value)
		}
		b.session.set(v.Name, v.Value)
	}
	if b.plan.Shell != "" {
		b.session.shell = b.plan.Shell
	}
	b.session.isolated = b.plan.Isolated
	b.session.runAs = b.plan.RunAs
	b.session.set("CODEBUILD_BUILD_SUCCEEDING", "1")
	if b.plan.GitHelper {
		if err := b.setGitHelper(); err != nil {
			return err
		}
	}
	if b.docker != nil {
		if err := b.docker.wait(ctx, b.clock); err != nil {
			return err
		}
		if b.start.KeepLayers {
			if err := b.docker.forget(ctx, b.session.env); err != nil {
				return err
			}
		}
	}
	for _, n := range b.plan.Notes {
		b.log.say("%s", n)
	}
	b.log.say("Moving to directory %s", b.session.home)
	b.restoreCache(ctx)
	var declared []string
	for _, p := range b.plan.Phases {
		if p.Declared {
			declared = append(declared, fmt.Sprintf(" %s: %d commands", p.Name, len(p.Commands)))
		}
	}
	b.log.say("Registering with agent")
	b.log.say("Phases found in YAML: %d", len(declared))
	for _, d := range declared {
		b.log.say("%s", d)
	}
	return nil
}

// setGitHelper configures Git as git-credential-helper: yes does.
func (b *build) setGitHelper() error {
	text := fmt.Sprintf("[credential]\n\thelper = !'%s' %s\n\tUseHttpPath = true\n", b.self, gitCredentialWord)
	f, err := os.OpenFile(filepath.Join(b.session.get("HOME"), ".gitconfig"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("configure Git's credential helper: %w", err)
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// trust makes the image trust Penstock's certificates, in files and variables. The
// variables name the system's own bundle, so that what a command adds there counts too.
func (b *build) trust(ctx context.Context) error {
	if b.start.Trust == "" || b.start.Root != defaultRoot {
		return nil // a build on a bare host must not touch its bundles
	}
	pem := []byte(b.start.Trust)
	bundle, err := trust("/", pem)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.start.Root, trustFile), pem, 0o644); err != nil {
		return fmt.Errorf("keep the certificates for nested containers: %w", err)
	}
	for _, name := range []string{"AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"} {
		b.session.set(name, bundle)
	}
	// The transport reads the system's roots once, at its first use: make it anew.
	os.Setenv("SSL_CERT_FILE", bundle)
	b.http = newHTTP()
	b.objects.http = b.http
	return trustJava(ctx, pem, b.tmp())
}
