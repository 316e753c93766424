package iam

import (
	"context"
	"fmt"
	"slices"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) editPolicy(ctx context.Context, tx store.Tx, c op.Caller, policyARN string, f func(*identity.Policy) error) error {
	d, err := s.ownPolicy(ctx, tx, c, policyARN)
	if err != nil {
		return err
	}
	if err := f(&d.Value); err != nil {
		return err
	}
	_, err = s.Records.Policies.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return err
}

func (s *Service) createPolicyVersion(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreatePolicyVersionInput) (*api.CreatePolicyVersionOutput, error) {
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	var shown *api.PolicyVersion
	err := s.editPolicy(ctx, tx, c, *in.PolicyArn, func(p *identity.Policy) error {
		if len(p.Versions) >= versionMax {
			return api.LimitExceededException("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", versionMax)
		}
		v := identity.PolicyVersion{ID: fmt.Sprintf("v%d", p.Next), Document: *in.PolicyDocument, Created: s.Clock.Now()}
		p.Next++
		p.Versions = append(p.Versions, v)
		if op.Val(in.SetAsDefault) {
			p.Default = v.ID
		}
		p.Updated = v.Created
		shown = showVersion(*p, v)
		shown.Document = nil
		return nil
	})
	return &api.CreatePolicyVersionOutput{PolicyVersion: shown}, err
}

func noVersion(policyARN, id string) error {
	return api.NoSuchEntityException("Policy %s version %s does not exist or is not attachable.", policyARN, id)
}

func versionIndex(p identity.Policy, id string) int {
	return slices.IndexFunc(p.Versions, func(v identity.PolicyVersion) bool { return v.ID == id })
}

func (s *Service) getPolicyVersion(ctx context.Context, r store.Reader, c op.Caller, in *api.GetPolicyVersionInput) (*api.GetPolicyVersionOutput, error) {
	d, err := s.policy(ctx, r, c.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	i := versionIndex(d.Value, *in.VersionId)
	if i < 0 {
		return nil, noVersion(*in.PolicyArn, *in.VersionId)
	}
	return &api.GetPolicyVersionOutput{PolicyVersion: showVersion(d.Value, d.Value.Versions[i])}, nil
}

func (s *Service) listPolicyVersions(ctx context.Context, r store.Reader, c op.Caller, in *api.ListPolicyVersionsInput) (*api.ListPolicyVersionsOutput, error) {
	d, err := s.policy(ctx, r, c.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := &api.ListPolicyVersionsOutput{Versions: []api.PolicyVersion{}, IsTruncated: new(false)}
	for _, v := range slices.Backward(d.Value.Versions) {
		shown := showVersion(d.Value, v)
		shown.Document = nil
		out.Versions = append(out.Versions, *shown)
	}
	return out, nil
}

func (s *Service) setDefaultPolicyVersion(ctx context.Context, tx store.Tx, c op.Caller, in *api.SetDefaultPolicyVersionInput) (*api.SetDefaultPolicyVersionOutput, error) {
	return &api.SetDefaultPolicyVersionOutput{}, s.editPolicy(ctx, tx, c, *in.PolicyArn, func(p *identity.Policy) error {
		if versionIndex(*p, *in.VersionId) < 0 {
			return noVersion(*in.PolicyArn, *in.VersionId)
		}
		p.Default, p.Updated = *in.VersionId, s.Clock.Now()
		return nil
	})
}

func (s *Service) deletePolicyVersion(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeletePolicyVersionInput) (*api.DeletePolicyVersionOutput, error) {
	return &api.DeletePolicyVersionOutput{}, s.editPolicy(ctx, tx, c, *in.PolicyArn, func(p *identity.Policy) error {
		i := versionIndex(*p, *in.VersionId)
		if i < 0 {
			return noVersion(*in.PolicyArn, *in.VersionId)
		}
		if p.Default == *in.VersionId {
			return api.DeleteConflictException("Cannot delete the default version of a policy.")
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return nil
	})
}
