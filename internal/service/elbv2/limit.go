package elbv2

import (
	"context"

	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"

	api "github.com/penstock-ci/penstock/api/elbv2"
)

// describeSSLPolicies lists none: there are no HTTPS listeners here.
func (s *Service) describeSSLPolicies(_ context.Context, _ store.Reader, _ op.Caller, in *api.DescribeSSLPoliciesInput) (*api.DescribeSSLPoliciesOutput, error) {
	if len(in.Names) > 0 {
		return nil, api.SSLPolicyNotFoundException("SSL policy '%s' not found", in.Names[0])
	}
	return &api.DescribeSSLPoliciesOutput{SslPolicies: []api.SslPolicy{}}, nil
}

func (s *Service) describeAccountLimits(context.Context, store.Reader, op.Caller, *api.DescribeAccountLimitsInput) (*api.DescribeAccountLimitsOutput, error) {
	limit := func(name, max string) api.Limit { return api.Limit{Name: &name, Max: &max} }
	return &api.DescribeAccountLimitsOutput{Limits: []api.Limit{
		limit("rules-per-application-load-balancer", "100"), limit("targets-per-target-group", "1000"),
		limit("target-groups-per-action-on-application-load-balancer", "5"), limit("condition-values-per-alb-rule", "5"),
	}}, nil
}
