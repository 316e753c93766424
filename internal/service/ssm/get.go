package ssm

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) read(ctx context.Context, r store.Reader, c op.Caller, id string, decrypt bool) (*api.Parameter, error) {
	name, selector := split(id)
	d, err := s.find(ctx, r, c, name)
	if err != nil {
		return nil, err
	}
	v, err := d.Value.choose(selector)
	if err != nil {
		return nil, err
	}
	return s.show(d.Value, *v, selector, decrypt)
}

func (s *Service) getParameter(ctx context.Context, r store.Reader, c op.Caller, in *api.GetParameterInput) (*api.GetParameterOutput, error) {
	p, err := s.read(ctx, r, c, *in.Name, op.Val(in.WithDecryption))
	return &api.GetParameterOutput{Parameter: p}, err
}

func (s *Service) getParameters(ctx context.Context, r store.Reader, c op.Caller, in *api.GetParametersInput) (*api.GetParametersOutput, error) {
	out := &api.GetParametersOutput{Parameters: []api.Parameter{}, InvalidParameters: []string{}}
	for _, id := range in.Names {
		p, err := s.read(ctx, r, c, id, op.Val(in.WithDecryption))
		if _, refused := errors.AsType[*op.Error](err); refused {
			out.InvalidParameters = append(out.InvalidParameters, id)
			continue
		}
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, *p)
	}
	return out, nil
}

const (
	pathPage = 10 // AWS's largest page of GetParametersByPath
	listPage = 50
)

func (s *Service) getParametersByPath(ctx context.Context, r store.Reader, c op.Caller, in *api.GetParametersByPathInput) (*api.GetParametersByPathOutput, error) {
	if !strings.HasPrefix(*in.Path, "/") {
		return nil, invalid("The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).")
	}
	path := strings.TrimSuffix(*in.Path, "/") + "/"
	docs, err := s.parameters.List(ctx, r, c.Scope, store.Query{Prefix: path})
	if err != nil {
		return nil, err
	}
	var all []Parameter
	for _, d := range docs {
		below := strings.TrimPrefix(d.Value.Name, path)
		if (op.Val(in.Recursive) || !strings.Contains(below, "/")) && passes(d.Value, in.ParameterFilters) {
			all = append(all, d.Value)
		}
	}
	all, next, err := page(all, func(p Parameter) string { return p.Name }, in.NextToken, op.Or(in.MaxResults, pathPage))
	if err != nil {
		return nil, err
	}
	out := &api.GetParametersByPathOutput{Parameters: []api.Parameter{}, NextToken: next}
	for _, p := range all {
		shown, err := s.show(p, *p.latest(), "", op.Val(in.WithDecryption))
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, *shown)
	}
	return out, nil
}

// page goes on after the item that the token names.
func page[T any](all []T, id func(T) string, token *string, limit int32) ([]T, *string, error) {
	start := 0
	if token != nil {
		i := slices.IndexFunc(all, func(v T) bool { return id(v) == *token })
		if i < 0 {
			return nil, nil, api.InvalidNextToken("The specified token isn't valid.")
		}
		start = i + 1
	}
	end := min(start+int(limit), len(all))
	if end == len(all) {
		return all[start:], nil, nil
	}
	return all[start:end], new(id(all[end-1])), nil
}

func (s *Service) getParameterHistory(ctx context.Context, r store.Reader, c op.Caller, in *api.GetParameterHistoryInput) (*api.GetParameterHistoryOutput, error) {
	d, err := s.find(ctx, r, c, *in.Name)
	if err != nil {
		return nil, err
	}
	versions, next, err := page(d.Value.Versions, func(v Version) string { return aad(d.Value, v.Number) }, in.NextToken, op.Or(in.MaxResults, listPage))
	if err != nil {
		return nil, err
	}
	out := &api.GetParameterHistoryOutput{Parameters: []api.ParameterHistory{}, NextToken: next}
	for _, v := range versions {
		text, err := s.value(d.Value, v, op.Val(in.WithDecryption))
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, api.ParameterHistory{
			Name: new(d.Value.Name), Type: new(v.Type), KeyId: op.Opt(v.Key), LastModifiedDate: op.At(v.Modified), LastModifiedUser: new(v.User),
			Description: op.Opt(v.Description), Value: &text, AllowedPattern: op.Opt(v.Pattern), Version: new(v.Number), Labels: slices.Concat([]string{}, v.Labels),
			Tier: new(v.Tier), Policies: []api.ParameterInlinePolicy{}, DataType: new(v.DataType),
		})
	}
	return out, nil
}
