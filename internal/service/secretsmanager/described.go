package secretsmanager

import (
	"context"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the tags of a secret and for its ARN, however the
// request named it.
func (s *Service) Described() []op.Described {
	return []op.Described{
		op.Tagged(func(ctx context.Context, r store.Reader, a arn.ARN) (map[string]string, error) {
			d, err := s.find(ctx, r, op.Caller{}, a.String())
			if isNotFound(err) {
				return nil, store.ErrNotFound
			}
			return d.Value.Tags, err
		}, "secretsmanager:ResourceTag/"),
		{Names: []string{"secretsmanager:SecretId"}, Read: func(_ context.Context, _ store.Reader, a arn.ARN) (map[string][]string, error) {
			return map[string][]string{"secretsmanager:SecretId": {a.String()}}, nil
		}},
	}
}
