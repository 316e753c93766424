package sts

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/sts"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/identity/policy"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	defaultDuration = 3600 // seconds; also the most that a chained session may last
	packedMax       = 2048 // characters of session policies and tags together
)

// assumeRole is authorised here, not by the dispatcher: the role's trust policy
// may name the caller, who then needs no policy of its own.
func (s *Service) assumeRole(ctx context.Context, r store.Reader, c op.Caller, in *api.AssumeRoleInput) (*api.AssumeRoleOutput, error) {
	if id, ok := arn.Parse(*in.RoleArn); !ok || id.Service != "iam" || !strings.HasPrefix(id.Resource, "role/") {
		return nil, invalid(*in.RoleArn + " is invalid")
	}
	facts := map[string][]string{"sts:RoleSessionName": {*in.RoleSessionName}}
	if in.ExternalId != nil {
		facts["sts:ExternalId"] = []string{*in.ExternalId}
	}
	tags := map[string]string{}
	for _, t := range in.Tags {
		tags[*t.Key] = *t.Value
		facts["aws:RequestTag/"+*t.Key] = []string{*t.Value}
		facts["aws:TagKeys"] = append(facts["aws:TagKeys"], *t.Key)
	}
	role, err := s.allowed(ctx, r, c, *in.RoleArn, facts, len(tags) > 0)
	if err != nil {
		return nil, err
	}
	ttl, err := duration(c, role, in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	claims := identity.RoleSession(role, *in.RoleSessionName)
	if claims.Policies, err = s.sessionPolicies(ctx, r, in); err != nil {
		return nil, err
	}
	if c.Session != nil {
		claims.Tags = maps.Clone(c.Session.Tags)
	}
	claims.Tags = transitive(claims.Tags, tags)
	minted, err := s.Keys.Mint(claims, s.Clock.Now(), ttl)
	if err != nil {
		return nil, err
	}
	out := &api.AssumeRoleOutput{
		Credentials:     show(minted),
		AssumedRoleUser: &api.AssumedRoleUser{AssumedRoleId: new(claims.PrincipalID), Arn: new(claims.ARN)},
	}
	if n := packed(claims); n > 0 {
		out.PackedPolicySize = new(int32(n))
	}
	return out, nil
}

// transitive: all session tags go on to the next role of a chain; those given anew win.
func transitive(have, given map[string]string) map[string]string {
	if have == nil {
		have = map[string]string{}
	}
	maps.Copy(have, given)
	return have
}

func packed(c identity.Claims) int {
	n := 0
	for _, p := range c.Policies {
		n += len(p)
	}
	for k, v := range c.Tags {
		n += len(k) + len(v)
	}
	return n * 100 / packedMax
}

func (s *Service) allowed(ctx context.Context, r store.Reader, c op.Caller, roleARN string, facts map[string][]string, tags bool) (identity.Role, error) {
	role, refusal, err := s.Authority.MayAssume(ctx, r, c, roleARN, "sts:AssumeRole", facts)
	if err == nil && refusal == nil && tags {
		_, refusal, err = s.Authority.MayAssume(ctx, r, c, roleARN, "sts:TagSession", facts)
	}
	if err != nil {
		return role, err
	}
	if refusal != nil {
		return role, &op.Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: refusal.String()}
	}
	return role, nil
}

func duration(c op.Caller, role identity.Role, asked *int32) (time.Duration, error) {
	seconds := int(op.Or(asked, defaultDuration))
	if seconds > max(role.MaxSession, defaultDuration) {
		return 0, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if c.Session != nil && c.Session.RoleARN != "" && seconds > defaultDuration {
		return 0, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return time.Duration(seconds) * time.Second, nil
}

// sessionPolicies puts the inline policy and the managed ones into one document:
// together they are what the session may, while each element of Claims.Policies
// limits on its own.
func (s *Service) sessionPolicies(ctx context.Context, r store.Reader, in *api.AssumeRoleInput) ([]string, error) {
	var texts []string
	if in.Policy != nil {
		if _, err := policy.Parse(policy.Identity, *in.Policy); err != nil {
			return nil, api.MalformedPolicyDocumentException("%s", err)
		}
		texts = append(texts, *in.Policy)
	}
	for _, p := range in.PolicyArns {
		text, ok, err := s.Authority.ManagedDocument(ctx, r, op.Val(p.Arn))
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, invalid("Policy " + op.Val(p.Arn) + " does not exist.")
		}
		texts = append(texts, text)
	}
	if len(texts) < 2 {
		return texts, nil
	}
	merged, err := merge(texts)
	return []string{merged}, err
}

// merge joins statements. Version 2012-10-17 counts for all of them: a policy of
// the old version that relies on having no variables has none.
func merge(texts []string) (string, error) {
	var all []json.RawMessage
	for _, text := range texts {
		var d struct{ Statement json.RawMessage }
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return "", fmt.Errorf("session policy: %w", err)
		}
		var many []json.RawMessage
		if json.Unmarshal(d.Statement, &many) != nil {
			many = []json.RawMessage{d.Statement}
		}
		all = append(all, many...)
	}
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": all})
	return string(b), err
}

func show(c identity.Credentials) *api.Credentials {
	return &api.Credentials{AccessKeyId: new(c.AccessKeyID), SecretAccessKey: new(c.Secret), SessionToken: new(c.Token), Expiration: op.At(c.Expires)}
}

func invalid(text string) *op.Error { return &op.Error{Code: "ValidationError", Message: text} }
