package codebuild

import (
	"context"
	"log/slog"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Pods is the part of compute.Backend that a build needs.
type Pods interface {
	Ensure(ctx context.Context, p compute.Pod) (compute.Status, error)
	Stop(ctx context.Context, pod string, grace time.Duration) error
	Remove(ctx context.Context, pod string) error
	List(ctx context.Context) ([]compute.Status, error)
	Watch(ctx context.Context, f func(compute.Status)) error
}

// Lines is the part of logstore.Store that a build needs.
type Lines interface {
	Append(ctx context.Context, s logstore.Stream, first uint64, lines []logstore.Line) (next uint64, err error)
	Close(ctx context.Context, s logstore.Stream) error
}

// Images brings what builds start (*images.Images): ref is what the back end knows an
// image by. c is who pulls: a role's session, or CodeBuild itself. An error that tells
// the user why begins with CannotPullContainerError.
type Images interface {
	Build(ctx context.Context, c op.Caller, project, image string) (ref string, err error)
}

// Deps are the abilities a Service borrows.
type Deps struct {
	DB     store.DB
	Engine engine.Engine
	AWS    op.Dispatcher // other services, as the caller named
	Guard  op.Guard
	Pods   Pods
	Lines  Lines
	Clock  clock.Clock
	Log    *slog.Logger
	// Ticket seals the right to fetch a role's credentials; the result is what
	// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI holds.
	Ticket func(role, session string, until time.Time) (string, error)
	Images Images
	// Curated is the local image that all of CodeBuild's own names mean.
	Curated string
	// RunnerDir is a folder of the host that holds the runner and its other names
	// (embed.Unpack made it); Runner is its error, if it could not be made.
	RunnerDir string
	Runner    error
	// CacheDir is a folder of the host in which builds keep what LOCAL caches hold.
	CacheDir string
	// Trust is the certificates (PEM) that builds shall trust beyond their image's.
	Trust func() string
	// Secret is what the tokens of the builds' control addresses are derived from.
	Secret []byte
	// Places is how many builds run at once; the others are QUEUED.
	Places int
	// NoPrivileged refuses builds that are privileged.
	NoPrivileged bool
	// Cores and Memory of the host bound what a build is given; 0 is no limit.
	Cores  float64
	Memory int64
	MTU    int
}

// Service is AWS CodeBuild.
type Service struct {
	Deps
	pulls pulls
}

// New makes a Service.
func New(d Deps) *Service {
	d.Places = max(d.Places, 1) // without one nothing would ever run
	return &Service{Deps: d}
}

// The collections.
var (
	projects = store.Define(store.Schema[Project]{
		Table: "codebuild_projects", Number: 1,
		Index: map[string]func(Project) string{
			"created":  func(p Project) string { return sortable(p.Created.Time) },
			"modified": func(p Project) string { return sortable(p.LastModified.Time) },
		},
	})
	builds = store.Define(store.Schema[Build]{
		Table: "codebuild_builds", Number: 1,
		Index: map[string]func(Build) string{
			"started": func(b Build) string { return sortable(b.Start) },
			"project": func(b Build) string { return projectIndex(b.Project, b.Number) },
			"running": func(b Build) string {
				if b.Complete() {
					return ""
				}
				return "running"
			},
		},
	})
	// counters are documents of their own: a build's start does not touch its project.
	counters = store.Define(store.Schema[Counter]{Table: "codebuild_counters", Number: 1})
	tokens   = store.Define(store.Schema[Token]{Table: "codebuild_tokens", Number: 1})
	caches   = store.Define(store.Schema[Lease]{Table: "codebuild_caches", Number: 1})
	places   = store.Define(store.Schema[Place]{
		Table: "codebuild_places", Number: 1,
		Index: map[string]func(Place) string{"turn": Place.turn},
	})
)

// Tables are the service's collections.
func (s *Service) Tables() []store.Table {
	return []store.Table{projects, builds, counters, tokens, caches, places}
}

// buildKind is the machine of a build.
const buildKind = "codebuild.build"

// Kinds are the service's machines.
func (s *Service) Kinds() []engine.Kind {
	return []engine.Kind{engine.Machine(buildKind, builds, step, map[string]engine.Do[Build]{
		doAdmit: s.admit, doAttach: s.attach, doProvision: s.provision, doRetry: s.retry, doClean: s.clean,
	})}
}

func machineID(scope store.Scope, build string) engine.ID {
	return engine.ID{Scope: scope, Kind: buildKind, Key: build}
}

func sortable(t time.Time) string { return t.UTC().Format("20060102150405.000000") }

func projectARN(scope store.Scope, name string) string {
	if a, ok := arn.Parse(name); ok {
		name = a.Name()
	}
	return arn.New("codebuild", scope.Region, scope.Account, "project/"+name)
}

func buildARN(scope store.Scope, id string) string {
	return arn.New("codebuild", scope.Region, scope.Account, "build/"+id)
}
