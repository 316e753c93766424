package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/identity/policy"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Deps are what an Authority needs.
type Deps struct {
	DB      store.DB
	Records Records
	Keys    *Keyring
	Clock   clock.Clock
	Log     *slog.Logger
}

// Authority decides over Questions and finds credentials.
type Authority struct {
	Deps
	documents documents
	known     lookups
	warned    sync.Map // ARNs of AWS's policies that we do not have
	ours      sync.Map // name → *policy.Document of AWS's policies, which never change
}

// New is an Authority over deps.
func New(deps Deps) *Authority {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Clock == nil {
		deps.Clock = clock.System{}
	}
	return &Authority{Deps: deps}
}

// Decide is nil where q is allowed.
func (a *Authority) Decide(ctx context.Context, r store.Reader, q Question) (*Refusal, error) {
	p, refusal, err := a.principal(ctx, r, q.Caller)
	if err != nil || refusal != nil {
		return refusal, err
	}
	set := p.set
	if q.ResourcePolicy != "" {
		if set.Resource, err = a.documents.parse(policy.Resource, q.ResourcePolicy); err != nil {
			return nil, fmt.Errorf("policy of %s: %w", q.Resource, err)
		}
	}
	if res, ok := arn.Parse(q.Resource); ok && isAccount(res.Account) {
		set.Owner = res.Account
	}
	for _, text := range sessionPolicies(q.Caller) {
		d, err := a.documents.parse(policy.Identity, text)
		if err != nil {
			return nil, fmt.Errorf("session policy of %s: %w", q.Caller.ARN, err)
		}
		set.Session = append(set.Session, d)
	}
	req := a.request(q, p)
	for _, d := range q.Described {
		if !set.Asks(q.Action, d.Names) {
			continue
		}
		if err := describe(ctx, r, d, req); err != nil {
			return nil, err
		}
	}
	reason := policy.Evaluate(req, set)
	if reason == "" {
		return nil, nil
	}
	return &Refusal{cmp.Or(q.Caller.ARN, q.Caller.Service), q.Action, q.Resource, reason}, nil
}

// describe adds the keys of the resource as it is. What the request itself says of
// a key (the boundary that a role is to have) goes before.
func describe(ctx context.Context, r store.Reader, d op.Described, req *policy.Request) error {
	id, _ := arn.Parse(req.Resource)
	keys, err := d.Read(ctx, r, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("condition keys of %s: %w", req.Resource, err)
	}
	for k, v := range keys {
		k = strings.ToLower(k)
		if _, given := req.Context[k]; !given {
			req.Context[k] = v
		}
	}
	return nil
}

func sessionPolicies(c op.Caller) []string {
	if c.Session == nil {
		return nil
	}
	return c.Session.Policies
}

// isAccount: twelve digits. "aws" in an ARN is everybody's.
func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// principal is a caller with the documents that bind it.
type principal struct {
	who  policy.Principal
	kind string // aws:PrincipalType
	name string // aws:username
	tags map[string]string
	set  policy.Set
}

func (a *Authority) principal(ctx context.Context, r store.Reader, c op.Caller) (principal, *Refusal, error) {
	p := principal{who: policy.Principal{Account: c.Account, ARN: c.ARN}}
	if c.Session != nil && c.Session.RoleARN != "" {
		return a.role(ctx, r, c, p)
	}
	id, ok := arn.Parse(c.ARN)
	switch {
	case c.ARN == "" && c.Service != "":
		p.who = policy.Principal{Service: c.Service}
		p.kind = "Service"
		return p, nil, nil
	case ok && id.Resource == "root":
		p.kind, p.set.Root = "Account", true
		return p, nil, nil
	case ok && strings.HasPrefix(id.Resource, "user/"):
		return a.user(ctx, r, c, p)
	}
	return p, &Refusal{c.ARN, "sts:GetCallerIdentity", "*", "because the principal is neither a user, a role nor an account root"}, nil
}

// role takes the documents of the role behind a session. A role that a service
// acts with must exist and trust that service, at each call: what a user takes
// away from a role is away at once.
func (a *Authority) role(ctx context.Context, r store.Reader, c op.Caller, p principal) (principal, *Refusal, error) {
	role, err := a.findRole(ctx, r, c.Session.RoleARN)
	if errors.Is(err, store.ErrNotFound) {
		return p, &Refusal{asking(c), "sts:AssumeRole", c.Session.RoleARN, "because the role does not exist"}, nil
	}
	if err != nil {
		return p, nil, err
	}
	if c.Service != "" {
		trusted, err := a.trusts(role, c.Service, c.Source)
		if err != nil {
			return p, nil, err
		}
		if !trusted {
			return p, &Refusal{c.Service, "sts:AssumeRole", c.Session.RoleARN, "because no role trust policy allows the sts:AssumeRole action"}, nil
		}
	}
	p.who.Role, p.who.Account, p.kind = role.ARN(), role.Account, "AssumedRole"
	p.tags = merge(role.Tags, c.Session.Tags)
	p.set.Identity, p.set.Boundary, err = a.attached(ctx, r, role.Principal)
	return p, nil, err
}

