package codebuild

import (
	"context"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the tags of a project.
func (s *Service) Described() []op.Described {
	return []op.Described{op.Tagged(func(ctx context.Context, r store.Reader, a arn.ARN) (map[string]string, error) {
		d, err := projects.Get(ctx, r, store.Scope{Account: a.Account, Region: a.Region}, strings.TrimPrefix(a.Resource, "project/"))
		tags := map[string]string{}
		for _, t := range d.Value.Tags {
			tags[op.Val(t.Key)] = op.Val(t.Value)
		}
		return tags, err
	})}
}
