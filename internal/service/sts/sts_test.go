package sts

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "github.com/penstock-ci/penstock/api/sts"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/identity/policy"
	"github.com/penstock-ci/penstock/internal/op"
)

func TestSessionTokenStandsForItsCaller(t *testing.T) {
	t.Parallel()
	keys, err := identity.OpenKeyring(filepath.Join(t.TempDir(), "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	records := identity.NewRecords()
	s := New(Deps{Records: records, Keys: keys})
	d := dispatchtest.With(t, nil, records.Tables(), s.Handlers()...)
	out, err := op.Call(t.Context(), d, d.User("bob"), api.GetSessionToken, &api.GetSessionTokenInput{DurationSeconds: new(int32(900))})
	if err != nil {
		t.Fatal(err)
	}
	claims, secret, ok := keys.OpenToken(*out.Credentials.SessionToken)
	if !ok || secret != *out.Credentials.SecretAccessKey || claims.ExpiresAt-claims.IssuedAt != 900 {
		t.Fatalf("got %+v", claims)
	}
	who, err := op.Call(t.Context(), d, claims.Caller(), api.GetCallerIdentity, &api.GetCallerIdentityInput{})
	if err != nil || *who.Arn != d.User("bob").ARN || *who.Account != dispatchtest.Account || *who.UserId != "AIDAbob" {
		t.Fatalf("got %+v, %v", who, err)
	}
	_, err = op.Call(t.Context(), d, claims.Caller(), api.GetSessionToken, &api.GetSessionTokenInput{})
	if e, ok := errors.AsType[*op.Error](err); !ok || e.Message != "Cannot call GetSessionToken with session credentials" {
		t.Errorf("got %v", err)
	}
}

func TestDurationIsBound(t *testing.T) {
	t.Parallel()
	chained := op.Caller{Session: &op.Session{RoleARN: "arn:aws:iam::100000000001:role/a"}}
	for name, tc := range map[string]struct {
		caller op.Caller
		max    int
		asked  *int32
		want   time.Duration
		fails  string
	}{
		"an hour unless said":             {want: time.Hour},
		"what the role allows":            {max: 7200, asked: new(int32(7200)), want: 2 * time.Hour},
		"more than the role allows":       {max: 7200, asked: new(int32(7201)), fails: "MaxSessionDuration"},
		"a chained session lasts an hour": {caller: chained, max: 7200, asked: new(int32(7200)), fails: "role chaining"},
	} {
		got, err := duration(tc.caller, identity.Role{MaxSession: tc.max}, tc.asked)
		if got != tc.want || (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestSessionPoliciesAreJoined(t *testing.T) {
	t.Parallel()
	one := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
	two := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:*","Resource":"*"},{"Effect":"Deny","Action":"s3:Put*","Resource":"*"}]}`
	merged, err := merge([]string{one, two})
	if err != nil {
		t.Fatal(err)
	}
	d, err := policy.Parse(policy.Identity, merged)
	if err != nil {
		t.Fatal(err)
	}
	for action, want := range map[string]bool{"s3:GetObject": true, "ecr:PutImage": true, "s3:PutObject": false, "ecs:RunTask": false} {
		if got := policy.Evaluate(&policy.Request{Action: action, Resource: "*"}, policy.Set{Identity: []*policy.Document{d}}) == ""; got != want {
			t.Errorf("%s: got %v", action, got)
		}
	}
}
