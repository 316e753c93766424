package policy

import (
	"strings"
	"testing"
)

const (
	alice   = "arn:aws:iam::100000000001:user/alice"
	role    = "arn:aws:iam::100000000001:role/deploy"
	session = "arn:aws:sts::100000000001:assumed-role/deploy/x"
	bucket  = "arn:aws:s3:::app/key"
)

func doc(t testing.TB, kind Kind, statements string) *Document {
	t.Helper()
	if statements == "" {
		return nil
	}
	d, err := Parse(kind, `{"Version":"2012-10-17","Statement":[`+statements+`]}`)
	if err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
	return d
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	const (
		allowAll  = `{"Effect":"Allow","Action":"*","Resource":"*"}`
		denyGet   = `{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`
		allowGet  = `{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::app/*"}`
		onlyPut   = `{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}`
		toAlice   = `{"Effect":"Allow","Principal":{"AWS":"` + alice + `"},"Action":"s3:*","Resource":"*"}`
		toAccount = `{"Effect":"Allow","Principal":{"AWS":"100000000001"},"Action":"s3:*","Resource":"*"}`
		toRole    = `{"Effect":"Allow","Principal":{"AWS":"` + role + `"},"Action":"s3:*","Resource":"*"}`
		toService = `{"Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":"s3:*","Resource":"*"}`
		toSession = `{"Effect":"Allow","Principal":{"AWS":"` + session + `"},"Action":"s3:*","Resource":"*"}`
		denyOther = `{"Effect":"Deny","NotPrincipal":{"AWS":"` + role + `"},"Action":"s3:*","Resource":"*"}`
		noAllow   = "because no identity-based policy allows the s3:GetObject action"
	)
	for name, tc := range map[string]struct {
		identity, boundary, session, resource string
		principal                             Principal
		owner                                 string
		root                                  bool
		want                                  string
	}{
		"nothing said is no":                             {want: noAllow},
		"an allow is enough":                             {identity: allowGet},
		"a deny wins over an allow":                      {identity: allowAll + "," + denyGet, want: "with an explicit deny in an identity-based policy"},
		"a boundary must allow too":                      {identity: allowAll, boundary: onlyPut, want: "because no permissions boundary allows the s3:GetObject action"},
		"a boundary alone allows nothing":                {boundary: allowAll, want: noAllow},
		"a boundary's deny is named":                     {identity: allowAll, boundary: allowAll + "," + denyGet, want: "with an explicit deny in a permissions boundary"},
		"a session policy must allow too":                {identity: allowAll, session: onlyPut, want: "because no session policy allows the s3:GetObject action"},
		"a session policy's deny is named":               {identity: allowAll, session: denyGet, want: "with an explicit deny in a session policy"},
		"a resource policy naming the user grants alone": {resource: toAlice, boundary: onlyPut},
		"a resource policy naming the account delegates": {resource: toAccount, want: noAllow},
		"account and identity policy together allow":     {resource: toAccount, identity: allowGet},
		"a resource policy naming the role grants":       {resource: toRole, principal: Principal{"100000000001", session, role, ""}},
		"a grant to the role is capped by the boundary":  {resource: toRole, boundary: onlyPut, principal: Principal{"100000000001", session, role, ""}, want: "because no permissions boundary allows the s3:GetObject action"},
		"a grant to the session is not":                  {resource: toSession, boundary: onlyPut, principal: Principal{"100000000001", session, role, ""}},
		"another account's resource must allow":          {identity: allowAll, owner: "200000000002", want: "because no resource-based policy allows the s3:GetObject action"},
		"another account's resource alone is not enough": {resource: toAlice, owner: "200000000002", want: noAllow},
		"both accounts together allow":                   {resource: toAlice, identity: allowGet, owner: "200000000002"},
		"a service is let in by the resource's policy":   {resource: toService, owner: "200000000002", principal: Principal{Service: "codebuild.amazonaws.com"}},
		"a service is not let in by anything else":       {resource: toAccount, identity: allowAll, owner: "200000000002", principal: Principal{Service: "codebuild.amazonaws.com"}, want: "because no resource-based policy allows the s3:GetObject action"},
		"root needs no policy":                           {root: true},
		"root is bound by a resource policy's deny":      {root: true, resource: denyOther, want: "with an explicit deny in a resource-based policy"},
		"a deny to all but the role spares the role":     {identity: allowGet, resource: denyOther, principal: Principal{"100000000001", session, role, ""}},
		"NotAction covers the rest":                      {identity: `{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`},
		"NotAction leaves out what it names":             {identity: `{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}`, want: noAllow},
		"NotResource covers the rest":                    {identity: `{"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:::other/*"}`},
		"actions are matched whatever their case":        {identity: `{"Effect":"Allow","Action":"S3:getobject","Resource":"*"}`},
		"resources are matched by case":                  {identity: `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::APP/*"}`, want: noAllow},
		"a question mark is one character":               {identity: `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::ap?/k??"}`},
		"a variable is resolved":                         {identity: `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:PrincipalTag/app}/*"}`},
		"a variable's star is a star, not a wildcard":    {identity: `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:PrincipalTag/star}/*"}`, want: noAllow},
		"an unresolved variable matches nothing":         {identity: `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:PrincipalTag/none}*"}`, want: noAllow},
		"an unresolved variable takes its default":       {identity: `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:PrincipalTag/none, 'app'}/*"}`},
		"a condition that fails withholds the allow":     {identity: `{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/app":"x"}}}`, want: noAllow},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.principal == (Principal{}) {
				tc.principal = Principal{Account: "100000000001", ARN: alice}
			}
			s := Set{Boundary: doc(t, Identity, tc.boundary), Resource: doc(t, Resource, tc.resource), Owner: tc.owner, Root: tc.root}
			if tc.identity != "" {
				s.Identity = []*Document{doc(t, Identity, tc.identity)}
			}
			if tc.session != "" {
				s.Session = []*Document{doc(t, Identity, tc.session)}
			}
			q := &Request{Action: "s3:GetObject", Resource: bucket, Principal: tc.principal, Context: map[string][]string{
				"aws:principaltag/app": {"app"}, "aws:principaltag/star": {"*"},
			}}
			if got := Evaluate(q, s); got != tc.want {
				t.Errorf("got %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	q := &Request{Action: "s3:GetObject", Resource: bucket, Context: map[string][]string{
		"aws:sourceip": {"10.0.3.7"}, "aws:securetransport": {"false"}, "aws:requestedregion": {"us-east-1"},
		"aws:tagkeys": {"team", "env"}, "aws:principalarn": {role}, "aws:currenttime": {"2026-11-26T10:00:00Z"},
		"n": {"5"}, "blank": {""}, "aws:username": {"alice"},
	}}
	for condition, want := range map[string]bool{
		`{"StringEquals":{"aws:RequestedRegion":["eu-west-1","us-east-1"]}}`:                         true,
		`{"StringEquals":{"AWS:requestedREGION":"us-east-1"}}`:                                       true,
		`{"StringNotEquals":{"aws:RequestedRegion":["eu-west-1","us-east-1"]}}`:                      false,
		`{"StringEqualsIgnoreCase":{"aws:RequestedRegion":"US-EAST-1"}}`:                             true,
		`{"StringLike":{"aws:RequestedRegion":"us-*-?"}}`:                                            true,
		`{"StringNotLike":{"aws:RequestedRegion":"eu-*"}}`:                                           true,
		`{"StringEquals":{"aws:RequestedRegion":"us-*"}}`:                                            false,
		`{"StringEquals":{"none":"x"}}`:                                                              false,
		`{"StringNotEquals":{"none":"x"}}`:                                                           true,
		`{"StringEqualsIfExists":{"none":"x"}}`:                                                      true,
		`{"StringEqualsIfExists":{"aws:RequestedRegion":"x"}}`:                                       false,
		`{"Null":{"none":"true"}}`:                                                                   true,
		`{"Null":{"none":true}}`:                                                                     true,
		`{"Null":{"aws:SourceIp":"true"}}`:                                                           false,
		`{"Null":{"aws:SourceIp":"false"}}`:                                                          true,
		`{"IpAddress":{"aws:SourceIp":["192.168.0.0/16","10.0.0.0/8"]}}`:                             true,
		`{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`:                                             false,
		`{"IpAddress":{"aws:SourceIp":"10.0.3.7"}}`:                                                  true,
		`{"Bool":{"aws:SecureTransport":"false"}}`:                                                   true,
		`{"Bool":{"aws:SecureTransport":true}}`:                                                      false,
		`{"NumericLessThan":{"n":6}}`:                                                                true,
		`{"NumericGreaterThanEquals":{"n":"5"}}`:                                                     true,
		`{"NumericNotEquals":{"n":"5"}}`:                                                             false,
		`{"NumericEquals":{"n":"five"}}`:                                                             false,
		`{"DateGreaterThan":{"aws:CurrentTime":"2026-11-26T09:00:00Z"}}`:                             true,
		`{"DateLessThan":{"aws:CurrentTime":"2026-11-26"}}`:                                          false,
		`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/dep*"}}`:                                true,
		`{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}}`:                                 true,
		`{"ArnLike":{"aws:PrincipalArn":"arn:*:role/deploy"}}`:                                       false,
		`{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}}`:                                true,
		`{"ForAllValues:StringEquals":{"aws:TagKeys":["team","env","x"]}}`:                           true,
		`{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`:                                     false,
		`{"ForAllValues:StringEquals":{"none":["team"]}}`:                                            true,
		`{"ForAnyValue:StringEquals":{"aws:TagKeys":["team"]}}`:                                      true,
		`{"ForAnyValue:StringEquals":{"none":["team"]}}`:                                             false,
		`{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::*:*/${none, 'deploy'}"}}`:                   true,
		`{"StringEquals":{"aws:username":"${aws:username}"}}`:                                        true,
		`{"StringEquals":{"aws:RequestedRegion":"us-east-1"},"Bool":{"aws:SecureTransport":"true"}}`: false,
		`{"BinaryEquals":{"n":"NQ=="}}`:                                                              true,
	} {
		t.Run(condition, func(t *testing.T) {
			t.Parallel()
			d := doc(t, Identity, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":`+condition+`}`)
			if got := Evaluate(q, Set{Identity: []*Document{d}}) == ""; got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestOldVersionHasNoVariables(t *testing.T) {
	t.Parallel()
	d, err := Parse(Identity, `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username}"}}`)
	if err != nil {
		t.Fatal(err)
	}
	q := &Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::alice", Context: map[string][]string{"aws:username": {"alice"}}}
	if Evaluate(q, Set{Identity: []*Document{d}}) == "" {
		t.Error("a policy of version 2008-10-17 resolved a variable")
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, tc := range map[string]struct {
		kind Kind
		want string
	}{
		`{`: {Identity, "This policy contains invalid Json"},
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*"}]}`:                                           {Identity, "Policy statement must contain actions."},
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*"}]}`:                                          {Identity, "Policy statement must contain resources."},
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":"*"}]}`:           {Identity, "Policy document should not specify a principal."},
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Principal":"*"}]}`: {Trust, "Has prohibited field Resource"},
		`{"Version":"2012-10-17","Statement":[{"Effect":"Maybe","Action":"s3:*","Resource":"*"}]}`:                           {Identity, "Syntax errors in policy."},
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"GetObject","Resource":"*"}]}`:                      {Identity, "Actions/Conditions must be prefaced by a vendor"},
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}]}`:                      {Identity, `Resource bucket must be in ARN format or "*".`},
		`{"Version":"2020-01-01","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`:                           {Identity, "Policy document must be version 2012-10-17 or greater."},
	} {
		if _, err := Parse(tc.kind, text); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s\ngot %v, want %q", text, err, tc.want)
		}
	}
}

// FuzzPolicy looks for panics, and for a document that allows without an Allow.
func FuzzPolicy(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username}/*"}]}`, "s3:GetObject", bucket)
	f.Add(`{"Statement":{"Effect":"Deny","NotAction":["a:b"],"NotResource":"*","Condition":{"ForAnyValue:ArnLikeIfExists":{"x":["arn:*:*:*:*:*"]}}}}`, "a:b", "*")
	f.Add(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"${","Condition":{"Null":{"x":"true"}}}}`, "", "")
	f.Fuzz(func(t *testing.T, text, action, resource string) {
		for _, kind := range []Kind{Identity, Resource, Trust} {
			d, err := Parse(kind, text)
			if err != nil {
				continue
			}
			q := &Request{Action: action, Resource: resource, Principal: Principal{Account: "1", ARN: alice}, Context: map[string][]string{"x": {"arn:aws:a:b:c:d"}, "aws:username": {"*"}}}
			if d.judge(q).allowed && !strings.Contains(text, "llow") && !strings.Contains(text, `\u`) {
				t.Errorf("%s allows %s on %s", text, action, resource)
			}
			Evaluate(q, Set{Identity: []*Document{d}, Resource: d, Session: []*Document{d}})
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	d := doc(b, Identity, `{"Effect":"Allow","Action":["ecr:*","s3:Put*","s3:Get*"],"Resource":["arn:aws:s3:::a/*","arn:aws:s3:::app/*"]}`)
	q := &Request{Action: "s3:GetObject", Resource: bucket, Principal: Principal{Account: "1", ARN: alice}}
	for b.Loop() {
		if Evaluate(q, Set{Identity: []*Document{d}}) != "" {
			b.Fatal("refused")
		}
	}
}
