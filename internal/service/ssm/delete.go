package ssm

import (
	"context"
	"errors"

	api "github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) deleteParameter(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteParameterInput) (*api.DeleteParameterOutput, error) {
	d, err := s.find(ctx, tx, c, *in.Name)
	if err != nil {
		return nil, err
	}
	return &api.DeleteParameterOutput{}, s.parameters.Delete(ctx, tx, d.Scope, d.Key, d.Version)
}

func (s *Service) deleteParameters(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteParametersInput) (*api.DeleteParametersOutput, error) {
	out := &api.DeleteParametersOutput{DeletedParameters: []string{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		_, err := s.deleteParameter(ctx, tx, c, &api.DeleteParameterInput{Name: &name})
		if _, refused := errors.AsType[*op.Error](err); refused {
			out.InvalidParameters = append(out.InvalidParameters, name)
			continue
		}
		if err != nil {
			return nil, err
		}
		out.DeletedParameters = append(out.DeletedParameters, name)
	}
	return out, nil
}
