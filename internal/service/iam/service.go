package iam

import (
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
)

// Authority is what of identity.Authority this service uses.
type Authority interface {
	NewAccessKey(account, user string) (identity.AccessKey, string, error)
	Forget(accessKeyID string)
}

// Sealer keeps service passwords unreadable at rest.
type Sealer interface {
	Seal(aad string, value []byte) ([]byte, error)
}

// Deps are what a Service needs.
type Deps struct {
	Records   identity.Records
	Authority Authority
	Keys      Sealer
	Guard     op.Guard
	Policies  Policies // for SimulatePrincipalPolicy
	Clock     clock.Clock
}

// Service is IAM.
type Service struct {
	Deps
	users  holder[identity.User]
	groups holder[identity.Group]
	roles  holder[identity.Role]
}

// New is a Service over deps.
func New(deps Deps) *Service {
	if deps.Clock == nil {
		deps.Clock = clock.System{}
	}
	s := &Service{Deps: deps}
	s.users = holder[identity.User]{deps.Records.Users, "user", func(u *identity.User) *identity.Principal { return &u.Principal }, 2048}
	s.groups = holder[identity.Group]{deps.Records.Groups, "group", func(g *identity.Group) *identity.Principal { return &g.Principal }, 5120}
	s.roles = holder[identity.Role]{deps.Records.Roles, "role", func(r *identity.Role) *identity.Principal { return &r.Principal }, 10240}
	return s
}
