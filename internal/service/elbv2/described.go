package elbv2

import (
	"context"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the tags of load balancers, listeners, rules and
// target groups.
func (s *Service) Described() []op.Described {
	return []op.Described{op.Tagged(tagsOf, "elasticloadbalancing:ResourceTag/")}
}

func tagsOf(ctx context.Context, r store.Reader, a arn.ARN) (map[string]string, error) {
	scope, key := store.Scope{Account: a.Account, Region: a.Region}, a.String()
	kind, _, _ := strings.Cut(a.Resource, "/")
	switch kind {
	case "loadbalancer":
		d, err := balancers.Get(ctx, r, scope, key)
		return d.Value.Tags, err
	case "targetgroup":
		d, err := groups.Get(ctx, r, scope, key)
		return d.Value.Tags, err
	case "listener":
		d, err := listeners.Get(ctx, r, scope, key)
		return d.Value.Tags, err
	case "listener-rule":
		d, err := rules.Get(ctx, r, scope, key)
		return d.Value.Tags, err
	}
	return nil, store.ErrNotFound
}
