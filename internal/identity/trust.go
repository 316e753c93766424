package identity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/identity/policy"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// findRole reads a role by its ARN; a service-linked one exists by itself.
func (a *Authority) findRole(ctx context.Context, r store.Reader, roleARN string) (Role, error) {
	id, ok := arn.Parse(roleARN)
	if !ok || id.Service != "iam" || !strings.HasPrefix(id.Resource, "role/") {
		return Role{}, fmt.Errorf("role %s: %w", roleARN, store.ErrNotFound)
	}
	if linked, ok := linkedRole(id); ok {
		return linked, nil
	}
	d, err := a.Records.Roles.Get(ctx, r, In(id.Account), Key(id.Name()))
	if err != nil {
		return Role{}, fmt.Errorf("read role %s: %w", roleARN, err)
	}
	if d.Value.ARN() != roleARN {
		return Role{}, fmt.Errorf("role %s has another path: %w", roleARN, store.ErrNotFound)
	}
	return d.Value, nil
}

// trusts tells whether role's trust policy lets the service take it for the sake of
// source, the ARN of a resource. Conditions on aws:SourceArn and aws:SourceAccount
// guard AWS's services against being used by a stranger. Where source is "" (the
// resource may not exist yet) its account is the role's own and its ARN not asked for.
func (a *Authority) trusts(role Role, service, source string) (bool, error) {
	if role.LinkedTo != "" {
		return role.LinkedTo == service, nil
	}
	d, err := a.documents.parse(policy.Trust, role.Trust)
	if err != nil {
		return false, fmt.Errorf("trust policy of %s: %w", role.Name, err)
	}
	q := &policy.Request{
		Action: "sts:AssumeRole", Resource: role.ARN(), Principal: policy.Principal{Service: service},
		Context: map[string][]string{"aws:sourceaccount": {role.Account}},
	}
	if id, ok := arn.Parse(source); ok {
		q.Context["aws:sourcearn"], q.Context["aws:sourceaccount"] = []string{source}, []string{id.Account}
	} else {
		q.Unasked = map[string]bool{"aws:sourcearn": true}
	}
	allowed, _ := d.Trusts(q)
	return allowed, nil
}

// Trusts is nil if the role's trust policy names the service principal.
func (a *Authority) Trusts(ctx context.Context, r store.Reader, roleARN, service string) error {
	role, err := a.findRole(ctx, r, roleARN)
	if errors.Is(err, store.ErrNotFound) {
		return &op.Error{Code: "NoSuchEntity", Status: http.StatusNotFound, Message: "The role with name " + lastName(roleARN) + " cannot be found."}
	}
	if err != nil {
		return err
	}
	trusted, err := a.trusts(role, service, "")
	if err != nil {
		return err
	}
	if !trusted {
		return &op.Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "User: " + service +
			" is not authorized to perform: sts:AssumeRole on resource: " + roleARN + " because no role trust policy allows the sts:AssumeRole action"}
	}
	return nil
}

// roleTags are the names under which policies on sts:AssumeRole ask for the tags of the role.
var roleTags = []string{"aws:ResourceTag/", "iam:ResourceTag/"}

// MayAssume tells whether c may take the role: the trust policy must allow it
// and, unless it names c itself in the same account, c's own policies too.
// facts holds sts:ExternalId, sts:RoleSessionName and kin.
func (a *Authority) MayAssume(ctx context.Context, r store.Reader, c op.Caller, roleARN, action string, facts map[string][]string) (Role, *Refusal, error) {
	refusal := &Refusal{c.ARN, action, roleARN, "because no role trust policy allows the " + action + " action"}
	role, err := a.findRole(ctx, r, roleARN)
	if errors.Is(err, store.ErrNotFound) || err == nil && role.LinkedTo != "" {
		return Role{}, refusal, nil
	}
	if err != nil {
		return Role{}, nil, err
	}
	p, refused, err := a.principal(ctx, r, c)
	if err != nil || refused != nil {
		return role, refused, err
	}
	trust, err := a.documents.parse(policy.Trust, role.Trust)
	if err != nil {
		return role, nil, fmt.Errorf("trust policy of %s: %w", role.Name, err)
	}
	q := Question{Caller: c, Action: action, Resource: roleARN, Context: op.ResourceTags(role.Tags, roleTags...)}
	maps.Copy(q.Context, facts)
	allowed, alone := trust.Trusts(a.request(q, p))
	if !allowed {
		return role, refusal, nil
	}
	if alone && role.Account == p.who.Account {
		return role, nil, nil
	}
	own := p.set
	own.Session = nil
	for _, text := range sessionPolicies(c) {
		d, err := a.documents.parse(policy.Identity, text)
		if err != nil {
			return role, nil, fmt.Errorf("session policy of %s: %w", c.ARN, err)
		}
		own.Session = append(own.Session, d)
	}
	if reason := policy.Evaluate(a.request(q, p), own); reason != "" {
		return role, &Refusal{c.ARN, action, roleARN, reason}, nil
	}
	return role, nil, nil
}