func asking(c op.Caller) string {
	if c.Service != "" {
		return c.Service
	}
	return c.ARN
}

func (a *Authority) user(ctx context.Context, r store.Reader, c op.Caller, p principal) (principal, *Refusal, error) {
	u, err := a.Records.Users.Get(ctx, r, In(c.Account), Key(lastName(c.ARN)))
	if errors.Is(err, store.ErrNotFound) {
		return p, &Refusal{c.ARN, "sts:GetCallerIdentity", "*", "because the user does not exist"}, nil
	}
	if err != nil {
		return p, nil, fmt.Errorf("read user of %s: %w", c.ARN, err)
	}
	p.kind, p.name, p.tags = "User", u.Value.Name, u.Value.Tags
	if p.set.Identity, p.set.Boundary, err = a.attached(ctx, r, u.Value.Principal); err != nil {
		return p, nil, err
	}
	for _, name := range u.Value.Groups {
		g, err := a.Records.Groups.Get(ctx, r, In(c.Account), Key(name))
		if err != nil {
			return p, nil, fmt.Errorf("read group %s: %w", name, err)
		}
		docs, _, err := a.attached(ctx, r, g.Value.Principal)
		if err != nil {
			return p, nil, err
		}
		p.set.Identity = append(p.set.Identity, docs...)
	}
	return p, nil, nil
}

func lastName(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

func merge(a, b map[string]string) map[string]string {
	out := make(map[string]string, len(a)+len(b))
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		out[k] = v
	}
	return out
}

// attached parses the inline and managed policies and the boundary of a principal.
func (a *Authority) attached(ctx context.Context, r store.Reader, p Principal) ([]*policy.Document, *policy.Document, error) {
	docs := make([]*policy.Document, 0, len(p.Inline)+len(p.Attached))
	for name, text := range p.Inline {
		d, err := a.documents.parse(policy.Identity, text)
		if err != nil {
			return nil, nil, fmt.Errorf("inline policy %s of %s: %w", name, p.Name, err)
		}
		docs = append(docs, d)
	}
	for _, policyARN := range p.Attached {
		d, err := a.managed(ctx, r, policyARN)
		if err != nil {
			return nil, nil, err
		}
		docs = append(docs, d)
	}
	if p.Boundary == "" {
		return docs, nil, nil
	}
	boundary, err := a.managed(ctx, r, p.Boundary)
	return docs, boundary, err
}

// managed is the document of a managed policy. One of AWS's that we do not know
// grants nothing; a deleted one too (a policy in use cannot be deleted, but a boundary can).
func (a *Authority) managed(ctx context.Context, r store.Reader, policyARN string) (*policy.Document, error) {
	if name, ok := ManagedName(policyARN); ok {
		if d, ok := a.ours.Load(name); ok {
			return d.(*policy.Document), nil
		}
		m, known := Managed(name)
		if !known {
			if _, seen := a.warned.LoadOrStore(policyARN, true); !seen {
				a.Log.WarnContext(ctx, "AWS managed policy is not known here and grants nothing", "policy", policyARN)
			}
			return &policy.Document{}, nil
		}
		d, err := policy.Parse(policy.Identity, m.Document)
		if err == nil {
			a.ours.Store(name, d)
		}
		return d, err
	}
	id, _ := arn.Parse(policyARN)
	d, err := a.Records.Policies.Get(ctx, r, In(id.Account), Key(id.Name()))
	if errors.Is(err, store.ErrNotFound) {
		return &policy.Document{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read policy %s: %w", policyARN, err)
	}
	return a.documents.parse(policy.Identity, d.Value.Document())
}

// ManagedDocument is the text of a managed policy, ours or AWS's.
func (a *Authority) ManagedDocument(ctx context.Context, r store.Reader, policyARN string) (string, bool, error) {
	if name, ok := ManagedName(policyARN); ok {
		m, known := Managed(name)
		return m.Document, known, nil
	}
	id, _ := arn.Parse(policyARN)
	d, err := a.Records.Policies.Get(ctx, r, In(id.Account), Key(id.Name()))
	if errors.Is(err, store.ErrNotFound) {
		return "", false, nil
	}
	return d.Value.Document(), err == nil, err
}
