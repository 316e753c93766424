package secretsmanager

import (
	"context"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"slices"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// value is a secret's value as it comes in: one of the two.
type value struct {
	text   *string
	binary []byte
}

// LogValue keeps it out of logs.
func (value) LogValue() slog.Value { return slog.StringValue("[redacted]") }

func (v value) bytes() []byte {
	if v.text != nil {
		return []byte(*v.text)
	}
	return v.binary
}

func aad(s Secret, version string) string { return s.ARN() + " " + version }

// isValue tells whether a version holds v.
func (s *Service) isValue(have Secret, version Version, v value) (bool, error) {
	plain, err := s.Keys.Open(aad(have, version.ID), version.Sealed)
	if err != nil {
		return false, fmt.Errorf("open %s version %s: %w", have.Name, version.ID, err)
	}
	return version.Binary == (v.text == nil) && subtle.ConstantTimeCompare(plain, v.bytes()) == 1, nil
}

// put adds a version under the request's token. The same token with the same
// value changes nothing; with another value it is refused.
func (s *Service) put(have *Secret, v value, token *string, stages []string) (*string, error) {
	if token == nil || *token == "" {
		return nil, api.InvalidRequestException("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	}
	if v.text != nil && v.binary != nil {
		return nil, api.InvalidParameterException("You can't specify both a binary secret value and a string secret value in the same secret.")
	}
	if old := have.version(*token); old != nil {
		same, err := s.isValue(*have, *old, v)
		if err != nil {
			return nil, err
		}
		if !same {
			return nil, api.ResourceExistsException("You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", *token, have.ARN())
		}
		return token, nil
	}
	sealed, err := s.Keys.Seal(aad(*have, *token), v.bytes())
	if err != nil {
		return nil, fmt.Errorf("seal %s version %s: %w", have.Name, *token, err)
	}
	now := s.Clock.Now()
	have.add(Version{ID: *token, Created: now, Sealed: sealed, Binary: v.text == nil}, stages, now)
	return token, nil
}

func (s *Service) putSecretValue(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutSecretValueInput) (*api.PutSecretValueOutput, error) {
	if in.SecretString == nil && in.SecretBinary == nil {
		return nil, api.InvalidRequestException("You must provide either SecretString or SecretBinary.")
	}
	var id *string
	v, err := s.edit(ctx, tx, c, *in.SecretId, func(v *Secret) (err error) {
		id, err = s.put(v, value{in.SecretString, in.SecretBinary}, in.ClientRequestToken, in.VersionStages)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.PutSecretValueOutput{ARN: new(v.ARN()), Name: new(v.Name), VersionId: id, VersionStages: v.version(*id).Stages}, nil
}

// choose finds the version that a read asks for.
func choose(have *Secret, id, stage *string) (*Version, error) {
	if id == nil {
		want := op.Or(stage, current)
		if v := have.staged(want); v != nil {
			return v, nil
		}
		return nil, api.ResourceNotFoundException("Secrets Manager can't find the specified secret value for staging label: %s", want)
	}
	v := have.version(*id)
	if v == nil {
		return nil, api.ResourceNotFoundException("Secrets Manager can't find the specified secret value for VersionId: %s", *id)
	}
	if stage != nil && !slices.Contains(v.Stages, *stage) {
		return nil, api.InvalidRequestException("You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return v, nil
}

func (s *Service) getSecretValue(ctx context.Context, r store.Reader, c op.Caller, in *api.GetSecretValueInput) (*api.GetSecretValueOutput, error) {
	d, err := s.live(ctx, r, c, *in.SecretId)
	if err != nil {
		return nil, err
	}
	v, err := choose(&d.Value, in.VersionId, in.VersionStage)
	if err != nil {
		return nil, err
	}
	plain, err := s.Keys.Open(aad(d.Value, v.ID), v.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open %s version %s: %w", d.Value.Name, v.ID, err)
	}
	out := &api.GetSecretValueOutput{ARN: new(d.Value.ARN()), Name: new(d.Value.Name), VersionId: new(v.ID), VersionStages: v.Stages, CreatedDate: op.At(v.Created)}
	if v.Binary {
		out.SecretBinary = plain
		return out, nil
	}
	out.SecretString = new(string(plain))
	return out, nil
}
