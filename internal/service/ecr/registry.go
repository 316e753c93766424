package ecr

import (
	"context"
	"encoding/base64"

	api "github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) getAuthorizationToken(_ context.Context, _ store.Reader, c op.Caller, in *api.GetAuthorizationTokenInput) (*api.GetAuthorizationTokenOutput, error) {
	password, expires, err := s.Tokens.Mint(c, registry.TokenLife)
	if err != nil {
		return nil, err
	}
	accounts := in.RegistryIds
	if len(accounts) == 0 {
		accounts = []string{c.Account}
	}
	out := &api.GetAuthorizationTokenOutput{}
	for _, a := range accounts {
		out.AuthorizationData = append(out.AuthorizationData, api.AuthorizationData{
			AuthorizationToken: new(base64.StdEncoding.EncodeToString([]byte(registry.User + ":" + password))), ExpiresAt: op.At(expires),
			ProxyEndpoint: new("https://" + registry.Host(store.Scope{Account: a, Region: c.Region})),
		})
	}
	return out, nil
}

func (s *Service) describeRegistry(_ context.Context, _ store.Reader, c op.Caller, _ *api.DescribeRegistryInput) (*api.DescribeRegistryOutput, error) {
	return &api.DescribeRegistryOutput{RegistryId: &c.Account, ReplicationConfiguration: &api.ReplicationConfiguration{Rules: []api.ReplicationRule{}}}, nil
}

func (s *Service) getRegistryPolicy(_ context.Context, _ store.Reader, c op.Caller, _ *api.GetRegistryPolicyInput) (*api.GetRegistryPolicyOutput, error) {
	return nil, api.RegistryPolicyNotFoundException("Registry policy does not exist in the registry with id '%s'", c.Account)
}

func (s *Service) getRegistryScanning(_ context.Context, _ store.Reader, c op.Caller, _ *api.GetRegistryScanningConfigurationInput) (*api.GetRegistryScanningConfigurationOutput, error) {
	return &api.GetRegistryScanningConfigurationOutput{RegistryId: &c.Account, ScanningConfiguration: &api.RegistryScanningConfiguration{
		ScanType: new(api.ScanTypeBasic), Rules: []api.RegistryScanningRule{},
	}}, nil
}

func (s *Service) describeCacheRules(_ context.Context, _ store.Reader, c op.Caller, in *api.DescribePullThroughCacheRulesInput) (*api.DescribePullThroughCacheRulesOutput, error) {
	if len(in.EcrRepositoryPrefixes) > 0 {
		return nil, api.PullThroughCacheRuleNotFoundException("The pull through cache rule with the prefix '%s' does not exist in the registry with id '%s'", in.EcrRepositoryPrefixes[0], c.Account)
	}
	return &api.DescribePullThroughCacheRulesOutput{PullThroughCacheRules: []api.PullThroughCacheRule{}}, nil
}
