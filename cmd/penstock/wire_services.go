package main

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/git"
	"github.com/penstock-ci/penstock/internal/host/baseimage"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/images"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/runner/embed"
	"github.com/penstock-ci/penstock/internal/service/codebuild"
	"github.com/penstock-ci/penstock/internal/service/codecommit"
	"github.com/penstock-ci/penstock/internal/service/codepipeline"
	"github.com/penstock-ci/penstock/internal/service/ec2"
	"github.com/penstock-ci/penstock/internal/service/ecr"
	"github.com/penstock-ci/penstock/internal/service/ecs"
	"github.com/penstock-ci/penstock/internal/service/elbv2"
	"github.com/penstock-ci/penstock/internal/service/events"
	"github.com/penstock-ci/penstock/internal/service/iam"
	"github.com/penstock-ci/penstock/internal/service/logs"
	"github.com/penstock-ci/penstock/internal/service/rds"
	"github.com/penstock-ci/penstock/internal/service/s3"
	"github.com/penstock-ci/penstock/internal/service/secretsmanager"
	"github.com/penstock-ci/penstock/internal/service/ssm"
	"github.com/penstock-ci/penstock/internal/service/sts"
	"github.com/penstock-ci/penstock/internal/splice"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/wire"
)

// service is what every service package offers.
type service interface {
	Handlers() []op.Handler
	Described() []op.Described
	Tables() []store.Table
}

// add registers services; a new one is one line in openServices.
func (s *server) add(services ...service) error {
	for _, svc := range services {
		s.tables = append(s.tables, svc.Tables()...)
		if m, ok := svc.(interface{ Kinds() []engine.Kind }); ok {
			s.engine.Register(m.Kinds()...)
		}
		handlers := svc.Handlers()
		if err := s.dispatch.Register(handlers...); err != nil {
			return err
		}
		s.dispatch.Described(handlers[0].Service, svc.Described())
	}
	return nil
}

func (s *server) openIAM(records identity.Records) error {
	users := iam.New(iam.Deps{Records: records, Authority: s.identity, Keys: s.keys, Guard: s.dispatch, Policies: s.identity, Clock: s.clock})
	tokens := sts.New(sts.Deps{Records: records, Authority: s.identity, Keys: s.keys, Clock: s.clock})
	s.dispatch.Resolved("iam", users.Resolve)
	s.dispatch.Described("iam", users.Described())
	s.mounts = append(s.mounts, wire.Mount{Match: inside(splice.Credentials, identity.TicketPath), Handler: s.identity.Tickets()})
	return s.dispatch.Register(append(users.Handlers(), tokens.Handlers()...)...)
}

// inside matches requests that came from a container by the data plane.
func inside(kind, path string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		h := wire.Spliced(r.Context())
		return h != nil && h.Kind == kind && strings.HasPrefix(r.URL.Path, path)
	}
}

