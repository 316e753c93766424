package iam

import (
	"context"
	"errors"
	"strings"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// keyMax is AWS's quota of access keys per user.
const keyMax = 2

func (s *Service) keysOf(ctx context.Context, r store.Reader, account, user string) ([]store.Doc[identity.AccessKey], error) {
	return s.Records.AccessKeys.List(ctx, r, identity.Everywhere, store.Query{Index: "owner", Equal: identity.KeyOwner(account, user)})
}

func (s *Service) createAccessKey(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateAccessKeyInput) (*api.CreateAccessKeyOutput, error) {
	user, err := s.owner(ctx, tx, c, in.UserName)
	if err != nil {
		return nil, err
	}
	keys, err := s.keysOf(ctx, tx, c.Account, user)
	if err != nil {
		return nil, err
	}
	if len(keys) >= keyMax {
		return nil, api.LimitExceededException("Cannot exceed quota for AccessKeysPerUser: %d", keyMax)
	}
	key, secret, err := s.Authority.NewAccessKey(c.Account, user)
	if err != nil {
		return nil, err
	}
	if _, err := s.Records.AccessKeys.Put(ctx, tx, identity.Everywhere, key.ID, key, 0); err != nil {
		return nil, wrap(err, "put access key")
	}
	return &api.CreateAccessKeyOutput{AccessKey: &api.AccessKey{
		UserName: new(user), AccessKeyId: new(key.ID), Status: new("Active"), SecretAccessKey: &secret, CreateDate: op.At(key.Created),
	}}, nil
}

// owner is the user that a key operation is about, checked to exist; "" is the root.
func (s *Service) owner(ctx context.Context, r store.Reader, c op.Caller, name *string) (string, error) {
	user, err := nameOr(c, name)
	if err != nil || user == "" {
		return "", err
	}
	d, err := s.users.get(ctx, r, c.Account, user)
	return d.Value.Name, err
}

func (s *Service) listAccessKeys(ctx context.Context, r store.Reader, c op.Caller, in *api.ListAccessKeysInput) (*api.ListAccessKeysOutput, error) {
	user, err := s.owner(ctx, r, c, in.UserName)
	if err != nil {
		return nil, err
	}
	keys, err := s.keysOf(ctx, r, c.Account, user)
	if err != nil {
		return nil, err
	}
	out := &api.ListAccessKeysOutput{AccessKeyMetadata: []api.AccessKeyMetadata{}}
	keys, out.IsTruncated, out.Marker = page(keys, func(d store.Doc[identity.AccessKey]) string { return d.Key }, in.Marker, in.MaxItems)
	for _, k := range keys {
		out.AccessKeyMetadata = append(out.AccessKeyMetadata, api.AccessKeyMetadata{
			UserName: new(user), AccessKeyId: new(k.Value.ID), Status: new(status(k.Value.Active)), CreateDate: op.At(k.Value.Created),
		})
	}
	return out, nil
}

func status(active bool) string {
	if active {
		return api.StatusTypeActive
	}
	return api.StatusTypeInactive
}

func (s *Service) accessKey(ctx context.Context, r store.Reader, c op.Caller, name *string, id string) (store.Doc[identity.AccessKey], error) {
	missing := api.NoSuchEntityException("The Access Key with id %s cannot be found.", id)
	user, err := s.owner(ctx, r, c, name)
	if err != nil {
		return store.Doc[identity.AccessKey]{}, err
	}
	d, err := s.Records.AccessKeys.Get(ctx, r, identity.Everywhere, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (d.Value.Account != c.Account || !strings.EqualFold(d.Value.User, user)) {
		return d, missing
	}
	return d, err
}

func (s *Service) updateAccessKey(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateAccessKeyInput) (*api.UpdateAccessKeyOutput, error) {
	d, err := s.accessKey(ctx, tx, c, in.UserName, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	d.Value.Active = *in.Status == api.StatusTypeActive
	tx.OnCommit(func() { s.Authority.Forget(d.Key) })
	_, err = s.Records.AccessKeys.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return &api.UpdateAccessKeyOutput{}, err
}

// deleteAccessKey keeps the key that the operator's `penstock env` prints: without
// it nobody could get in again.
func (s *Service) deleteAccessKey(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteAccessKeyInput) (*api.DeleteAccessKeyOutput, error) {
	d, err := s.accessKey(ctx, tx, c, in.UserName, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	account, err := s.Records.Accounts.Get(ctx, tx, identity.Everywhere, c.Account)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if account.Value.RootKey == d.Key {
		return nil, api.DeleteConflictException("The access key %s is the installation's own root key of account %s and cannot be deleted.", d.Key, c.Account)
	}
	tx.OnCommit(func() { s.Authority.Forget(d.Key) })
	return &api.DeleteAccessKeyOutput{}, s.Records.AccessKeys.Delete(ctx, tx, d.Scope, d.Key, d.Version)
}

func (s *Service) getAccessKeyLastUsed(ctx context.Context, r store.Reader, c op.Caller, in *api.GetAccessKeyLastUsedInput) (*api.GetAccessKeyLastUsedOutput, error) {
	d, err := s.Records.AccessKeys.Get(ctx, r, identity.Everywhere, *in.AccessKeyId)
	if errors.Is(err, store.ErrNotFound) || err == nil && d.Value.Account != c.Account {
		return nil, &op.Error{Code: "AccessDenied", Status: 403, Message: "The access key " + *in.AccessKeyId + " does not belong to this account."}
	}
	// Uses are not counted: AWS says N/A for a key that it has not seen used.
	return &api.GetAccessKeyLastUsedOutput{UserName: op.Opt(d.Value.User), AccessKeyLastUsed: &api.AccessKeyLastUsed{ServiceName: new("N/A"), Region: new("N/A")}}, err
}

// moveKeys gives a renamed user's keys and credentials the new name.
func (s *Service) moveKeys(ctx context.Context, tx store.Tx, account, from, to string) error {
	keys, err := s.keysOf(ctx, tx, account, from)
	if err != nil {
		return err
	}
	for _, d := range keys {
		d.Value.User = to
		if _, err := s.Records.AccessKeys.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version); err != nil {
			return wrap(err, "move access key %s", d.Key)
		}
	}
	credentials, err := s.credentialsOf(ctx, tx, account, from)
	if err != nil {
		return err
	}
	for _, d := range credentials {
		d.Value.User = to
		if _, err := s.Records.ServiceCredentials.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version); err != nil {
			return wrap(err, "move credential %s", d.Key)
		}
	}
	return nil
}
