package iam

import (
	"context"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// What a user can have on AWS and never has here: passwords, MFA devices, SSH
// keys, certificates. Tools ask for them before they delete a user; the true
// answer is that there are none. The operations that would make them are refused.

func (s *Service) getLoginProfile(ctx context.Context, r store.Reader, c op.Caller, in *api.GetLoginProfileInput) (*api.GetLoginProfileOutput, error) {
	return nil, s.noLogin(ctx, r, c, in.UserName)
}

func (s *Service) deleteLoginProfile(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteLoginProfileInput) (*api.DeleteLoginProfileOutput, error) {
	return nil, s.noLogin(ctx, tx, c, in.UserName)
}

func (s *Service) noLogin(ctx context.Context, r store.Reader, c op.Caller, name *string) error {
	user, err := s.owner(ctx, r, c, name)
	if err != nil {
		return err
	}
	return api.NoSuchEntityException("Login Profile for User %s cannot be found.", user)
}

func (s *Service) listMFADevices(ctx context.Context, r store.Reader, c op.Caller, in *api.ListMFADevicesInput) (*api.ListMFADevicesOutput, error) {
	_, err := s.owner(ctx, r, c, in.UserName)
	return &api.ListMFADevicesOutput{MFADevices: []api.MFADevice{}, IsTruncated: new(false)}, err
}

func (s *Service) listVirtualMFADevices(context.Context, store.Reader, op.Caller, *api.ListVirtualMFADevicesInput) (*api.ListVirtualMFADevicesOutput, error) {
	return &api.ListVirtualMFADevicesOutput{VirtualMFADevices: []api.VirtualMFADevice{}, IsTruncated: new(false)}, nil
}

func (s *Service) listSSHPublicKeys(ctx context.Context, r store.Reader, c op.Caller, in *api.ListSSHPublicKeysInput) (*api.ListSSHPublicKeysOutput, error) {
	_, err := s.owner(ctx, r, c, in.UserName)
	return &api.ListSSHPublicKeysOutput{SSHPublicKeys: []api.SSHPublicKeyMetadata{}, IsTruncated: new(false)}, err
}

func (s *Service) listSigningCertificates(ctx context.Context, r store.Reader, c op.Caller, in *api.ListSigningCertificatesInput) (*api.ListSigningCertificatesOutput, error) {
	_, err := s.owner(ctx, r, c, in.UserName)
	return &api.ListSigningCertificatesOutput{Certificates: []api.SigningCertificate{}, IsTruncated: new(false)}, err
}

func (s *Service) listAccountAliases(context.Context, store.Reader, op.Caller, *api.ListAccountAliasesInput) (*api.ListAccountAliasesOutput, error) {
	return &api.ListAccountAliasesOutput{AccountAliases: []string{}, IsTruncated: new(false)}, nil
}

func (s *Service) listOpenIDConnectProviders(context.Context, store.Reader, op.Caller, *api.ListOpenIDConnectProvidersInput) (*api.ListOpenIDConnectProvidersOutput, error) {
	return &api.ListOpenIDConnectProvidersOutput{OpenIDConnectProviderList: []api.OpenIDConnectProviderListEntry{}}, nil
}

// getAccountSummary counts what there is and names AWS's quotas that hold here.
func (s *Service) getAccountSummary(ctx context.Context, r store.Reader, c op.Caller, _ *api.GetAccountSummaryInput) (*api.GetAccountSummaryOutput, error) {
	users, groups, roles, err := s.holders(ctx, r, c.Account)
	return &api.GetAccountSummaryOutput{SummaryMap: map[string]int32{
		"Users": int32(len(users)), "Groups": int32(len(groups)), "Roles": int32(len(roles)),
		"AccessKeysPerUserQuota": keyMax, "AttachedPoliciesPerRoleQuota": attachMax, "AttachedPoliciesPerUserQuota": attachMax, "AttachedPoliciesPerGroupQuota": attachMax,
		"PolicySizeQuota": managedMax, "VersionsPerPolicyQuota": versionMax, "AssumeRolePolicySizeQuota": trustMax, "MFADevices": 0, "AccountMFAEnabled": 0,
	}}, err
}
