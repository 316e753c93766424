package codepipeline

import (
	"context"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the tags of a pipeline; they are also those of its
// stages and actions, which have none of their own.
func (s *Service) Described() []op.Described {
	return []op.Described{op.Tagged(func(ctx context.Context, r store.Reader, a arn.ARN) (map[string]string, error) {
		name, _, _ := strings.Cut(a.Resource, "/")
		d, err := pipelines.Get(ctx, r, store.Scope{Account: a.Account, Region: a.Region}, name)
		return d.Value.Tags, err
	})}
}
