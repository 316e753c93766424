package secretsmanager

import (
	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface of the service.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.CreateSecret, func(c op.Caller, in *api.CreateSecretInput) []string { return named(c, in.Name) }, s.createSecret).With(
			op.KeyMember("secretsmanager:Name", func(in *api.CreateSecretInput) *string { return in.Name }),
			op.KeyMember("secretsmanager:Description", func(in *api.CreateSecretInput) *string { return in.Description }),
			op.KeyMember("secretsmanager:KmsKeyId", func(in *api.CreateSecretInput) *string { return in.KmsKeyId })),
		op.Read(api.DescribeSecret, func(c op.Caller, in *api.DescribeSecretInput) []string { return named(c, in.SecretId) }, s.describeSecret),
		op.Read(api.GetSecretValue, func(c op.Caller, in *api.GetSecretValueInput) []string { return named(c, in.SecretId) }, s.getSecretValue).With(
			op.KeyMember("secretsmanager:VersionId", func(in *api.GetSecretValueInput) *string { return in.VersionId }),
			op.KeyOf("secretsmanager:VersionStage", func(_ op.Caller, in *api.GetSecretValueInput) []string { return stageAsked(in) })),
		op.Read(api.BatchGetSecretValue, nil, s.batchGetSecretValue),
		op.Read(api.ListSecrets, nil, s.listSecrets),
		op.Read(api.ListSecretVersionIds, func(c op.Caller, in *api.ListSecretVersionIdsInput) []string { return named(c, in.SecretId) }, s.listSecretVersionIds),
		op.Change(api.PutSecretValue, func(c op.Caller, in *api.PutSecretValueInput) []string { return named(c, in.SecretId) }, s.putSecretValue),
		op.Change(api.UpdateSecret, func(c op.Caller, in *api.UpdateSecretInput) []string { return named(c, in.SecretId) }, s.updateSecret).With(
			op.KeyMember("secretsmanager:Description", func(in *api.UpdateSecretInput) *string { return in.Description }),
			op.KeyMember("secretsmanager:KmsKeyId", func(in *api.UpdateSecretInput) *string { return in.KmsKeyId })),
		op.Change(api.UpdateSecretVersionStage, func(c op.Caller, in *api.UpdateSecretVersionStageInput) []string { return named(c, in.SecretId) }, s.updateSecretVersionStage).
			With(op.KeyMember("secretsmanager:VersionStage", func(in *api.UpdateSecretVersionStageInput) *string { return in.VersionStage })),
		op.Change(api.DeleteSecret, func(c op.Caller, in *api.DeleteSecretInput) []string { return named(c, in.SecretId) }, s.deleteSecret).With(
			op.KeyMember("secretsmanager:RecoveryWindowInDays", func(in *api.DeleteSecretInput) *int64 { return in.RecoveryWindowInDays }),
			op.KeyMember("secretsmanager:ForceDeleteWithoutRecovery", func(in *api.DeleteSecretInput) *bool { return in.ForceDeleteWithoutRecovery })),
		op.Change(api.RestoreSecret, func(c op.Caller, in *api.RestoreSecretInput) []string { return named(c, in.SecretId) }, s.restoreSecret),
		op.Change(api.PutResourcePolicy, func(c op.Caller, in *api.PutResourcePolicyInput) []string { return named(c, in.SecretId) }, s.putResourcePolicy).
			With(op.KeyMember("secretsmanager:BlockPublicPolicy", func(in *api.PutResourcePolicyInput) *bool { return in.BlockPublicPolicy })),
		op.Read(api.GetResourcePolicy, func(c op.Caller, in *api.GetResourcePolicyInput) []string { return named(c, in.SecretId) }, s.getResourcePolicy),
		op.Change(api.DeleteResourcePolicy, func(c op.Caller, in *api.DeleteResourcePolicyInput) []string { return named(c, in.SecretId) }, s.deleteResourcePolicy),
		op.Read(api.ValidateResourcePolicy, func(c op.Caller, in *api.ValidateResourcePolicyInput) []string { return named(c, in.SecretId) }, s.validateResourcePolicy),
		op.Change(api.TagResource, func(c op.Caller, in *api.TagResourceInput) []string { return named(c, in.SecretId) }, s.tagResource),
		op.Change(api.UntagResource, func(c op.Caller, in *api.UntagResourceInput) []string { return named(c, in.SecretId) }, s.untagResource),
		op.Read(api.GetRandomPassword, nil, s.getRandomPassword),
	}
}

// stageAsked is the label of the version that is asked for: without one, and without
// a version's id, it is the current.
func stageAsked(in *api.GetSecretValueInput) []string {
	if in.VersionStage == nil && in.VersionId != nil {
		return nil
	}
	return []string{op.Or(in.VersionStage, current)}
}
