package secretsmanager

import (
	"context"
	"slices"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) updateSecretVersionStage(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateSecretVersionStageInput) (*api.UpdateSecretVersionStageOutput, error) {
	v, err := s.edit(ctx, tx, c, *in.SecretId, func(v *Secret) error {
		v.Changed = s.Clock.Now()
		return moveStage(v, *in.VersionStage, in.RemoveFromVersionId, in.MoveToVersionId)
	})
	return &api.UpdateSecretVersionStageOutput{ARN: new(v.ARN()), Name: new(v.Name)}, err
}

// moveStage: a label that is somewhere must be named as leaving from there.
func moveStage(v *Secret, stage string, from, to *string) error {
	if from == nil && to == nil {
		return api.InvalidParameterException("You must provide at least one of MoveToVersionId and RemoveFromVersionId.")
	}
	for _, id := range []*string{from, to} {
		if id != nil && v.version(*id) == nil {
			return api.ResourceNotFoundException("Secrets Manager can't find the specified secret value for VersionId: %s", *id)
		}
	}
	at := v.staged(stage)
	switch {
	case from != nil && (at == nil || at.ID != *from):
		return api.InvalidParameterException("The parameter RemoveFromVersionId can't be %s: staging label %s is not attached to that version.", *from, stage)
	case at != nil && from == nil && to != nil && at.ID != *to:
		return api.InvalidParameterException("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", stage, at.ID)
	case to == nil && stage == current:
		return api.InvalidParameterException("You can only move staging label %s to a different secret version. It can't be completely removed.", current)
	case to == nil:
		v.take(stage)
	case stage == current:
		v.promote(*to)
	default:
		v.give(*to, stage)
	}
	return nil
}

func (s *Service) listSecretVersionIds(ctx context.Context, r store.Reader, c op.Caller, in *api.ListSecretVersionIdsInput) (*api.ListSecretVersionIdsOutput, error) {
	d, err := s.find(ctx, r, c, *in.SecretId)
	if err != nil {
		return nil, err
	}
	shown := slices.DeleteFunc(slices.Clone(d.Value.Versions), func(v Version) bool { return len(v.Stages) == 0 && !op.Val(in.IncludeDeprecated) })
	shown, next, err := page(shown, func(v Version) string { return v.ID }, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &api.ListSecretVersionIdsOutput{ARN: new(d.Value.ARN()), Name: new(d.Value.Name), Versions: []api.SecretVersionsListEntry{}, NextToken: next}
	for _, v := range shown {
		out.Versions = append(out.Versions, api.SecretVersionsListEntry{VersionId: new(v.ID), VersionStages: v.Stages, CreatedDate: op.At(v.Created), KmsKeyIds: []string{"DefaultEncryptionKey"}})
	}
	return out, nil
}
