package rds

import (
	"context"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the tags of DB instances and subnet groups. RDS has
// names of its own by the kind of the resource, and no rds:ResourceTag.
func (s *Service) Described() []op.Described {
	return []op.Described{{Names: []string{"aws:ResourceTag/", "rds:db-tag/", "rds:subgrp-tag/"}, Read: s.tagKeys}}
}

func (s *Service) tagKeys(ctx context.Context, r store.Reader, a arn.ARN) (map[string][]string, error) {
	scope := store.Scope{Account: a.Account, Region: a.Region}
	kind, id, _ := strings.Cut(a.Resource, ":")
	switch kind {
	case "db":
		d, err := instances.Get(ctx, r, scope, strings.ToLower(id))
		return op.ResourceTags(d.Value.Tags, "aws:ResourceTag/", "rds:db-tag/"), err
	case "subgrp":
		d, err := groups.Get(ctx, r, scope, strings.ToLower(id))
		return op.ResourceTags(d.Value.Tags, "aws:ResourceTag/", "rds:subgrp-tag/"), err
	}
	return nil, store.ErrNotFound
}
