package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/store"
)

// DefaultAccount is made at first use.
const DefaultAccount = "100000000001"

// EnsureAccount makes the account and its root key where they are missing.
func (a *Authority) EnsureAccount(ctx context.Context, id, name string) error {
	if !isAccount(id) {
		return fmt.Errorf("account id %q: give 12 digits", id)
	}
	return a.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := a.Records.Accounts.Get(ctx, tx, Everywhere, id)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		key, _, err := a.NewAccessKey(id, "")
		if err != nil {
			return err
		}
		if _, err := a.Records.AccessKeys.Put(ctx, tx, Everywhere, key.ID, key, 0); err != nil {
			return fmt.Errorf("put root key of %s: %w", id, err)
		}
		account := Account{ID: id, Name: name, RootKey: key.ID, Created: a.Clock.Now()}
		_, err = a.Records.Accounts.Put(ctx, tx, Everywhere, id, account, 0)
		return err
	})
}

// Accounts lists the accounts of the installation.
func (a *Authority) Accounts(ctx context.Context) ([]Account, error) {
	var out []Account
	err := a.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		docs, err := a.Records.Accounts.List(ctx, r, Everywhere, store.Query{})
		out = nil
		for _, d := range docs {
			out = append(out, d.Value)
		}
		return err
	})
	return out, err
}

// Env is the root key of an account, which `penstock env` prints.
func (a *Authority) Env(ctx context.Context, account string) (Credentials, error) {
	var out Credentials
	err := a.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		d, err := a.Records.Accounts.Get(ctx, r, Everywhere, account)
		if err != nil {
			return fmt.Errorf("account %s: %w", account, err)
		}
		key, err := a.Records.AccessKeys.Get(ctx, r, Everywhere, d.Value.RootKey)
		if err != nil {
			return fmt.Errorf("root key of account %s: %w", account, err)
		}
		secret, err := a.Keys.Open(key.Value.ID, key.Value.Sealed)
		if err != nil {
			return fmt.Errorf("root key of account %s: %w", account, err)
		}
		out = Credentials{AccessKeyID: key.Value.ID, Secret: string(secret)}
		return nil
	})
	return out, err
}

// NewAccessKey makes a long-lived key for a user, or the root for "". The
// secret is shown once; the record holds it sealed.
func (a *Authority) NewAccessKey(account, user string) (AccessKey, string, error) {
	raw := make([]byte, 30) // 40 characters of base64
	rand.Read(raw)
	secret := base64.StdEncoding.EncodeToString(raw)
	k := AccessKey{ID: ids.Unique("AKIA", "")[:20], Account: account, User: user, Active: true, Created: a.Clock.Now()}
	var err error
	if k.Sealed, err = a.Keys.Seal(k.ID, []byte(secret)); err != nil {
		return k, "", fmt.Errorf("seal access key: %w", err)
	}
	return k, secret, nil
}
