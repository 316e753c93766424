package ssm

import (
	"context"
	"errors"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the tags of a parameter.
func (s *Service) Described() []op.Described {
	return []op.Described{op.Tagged(func(ctx context.Context, r store.Reader, a arn.ARN) (map[string]string, error) {
		d, err := s.find(ctx, r, op.Caller{}, a.String())
		if _, missing := errors.AsType[*op.Error](err); missing {
			return nil, store.ErrNotFound
		}
		return d.Value.Tags, err
	}, "ssm:resourceTag/")}
}
