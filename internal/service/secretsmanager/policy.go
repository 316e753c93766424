package secretsmanager

import (
	"context"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/identity/policy"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) putResourcePolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutResourcePolicyInput) (*api.PutResourcePolicyOutput, error) {
	d, err := policy.Parse(policy.Resource, *in.ResourcePolicy)
	if err != nil {
		return nil, api.MalformedPolicyDocumentException("%s", err)
	}
	if op.Val(in.BlockPublicPolicy) && d.IsPublic() {
		return nil, api.PublicPolicyException("You can't attach a policy that grants broad access to the secret while BlockPublicPolicy is set.")
	}
	v, err := s.edit(ctx, tx, c, *in.SecretId, func(v *Secret) error {
		v.Policy = *in.ResourcePolicy
		return nil
	})
	return &api.PutResourcePolicyOutput{ARN: new(v.ARN()), Name: new(v.Name)}, err
}

func (s *Service) getResourcePolicy(ctx context.Context, r store.Reader, c op.Caller, in *api.GetResourcePolicyInput) (*api.GetResourcePolicyOutput, error) {
	d, err := s.live(ctx, r, c, *in.SecretId)
	if err != nil {
		return nil, err
	}
	return &api.GetResourcePolicyOutput{ARN: new(d.Value.ARN()), Name: new(d.Value.Name), ResourcePolicy: op.Opt(d.Value.Policy)}, nil
}

func (s *Service) deleteResourcePolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteResourcePolicyInput) (*api.DeleteResourcePolicyOutput, error) {
	v, err := s.edit(ctx, tx, c, *in.SecretId, func(v *Secret) error {
		v.Policy = ""
		return nil
	})
	return &api.DeleteResourcePolicyOutput{ARN: new(v.ARN()), Name: new(v.Name)}, err
}

func (s *Service) validateResourcePolicy(_ context.Context, _ store.Reader, _ op.Caller, in *api.ValidateResourcePolicyInput) (*api.ValidateResourcePolicyOutput, error) {
	out := &api.ValidateResourcePolicyOutput{PolicyValidationPassed: new(true), ValidationErrors: []api.ValidationErrorsEntry{}}
	fail := func(check, text string) {
		out.PolicyValidationPassed = new(false)
		out.ValidationErrors = append(out.ValidationErrors, api.ValidationErrorsEntry{CheckName: &check, ErrorMessage: &text})
	}
	d, err := policy.Parse(policy.Resource, *in.ResourcePolicy)
	switch {
	case err != nil:
		fail("MALFORMED", err.Error())
	case d.IsPublic():
		fail("NO_ACCESS_TO_PUBLIC", "The policy grants access to everybody.")
	}
	return out, nil
}
