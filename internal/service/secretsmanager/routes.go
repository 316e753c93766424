package secretsmanager

import (
	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface of the service.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.CreateSecret, func(c op.Caller, in *api.CreateSecretInput) []string { return named(c, in.Name) }, s.createSecret),
		op.Read(api.DescribeSecret, func(c op.Caller, in *api.DescribeSecretInput) []string { return named(c, in.SecretId) }, s.describeSecret),
		op.Read(api.GetSecretValue, func(c op.Caller, in *api.GetSecretValueInput) []string { return named(c, in.SecretId) }, s.getSecretValue),
		op.Read(api.BatchGetSecretValue, nil, s.batchGetSecretValue),
		op.Read(api.ListSecrets, nil, s.listSecrets),
		op.Read(api.ListSecretVersionIds, func(c op.Caller, in *api.ListSecretVersionIdsInput) []string { return named(c, in.SecretId) }, s.listSecretVersionIds),
		op.Change(api.PutSecretValue, func(c op.Caller, in *api.PutSecretValueInput) []string { return named(c, in.SecretId) }, s.putSecretValue),
		op.Change(api.UpdateSecret, func(c op.Caller, in *api.UpdateSecretInput) []string { return named(c, in.SecretId) }, s.updateSecret),
		op.Change(api.UpdateSecretVersionStage, func(c op.Caller, in *api.UpdateSecretVersionStageInput) []string { return named(c, in.SecretId) }, s.updateSecretVersionStage),
		op.Change(api.DeleteSecret, func(c op.Caller, in *api.DeleteSecretInput) []string { return named(c, in.SecretId) }, s.deleteSecret),
		op.Change(api.RestoreSecret, func(c op.Caller, in *api.RestoreSecretInput) []string { return named(c, in.SecretId) }, s.restoreSecret),
		op.Change(api.PutResourcePolicy, func(c op.Caller, in *api.PutResourcePolicyInput) []string { return named(c, in.SecretId) }, s.putResourcePolicy),
		op.Read(api.GetResourcePolicy, func(c op.Caller, in *api.GetResourcePolicyInput) []string { return named(c, in.SecretId) }, s.getResourcePolicy),
		op.Change(api.DeleteResourcePolicy, func(c op.Caller, in *api.DeleteResourcePolicyInput) []string { return named(c, in.SecretId) }, s.deleteResourcePolicy),
		op.Read(api.ValidateResourcePolicy, func(c op.Caller, in *api.ValidateResourcePolicyInput) []string { return named(c, in.SecretId) }, s.validateResourcePolicy),
		op.Change(api.TagResource, func(c op.Caller, in *api.TagResourceInput) []string { return named(c, in.SecretId) }, s.tagResource),
		op.Change(api.UntagResource, func(c op.Caller, in *api.UntagResourceInput) []string { return named(c, in.SecretId) }, s.untagResource),
		op.Read(api.GetRandomPassword, nil, s.getRandomPassword),
	}
}
