package ecr

import (
	"context"
	"errors"
	"strings"

	api "github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

// Deps are the abilities a Service borrows.
type Deps struct {
	DB      store.DB
	Records *registry.Records
	Uploads *registry.Uploads
	Tokens  registry.Tokens
	Address string // of the API on the host's loopback
	Clock   clock.Clock
}

// Service is ECR.
type Service struct{ Deps }

// New makes the service.
func New(d Deps) *Service { return &Service{d} }

// Tables are the registry's records.
func (s *Service) Tables() []store.Table { return s.Records.Tables() }

// scope is the registry that an operation is about.
func scope(c op.Caller, registryID *string) store.Scope {
	return store.Scope{Account: op.Or(registryID, c.Account), Region: c.Region}
}

// repository finds one, or says in AWS's words that it is not there.
func (s *Service) repository(ctx context.Context, r store.Reader, in store.Scope, name *string) (store.Doc[registry.Repository], error) {
	d, err := s.Records.Repositories.Get(ctx, r, in, op.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return d, noRepository(in, op.Val(name))
	}
	return d, err
}

func noRepository(in store.Scope, name string) error {
	return api.RepositoryNotFoundException("The repository with name '%s' does not exist in the registry with id '%s'", name, in.Account)
}

// alter changes a repository's row.
func (s *Service) alter(ctx context.Context, tx store.Tx, in store.Scope, name *string, f func(*registry.Repository) error) error {
	d, err := s.repository(ctx, tx, in, name)
	if err != nil {
		return err
	}
	if err := f(&d.Value); err != nil {
		return err
	}
	_, err = s.Records.Repositories.Put(ctx, tx, in, d.Key, d.Value, d.Version)
	return err
}

// Policy is the repository policy, for the dispatcher.
func (s *Service) Policy(ctx context.Context, r store.Reader, resource string) (string, error) {
	in, name, ok := parseARN(resource)
	if !ok {
		return "", nil
	}
	d, err := s.Records.Repositories.Get(ctx, r, in, name)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return d.Value.Policy, err
}

func parseARN(resource string) (store.Scope, string, bool) {
	a, ok := arn.Parse(resource)
	name, isRepository := strings.CutPrefix(a.Resource, "repository/")
	return store.Scope{Account: a.Account, Region: a.Region}, name, ok && isRepository
}

// ignoreGone: a repository that was deleted meanwhile needs nothing.
func ignoreGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
