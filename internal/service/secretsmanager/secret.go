package secretsmanager

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

var secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]+$`)

func (s *Service) createSecret(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateSecretInput) (*api.CreateSecretOutput, error) {
	if !secretName.MatchString(*in.Name) {
		return nil, &op.Error{Code: "ValidationException", Message: "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"}
	}
	if len(in.AddReplicaRegions) > 0 {
		return nil, api.InvalidParameterException("Replication to other regions is not offered by this installation: leave AddReplicaRegions out.")
	}
	if err := checkKey(in.KmsKeyId); err != nil {
		return nil, err
	}
	d, err := s.secrets.Get(ctx, tx, c.Scope, *in.Name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err == nil && !s.isGone(d.Value) {
		return s.createAgain(d.Value, in)
	}
	now := s.Clock.Now()
	v := Secret{
		Name: *in.Name, Suffix: suffix(c, *in.Name), Account: c.Account, Region: c.Region, Description: op.Val(in.Description), KMSKey: op.Val(in.KmsKeyId),
		Created: now, Changed: now, Owner: owner(c),
	}
	if v.Tags, err = tagMap(nil, in.Tags); err != nil {
		return nil, err
	}
	out := &api.CreateSecretOutput{ARN: new(v.ARN()), Name: in.Name}
	if in.SecretString != nil || in.SecretBinary != nil {
		if out.VersionId, err = s.put(&v, value{in.SecretString, in.SecretBinary}, in.ClientRequestToken, nil); err != nil {
			return nil, err
		}
	}
	_, err = s.secrets.Put(ctx, tx, c.Scope, v.Name, v, d.Version)
	return out, err
}

// createAgain: the same token with the same value is the same request.
func (s *Service) createAgain(have Secret, in *api.CreateSecretInput) (*api.CreateSecretOutput, error) {
	if have.isDeleted() {
		return nil, api.InvalidRequestException("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	exists := api.ResourceExistsException("The operation failed because the secret %s already exists.", have.Name)
	v := have.version(op.Val(in.ClientRequestToken))
	if v == nil {
		return nil, exists
	}
	same, err := s.isValue(have, *v, value{in.SecretString, in.SecretBinary})
	if err != nil {
		return nil, err
	}
	if !same {
		return nil, exists
	}
	return &api.CreateSecretOutput{ARN: new(have.ARN()), Name: new(have.Name), VersionId: new(v.ID)}, nil
}

func suffix(c op.Caller, name string) string {
	if c.Key == "" {
		return ids.Lower(6, "")
	}
	return ids.Lower(6, c.Key+name)
}

// owner is the service that made the secret for itself: "rds".
func owner(c op.Caller) string {
	if c.Session == nil || !strings.Contains(c.Session.RoleARN, ":role/aws-service-role/") {
		return ""
	}
	return strings.TrimSuffix(c.Service, ".amazonaws.com")
}

// checkKey: values are sealed under the installation's keyring, which AWS's
// default key stands for.
func checkKey(id *string) error {
	if id == nil || *id == "" || strings.HasSuffix(*id, "alias/aws/secretsmanager") {
		return nil
	}
	return api.InvalidParameterException("Customer managed KMS keys are not offered by this installation: leave KmsKeyId out, values are encrypted under the installation's keyring.")
}

func (s *Service) describeSecret(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeSecretInput) (*api.DescribeSecretOutput, error) {
	d, err := s.find(ctx, r, c, *in.SecretId)
	if err != nil {
		return nil, err
	}
	v := d.Value
	out := &api.DescribeSecretOutput{
		ARN: new(v.ARN()), Name: new(v.Name), Description: op.Opt(v.Description), KmsKeyId: op.Opt(v.KMSKey), LastChangedDate: op.At(v.Changed),
		DeletedDate: op.At(v.DeletedAt), Tags: showTags(v.Tags), CreatedDate: op.At(v.Created), OwningService: op.Opt(v.Owner),
	}
	if len(v.Versions) > 0 {
		out.VersionIdsToStages = v.stages()
	}
	return out, nil
}

func (s *Service) updateSecret(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateSecretInput) (*api.UpdateSecretOutput, error) {
	if err := checkKey(in.KmsKeyId); err != nil {
		return nil, err
	}
	var id *string
	v, err := s.edit(ctx, tx, c, *in.SecretId, func(v *Secret) (err error) {
		v.Description, v.KMSKey = op.Or(in.Description, v.Description), op.Or(in.KmsKeyId, v.KMSKey)
		v.Changed = s.Clock.Now()
		if in.SecretString == nil && in.SecretBinary == nil {
			return nil
		}
		if v.version(op.Val(in.ClientRequestToken)) != nil {
			return api.ResourceExistsException("You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", *in.ClientRequestToken, v.ARN())
		}
		id, err = s.put(v, value{in.SecretString, in.SecretBinary}, in.ClientRequestToken, nil)
		return err
	})
	return &api.UpdateSecretOutput{ARN: new(v.ARN()), Name: new(v.Name), VersionId: id}, err
}

const (
	windowMin, windowMax = 7, 30 // days
	day                  = 24 * time.Hour
)

func (s *Service) deleteSecret(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteSecretInput) (*api.DeleteSecretOutput, error) {
	force := op.Val(in.ForceDeleteWithoutRecovery)
	days := op.Or(in.RecoveryWindowInDays, windowMax)
	switch {
	case force && in.RecoveryWindowInDays != nil:
		return nil, api.InvalidParameterException("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	case days < windowMin || days > windowMax:
		return nil, api.InvalidParameterException("The RecoveryWindowInDays value must be between %d and %d days (inclusive).", windowMin, windowMax)
	}
	now := s.Clock.Now()
	d, err := s.find(ctx, tx, c, *in.SecretId)
	if force && isNotFound(err) { // as on AWS a forced deletion can be repeated
		return &api.DeleteSecretOutput{ARN: new(strings.TrimSuffix(named(c, in.SecretId)[0], unknownSuffix)), Name: in.SecretId, DeletionDate: op.At(now)}, nil
	}
	if err != nil {
		return nil, err
	}
	out := &api.DeleteSecretOutput{ARN: new(d.Value.ARN()), Name: new(d.Value.Name), DeletionDate: op.At(now)}
	if force {
		return out, s.secrets.Delete(ctx, tx, d.Scope, d.Key, d.Version)
	}
	if d, err = s.live(ctx, tx, c, *in.SecretId); err != nil {
		return nil, err
	}
	d.Value.DeletedAt, d.Value.DeleteAt = now, now.Add(time.Duration(days)*day)
	out.DeletionDate = op.At(d.Value.DeleteAt)
	_, err = s.secrets.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return out, err
}

func (s *Service) restoreSecret(ctx context.Context, tx store.Tx, c op.Caller, in *api.RestoreSecretInput) (*api.RestoreSecretOutput, error) {
	d, err := s.find(ctx, tx, c, *in.SecretId)
	if err != nil {
		return nil, err
	}
	d.Value.DeleteAt, d.Value.DeletedAt = time.Time{}, time.Time{}
	_, err = s.secrets.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return &api.RestoreSecretOutput{ARN: new(d.Value.ARN()), Name: new(d.Value.Name)}, err
}
