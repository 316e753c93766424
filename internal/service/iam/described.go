package iam

import (
	"context"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the tags of roles, users, policies and instance
// profiles, and for the permissions boundary that a role or user has.
func (s *Service) Described() []op.Described {
	return []op.Described{{Names: []string{"aws:ResourceTag/", "iam:ResourceTag/", "iam:PermissionsBoundary"}, Read: s.resourceKeys}}
}

func (s *Service) resourceKeys(ctx context.Context, r store.Reader, a arn.ARN) (map[string][]string, error) {
	scope, key := identity.In(a.Account), identity.Key(a.Name())
	kind, _, _ := strings.Cut(a.Resource, "/")
	switch kind {
	case "role":
		d, err := s.Records.Roles.Get(ctx, r, scope, key)
		return principalKeys(d.Value.Principal), err
	case "user":
		d, err := s.Records.Users.Get(ctx, r, scope, key)
		return principalKeys(d.Value.Principal), err
	case "policy":
		d, err := s.Records.Policies.Get(ctx, r, scope, key)
		return op.ResourceTags(d.Value.Tags, "aws:ResourceTag/"), err
	case "instance-profile":
		d, err := s.Records.Profiles.Get(ctx, r, scope, key)
		return op.ResourceTags(d.Value.Tags, "aws:ResourceTag/"), err
	}
	return nil, store.ErrNotFound
}

func principalKeys(p identity.Principal) map[string][]string {
	keys := op.ResourceTags(p.Tags, "aws:ResourceTag/", "iam:ResourceTag/")
	if p.Boundary != "" {
		keys["iam:PermissionsBoundary"] = []string{p.Boundary}
	}
	return keys
}
