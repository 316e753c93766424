package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func invalidKey() *op.Error {
	return &op.Error{Code: "InvalidClientTokenId", Status: http.StatusForbidden, Message: "The security token included in the request is invalid."}
}

// Lookup finds the secret of an access key and who bears it.
func (a *Authority) Lookup(ctx context.Context, accessKeyID, token string) (string, op.Caller, error) {
	now := a.Clock.Now()
	if k, ok := a.known.get(accessKeyID, token, now); ok {
		return k.secret, k.caller, nil
	}
	find := a.longLived
	if strings.HasPrefix(accessKeyID, "ASIA") {
		find = a.temporary
	}
	k, err := find(ctx, accessKeyID, token, now)
	if err != nil {
		return "", op.Caller{}, err
	}
	a.known.put(accessKeyID, k)
	return k.secret, k.caller, nil
}

// Forget drops a key from memory; the iam service calls it when a change of the
// key, its user or its role is committed. "" drops all.
func (a *Authority) Forget(accessKeyID string) { a.known.forget(accessKeyID) }

func (a *Authority) longLived(ctx context.Context, id, token string, now time.Time) (known, error) {
	if token != "" {
		return known{}, invalidKey()
	}
	k := known{until: now.Add(lookupAge)}
	err := a.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		d, err := a.Records.AccessKeys.Get(ctx, r, Everywhere, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && !d.Value.Active {
			return invalidKey()
		}
		if err != nil {
			return fmt.Errorf("read access key %s: %w", id, err)
		}
		secret, err := a.Keys.Open(id, d.Value.Sealed)
		if err != nil {
			return fmt.Errorf("access key %s: %w", id, err)
		}
		k.secret = string(secret)
		k.caller = op.Caller{Scope: store.Scope{Account: d.Value.Account}, AccessKeyID: id}
		if d.Value.User == "" {
			k.caller.ARN, k.caller.PrincipalID = arn.New("iam", "", d.Value.Account, "root"), d.Value.Account
			return nil
		}
		u, err := a.Records.Users.Get(ctx, r, In(d.Value.Account), Key(d.Value.User))
		if errors.Is(err, store.ErrNotFound) {
			return invalidKey()
		}
		k.caller.ARN, k.caller.PrincipalID = u.Value.ARN(), u.Value.ID
		return err
	})
	return k, err
}

// temporary opens a session token. Its role or user must still be the one that
// it was made for: the unique id, not the name, tells.
func (a *Authority) temporary(ctx context.Context, id, token string, now time.Time) (known, error) {
	claims, secret, ok := a.Keys.OpenToken(token)
	if !ok || claims.AccessKeyID != id {
		return known{}, invalidKey()
	}
	expires := time.Unix(claims.ExpiresAt, 0)
	if !now.Before(expires) {
		return known{}, &op.Error{Code: "ExpiredToken", Status: http.StatusForbidden, Message: "The security token included in the request is expired"}
	}
	k := known{secret: secret, caller: claims.Caller(), token: token, until: now.Add(lookupAge)}
	if k.until.After(expires) {
		k.until = expires
	}
	err := a.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		current, err := a.currentID(ctx, r, claims)
		if errors.Is(err, store.ErrNotFound) {
			return invalidKey()
		}
		if bearer, _, _ := strings.Cut(claims.PrincipalID, ":"); err == nil && bearer != current {
			return invalidKey()
		}
		return err
	})
	return k, err
}

// currentID is the unique id that the claims' role or user has now.
func (a *Authority) currentID(ctx context.Context, r store.Reader, c Claims) (string, error) {
	if c.RoleARN != "" {
		role, err := a.findRole(ctx, r, c.RoleARN)
		return role.ID, err
	}
	if strings.HasSuffix(c.ARN, ":root") {
		return c.Account, nil
	}
	u, err := a.Records.Users.Get(ctx, r, In(c.Account), Key(lastName(c.ARN)))
	return u.Value.ID, err
}

// ServiceSpecific checks a service-specific credential, as Git over HTTPS sends it,
// and is its user's caller. A wrong one is InvalidClientTokenId.
func (a *Authority) ServiceSpecific(ctx context.Context, service, name, password string) (op.Caller, error) {
	var c op.Caller
	err := a.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		d, err := a.Records.ServiceCredentials.Get(ctx, r, Everywhere, service+"/"+name)
		if errors.Is(err, store.ErrNotFound) || err == nil && !d.Value.Active {
			return invalidKey()
		}
		if err != nil {
			return fmt.Errorf("read credential %s: %w", name, err)
		}
		secret, err := a.Keys.Open(d.Value.ID, d.Value.Sealed)
		if err != nil {
			return fmt.Errorf("credential %s: %w", name, err)
		}
		if !same(string(secret), password) {
			return invalidKey()
		}
		u, err := a.Records.Users.Get(ctx, r, In(d.Value.Account), Key(d.Value.User))
		if errors.Is(err, store.ErrNotFound) {
			return invalidKey()
		}
		c = op.Caller{Scope: store.Scope{Account: d.Value.Account}, ARN: u.Value.ARN(), PrincipalID: u.Value.ID, AccessKeyID: d.Value.ID}
		return err
	})
	return c, err
}
