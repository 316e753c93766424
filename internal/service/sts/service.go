package sts

import (
	"context"
	"time"

	api "github.com/penstock-ci/penstock/api/sts"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Authority is what of identity.Authority this service uses.
type Authority interface {
	MayAssume(ctx context.Context, r store.Reader, c op.Caller, roleARN, action string, facts map[string][]string) (identity.Role, *identity.Refusal, error)
	ManagedDocument(ctx context.Context, r store.Reader, policyARN string) (string, bool, error)
}

// Mint makes credentials that bear claims.
type Mint interface {
	Mint(c identity.Claims, now time.Time, ttl time.Duration) (identity.Credentials, error)
}

// Deps are what a Service needs.
type Deps struct {
	Records   identity.Records
	Authority Authority
	Keys      Mint
	Clock     clock.Clock
}

// Service is STS.
type Service struct{ Deps }

// New is a Service over deps.
func New(deps Deps) *Service {
	if deps.Clock == nil {
		deps.Clock = clock.System{}
	}
	return &Service{deps}
}

// Handlers is the whole surface of the service.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Read(api.AssumeRole, roleARN, s.assumeRole),
		op.Read(api.GetCallerIdentity, nil, s.getCallerIdentity),
		op.Read(api.GetSessionToken, nil, s.getSessionToken),
		op.Read(api.GetAccessKeyInfo, nil, s.getAccessKeyInfo),
	}
}

func roleARN(_ op.Caller, in *api.AssumeRoleInput) []string { return []string{op.Val(in.RoleArn)} }
