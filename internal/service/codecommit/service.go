package codecommit

import (
	"context"
	"log/slog"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/git"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Credentials finds who a Git client is.
type Credentials interface {
	// Lookup is the secret and the caller of an access key (and its session token).
	Lookup(ctx context.Context, accessKeyID, token string) (secret string, caller op.Caller, err error)
	// ServiceSpecific checks an IAM user's service-specific credential.
	ServiceSpecific(ctx context.Context, service, username, password string) (op.Caller, error)
}

// Deps are the abilities a Service borrows.
type Deps struct {
	DB          store.DB
	Git         *git.Store
	Stream      eventstream.Stream
	Guard       op.Guard
	Credentials Credentials
	Origin      func(context.Context) op.Origin // where a Git request came from; nil: not known
	Clock       clock.Clock
	Log         *slog.Logger
}

// Service is CodeCommit.
type Service struct {
	Deps
	repositories store.Collection[Repository]
}

// New makes the service.
func New(d Deps) *Service {
	return &Service{Deps: d, repositories: store.Define(store.Schema[Repository]{Table: "codecommit_repositories", Number: 1})}
}

// Tables are the service's collections.
func (s *Service) Tables() []store.Table { return []store.Table{s.repositories} }

// Repository is a row; its key is the name.
type Repository struct {
	ID            string
	Description   string
	DefaultBranch string
	Tags          map[string]string
	KMSKey        string
	Created       time.Time
	Changed       time.Time
	Refs          map[string]string // full reference name → object id, as last told
}

// Open brings every repository up to what Git has, and removes deleted ones' files:
// what a crash may have left between a push and its fact.
func (s *Service) Open(ctx context.Context) error {
	var all []store.Doc[Repository]
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		all, err = s.repositories.List(ctx, r, store.Scope{}, store.Query{})
		return err
	})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, d := range all {
		known[d.Value.ID] = true
		root := "arn:aws:iam::" + d.Scope.Account + ":root"
		if err := s.told(ctx, d.Scope, d.Key, root); err != nil {
			return err
		}
	}
	return s.Git.Sweep(func(id string) bool { return known[id] })
}
