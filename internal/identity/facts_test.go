package identity

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/identity/policy"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func TestKeysAreThoseThatRequestsHave(t *testing.T) {
	t.Parallel()
	const account = "100000000001"
	a := New(Deps{Clock: clock.System{}})
	scope := store.Scope{Account: account, Region: "us-east-1"}
	outside := op.Origin{Address: netip.MustParseAddr("203.0.113.7"), UserAgent: "aws-cli"}
	inside := op.Origin{Address: netip.MustParseAddr("10.0.0.9"), VPC: "vpc-1", TLS: true}
	resource := "arn:aws:codebuild:us-east-1:" + account + ":project/app"
	filled := map[string]bool{}
	for _, tc := range []struct {
		c op.Caller
		p principal
	}{
		{op.Caller{Scope: scope, ARN: "arn:aws:iam::" + account + ":user/bob", PrincipalID: "AIDA", Origin: outside}, principal{kind: "User", name: "bob", tags: map[string]string{"team": "a"}}},
		{op.Caller{Scope: scope, Session: &op.Session{RoleARN: "arn:aws:iam::" + account + ":role/r"}, Origin: inside}, principal{kind: "AssumedRole"}},
		{op.Caller{Scope: scope, Service: "codebuild.amazonaws.com", Source: resource}, principal{kind: "Service"}},
	} {
		tc.p.who = policy.Principal{Account: account, ARN: tc.c.ARN}
		for k := range a.request(Question{Caller: tc.c, Resource: resource}, tc.p).Context {
			name, _, isTag := strings.Cut(k, "/")
			if isTag {
				name += "/"
			}
			filled[name] = true
		}
	}
	var want []string
	for _, k := range Keys() {
		want = append(want, strings.ToLower(k))
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(filled)); !slices.Equal(got, want) {
		t.Errorf("requests have\n%s\nand Keys says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
