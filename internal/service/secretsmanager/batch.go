package secretsmanager

import (
	"context"
	"errors"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// batchGetSecretValue reads each secret with the caller's own permission to read
// it; what it may not or cannot read is told in Errors.
func (s *Service) batchGetSecretValue(ctx context.Context, r store.Reader, c op.Caller, in *api.BatchGetSecretValueInput) (*api.BatchGetSecretValueOutput, error) {
	if (len(in.SecretIdList) == 0) == (len(in.Filters) == 0) {
		return nil, api.InvalidParameterException("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	}
	out := &api.BatchGetSecretValueOutput{SecretValues: []api.SecretValueEntry{}}
	wanted := in.SecretIdList
	if len(wanted) == 0 {
		list, err := s.listSecrets(ctx, r, c, &api.ListSecretsInput{Filters: in.Filters, MaxResults: new(op.Or(in.MaxResults, 20)), NextToken: in.NextToken})
		if err != nil {
			return nil, err
		}
		for _, e := range list.SecretList {
			wanted = append(wanted, *e.ARN)
		}
		out.NextToken = list.NextToken
	}
	for _, id := range wanted {
		got, err := s.readable(ctx, r, c, id)
		if err != nil {
			e, ok := errors.AsType[*op.Error](err)
			if !ok {
				return nil, err
			}
			out.Errors = append(out.Errors, api.APIErrorType{SecretId: new(id), ErrorCode: new(e.Code), Message: new(e.Message)})
			continue
		}
		out.SecretValues = append(out.SecretValues, api.SecretValueEntry(*got))
	}
	return out, nil
}

func (s *Service) readable(ctx context.Context, r store.Reader, c op.Caller, id string) (*api.GetSecretValueOutput, error) {
	keys := map[string]string{"secretsmanager:VersionStage": current}
	if err := s.Guard.Allow(ctx, r, c, "secretsmanager:GetSecretValue", named(c, &id)[0], keys); err != nil {
		return nil, err
	}
	return s.getSecretValue(ctx, r, c, &api.GetSecretValueInput{SecretId: &id})
}
