package ecr

import (
	"context"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the tags of a repository.
func (s *Service) Described() []op.Described {
	return []op.Described{op.Tagged(func(ctx context.Context, r store.Reader, a arn.ARN) (map[string]string, error) {
		in, name, ok := parseARN(a.String())
		if !ok {
			return nil, store.ErrNotFound
		}
		d, err := s.Records.Repositories.Get(ctx, r, in, name)
		return d.Value.Tags, err
	}, "ecr:ResourceTag/")}
}