func (s *server) openServices(ctx context.Context) error {
	secrets := secretsmanager.New(secretsmanager.Deps{Guard: s.dispatch, Keys: s.keys, Clock: s.clock})
	s.dispatch.Resolved("secretsmanager", secrets.Resolve)
	s.dispatch.Guarded("secretsmanager", secrets.Policy)
	s.loops = append(s.loops, loop{"secrets past their recovery", daily(s.clock, func(ctx context.Context) error { return s.db.Update(ctx, secrets.Sweep) })})

	buckets := s3.New(s3.Deps{DB: s.db, Blobs: s.blobs, Stream: s.stream, Guard: s.dispatch, Clock: s.clock, Log: s.log})
	s.dispatch.Guarded("s3", buckets.Policy)

	repositories := codecommit.New(codecommit.Deps{DB: s.db, Git: git.NewStore(s.in.Path("git")), Stream: s.stream, Guard: s.dispatch, Credentials: s.identity, Origin: wire.Origin, Clock: s.clock, Log: s.log})
	s.mounts = append(s.mounts, wire.Mount{Match: func(r *http.Request) bool { return git.Matches(r.URL.Path) }, Handler: repositories.GitHandler()})
	s.opens = append(s.opens, repositories.Open)

	lines := logs.New(logs.Deps{DB: s.db, Lines: s.lines, Clock: s.clock})
	s.loops = append(s.loops, loop{"log retention", daily(s.clock, lines.Expire)})

	rules := events.New(events.Deps{DB: s.db, Stream: s.stream, Engine: s.engine, AWS: s.dispatch, Guard: s.dispatch, Clock: s.clock, Log: s.log})
	s.loops = append(s.loops, loop{"event rules", rules.Run}, loop{"ended deliveries", daily(s.clock, rules.Sweep)})

	if err := s.add(lines, rules, secrets, buckets, repositories, ssm.New(ssm.Deps{Keys: s.keys, Clock: s.clock})); err != nil {
		return err
	}
	for _, f := range []func(context.Context) error{s.openNetwork, s.openBalancers, s.openDatabases, s.openRegistry, s.openBuilds, s.openTasks, s.openPipelines} {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) openNetwork(context.Context) error {
	return s.add(ec2.New(ec2.Deps{DB: s.db, Engine: s.engine, Records: s.host.records, Network: s.host.publisher, Clock: s.clock}))
}

func (s *server) openBalancers(context.Context) error {
	balancers := elbv2.New(elbv2.Deps{
		DB: s.db, Engine: s.engine, AWS: s.dispatch, Records: s.host.names, Health: s.host.seen,
		Network: s.networkInForce, Plane: s.host.snapshots.Wait, Clock: s.clock, Log: s.log,
	})
	s.loops = append(s.loops, loop{"target health", func(ctx context.Context) error {
		return s.host.seen.Run(ctx, s.host.data, func(r dataplane.Report) { balancers.Observe(ctx, r) })
	}})
	return s.add(balancers)
}

func (s *server) openDatabases(context.Context) error {
	databases := rds.New(rds.Deps{
		DB: s.db, Engine: s.engine, AWS: s.dispatch, Names: s.host.names, Plane: s.host.snapshots.Wait, Pods: s.host.pods,
		Data: s.in.Data, Certificate: s.ca.Leaf, Clock: s.clock, Log: s.log,
	})
	s.loops = append(s.loops, loop{"databases", s.withEngine(databases.Run)})
	s.owners = append(s.owners, databases.Owns)
	return s.add(databases)
}

func (s *server) openBuilds(context.Context) error {
	folder := s.in.Path("runner")
	unpacked := embed.Unpack(folder, version()) // told by the first build that needs it
	places := s.cmd.Places
	if places == 0 {
		places = 2 * runtime.NumCPU()
	}
	// From the keyring, so that a restart keeps the tokens of running builds.
	secret, err := s.keys.Derive("codebuild control")
	if err != nil {
		return err
	}
	mtu, err := network.HostMTU()
	if err != nil {
		return err
	}
	memory, err := hostMemory()
	if err != nil {
		return err
	}
	builds := codebuild.New(codebuild.Deps{
		DB: s.db, Engine: s.engine, AWS: s.dispatch, Guard: s.dispatch, Pods: s.host.pods, Lines: s.lines, Clock: s.clock, Log: s.log,
		Ticket: s.ticket("codebuild.amazonaws.com"), Images: s.host.images, Curated: baseimage.Build, RunnerDir: folder, Runner: unpacked, CacheDir: s.in.Path("caches"),
		Trust: func() string { return string(s.trust) }, Secret: secret, Places: places, NoPrivileged: s.cmd.NoPrivileged,
		Cores: float64(runtime.NumCPU()), Memory: memory, MTU: mtu,
	})
	s.mounts = append(s.mounts, wire.Mount{Match: inside(splice.Control, codebuild.ControlPath), Handler: builds.Control()})
	s.loops = append(s.loops, loop{"builds", s.withEngine(builds.Run)}, loop{"images of builds", builds.Pull}, loop{"caches of builds", daily(s.clock, builds.SweepCaches)})
	s.owners = append(s.owners, builds.Owns)
	return s.add(builds)
}

func (s *server) openRegistry(context.Context) error {
	records := registry.NewRecords(registry.RecordsDeps{Holds: s.blobs, Stream: s.stream, Clock: s.clock})
	uploads := registry.NewUploads(s.disk, s.blobs, s.clock)
	tokens := registry.Tokens{Keys: s.keys, Clock: s.clock}
	s.mounts = append(s.mounts, wire.Mount{Match: registry.Matches, Handler: registry.NewHandler(registry.Deps{
		DB: s.db, Records: records, Uploads: uploads, Blobs: s.blobs, Mirror: s.host.mirror, Tokens: tokens, Guard: s.dispatch, Origin: wire.Origin, Log: s.log,
	})})
	s.host.images = images.New(images.Deps{
		DB: s.db, Records: records, Tokens: tokens, Guard: s.dispatch, Engine: s.host.pods.Engine(), Mirror: s.host.mirror, Address: s.loopback(),
	})
	repositories := ecr.New(ecr.Deps{DB: s.db, Records: records, Uploads: uploads, Tokens: tokens, Address: s.loopback(), Clock: s.clock})
	s.dispatch.Guarded("ecr", repositories.Policy)
	s.loops = append(s.loops, loop{"image lifecycles", daily(s.clock, repositories.Sweep)})
	return s.add(repositories)
}

// loopback is where this host's Engine reaches the API: it takes the registry
// without a certificate only there.
func (s *server) loopback() string {
	_, port, err := net.SplitHostPort(s.cmd.Listen)
	if err != nil { // check has seen that it splits
		return s.cmd.Listen
	}
	return net.JoinHostPort("127.0.0.1", port)
}

func (s *server) openPipelines(context.Context) error {
	pipelines := codepipeline.New(codepipeline.Deps{
		DB: s.db, Engine: s.engine, Stream: s.stream, AWS: s.dispatch, Guard: s.dispatch, Clock: s.clock, Log: s.log, Net: s.cmd.Poll,
	})
	s.loops = append(s.loops, loop{"pipelines", pipelines.Run})
	return s.add(pipelines)
}

func (s *server) openTasks(context.Context) error {
	tasks := ecs.New(ecs.Deps{
		DB: s.db, Engine: s.engine, AWS: s.dispatch, Guard: s.dispatch, Pods: s.host.pods, Images: s.host.images, Logs: s.lines,
		Tickets: taskTickets{s.identity.Tickets(), s.clock}, Targets: s.host.seen, Clock: s.clock, Log: s.log,
	})
	for _, version := range []string{"/v3/", "/v4/"} {
		s.mounts = append(s.mounts, wire.Mount{Match: inside(splice.Credentials, version), Handler: tasks.Metadata()})
	}
	s.loops = append(s.loops, loop{"tasks", s.withEngine(tasks.Run)})
	s.owners = append(s.owners, func(ctx context.Context, owner string) (needed, mine bool, err error) {
		if !strings.HasPrefix(owner, "ecs.task/") {
			return false, false, nil
		}
		needed, err = tasks.Owns(ctx, owner)
		return needed, true, err
	})
	return s.add(tasks)
}

// taskTickets seals what tasks fetch their credentials with. ECS does not renew a
// task's, so they last as long as any task may.
type taskTickets struct {
	identity.Tickets
	clock clock.Clock
}

const taskLife = 10 * 365 * day

// Ticket is ecs.Tickets.
func (t taskTickets) Ticket(role, session, service string) (string, error) {
	return t.Seal(identity.Ticket{RoleARN: role, Session: session, Service: service, Expires: t.clock.Now().Add(taskLife)})
}

// ticket seals a container's right to fetch a role's credentials.
func (s *server) ticket(service string) func(role, session string, until time.Time) (string, error) {
	tickets := s.identity.Tickets()
	return func(role, session string, until time.Time) (string, error) {
		sealed, err := tickets.Seal(identity.Ticket{RoleARN: role, Session: session, Service: service, Expires: until})
		return identity.TicketPath + sealed, err
	}
}
