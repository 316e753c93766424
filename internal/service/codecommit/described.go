package codecommit

import (
	"context"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the tags of a repository.
func (s *Service) Described() []op.Described {
	return []op.Described{op.Tagged(func(ctx context.Context, r store.Reader, a arn.ARN) (map[string]string, error) {
		d, err := s.repositories.Get(ctx, r, store.Scope{Account: a.Account, Region: a.Region}, a.Resource)
		return d.Value.Tags, err
	})}
}
