package sts

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/sts"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) getCallerIdentity(_ context.Context, _ store.Reader, c op.Caller, _ *api.GetCallerIdentityInput) (*api.GetCallerIdentityOutput, error) {
	return &api.GetCallerIdentityOutput{UserId: new(c.PrincipalID), Account: new(c.Account), Arn: new(c.ARN)}, nil
}

const (
	sessionDuration = 43200 // 12 hours, AWS's default of GetSessionToken
	rootDuration    = 3600
)

func (s *Service) getSessionToken(_ context.Context, _ store.Reader, c op.Caller, in *api.GetSessionTokenInput) (*api.GetSessionTokenOutput, error) {
	if c.Session != nil {
		return nil, &op.Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "Cannot call GetSessionToken with session credentials"}
	}
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, &op.Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "MultiFactorAuthentication failed with invalid MFA one time pass code."}
	}
	seconds := op.Or(in.DurationSeconds, sessionDuration)
	if strings.HasSuffix(c.ARN, ":root") {
		seconds = min(seconds, rootDuration)
	}
	claims := identity.Claims{Account: c.Account, ARN: c.ARN, PrincipalID: c.PrincipalID}
	minted, err := s.Keys.Mint(claims, s.Clock.Now(), time.Duration(seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return &api.GetSessionTokenOutput{Credentials: show(minted)}, nil
}

// getAccessKeyInfo knows long-lived keys; a temporary key's account stands in its
// token alone.
func (s *Service) getAccessKeyInfo(ctx context.Context, r store.Reader, c op.Caller, in *api.GetAccessKeyInfoInput) (*api.GetAccessKeyInfoOutput, error) {
	d, err := s.Records.AccessKeys.Get(ctx, r, identity.Everywhere, *in.AccessKeyId)
	if errors.Is(err, store.ErrNotFound) {
		if c.AccessKeyID == *in.AccessKeyId {
			return &api.GetAccessKeyInfoOutput{Account: new(c.Account)}, nil
		}
		return nil, invalid("The access key " + *in.AccessKeyId + " is unknown.")
	}
	return &api.GetAccessKeyInfoOutput{Account: new(d.Value.Account)}, err
}
