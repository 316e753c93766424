package policy

import "strings"

// Request is one question: may this principal do this to that?
type Request struct {
	Action, Resource string
	Principal        Principal
	Context          map[string][]string // keys in lower case
	// Unasked names keys that nobody can know yet: a condition on one that is
	// absent holds.
	Unasked map[string]bool
}

// Principal is who asks.
type Principal struct {
	Account string
	ARN     string // of the user, the root or the role's session
	Role    string // the role's ARN, for a session
	Service string // "codebuild.amazonaws.com", where a service asks for itself
}

func (q *Request) lookup(key string) ([]string, bool) {
	v, ok := q.Context[key]
	return v, ok
}

func (q *Request) values(key string) []string { return q.Context[strings.ToLower(key)] }

// match is how exactly a Principal element names the asker; the order counts.
type match int

const (
	nobody    match = iota
	byAccount       // the account: only delegates to its own identity policies
	byRole          // the role: capped by boundary and session policy
	exact           // the very user or session, or everybody: grants alone
)

// verdict of one document: Deny wins over Allow, allowed keeps the most exact match.
type verdict struct {
	denied  bool
	allowed bool
	by      match
}

func (d *Document) judge(q *Request) verdict {
	var v verdict
	for i := range d.statements {
		s := &d.statements[i]
		by := exact
		if s.principals != nil {
			by = s.principals.names(q.Principal)
			if s.notPrincipal {
				by = map[bool]match{true: exact, false: nobody}[by == nobody]
			}
		}
		if by == nobody || !s.applies(q, d.variables) {
			continue
		}
		if !s.allow {
			return verdict{denied: true}
		}
		v.allowed = true
		v.by = max(v.by, by)
	}
	return v
}

func (s *statement) applies(q *Request, variables bool) bool {
	action := strings.ToLower(q.Action)
	if anyOf(s.actions, q, false, action) == s.notAction {
		return false
	}
	if len(s.resources) > 0 && anyOf(s.resources, q, variables, q.Resource) == s.notResource {
		return false
	}
	for _, c := range s.conditions {
		if !c.holds(q, variables) {
			return false
		}
	}
	return true
}

func anyOf(ps []pattern, q *Request, variables bool, text string) bool {
	for _, p := range ps {
		if runes, ok := p.runes(q, variables); ok && glob(runes, text) {
			return true
		}
	}
	return false
}

func (p *principals) names(who Principal) match {
	if p.anyone {
		return exact
	}
	for _, s := range p.service {
		if who.Service != "" && (s == who.Service || s == "*") {
			return exact
		}
	}
	best := nobody
	if who.ARN == "" {
		return best // a service asks for itself: only Service names it
	}
	for _, name := range p.aws {
		switch {
		case name == "*" || name == who.ARN:
			return exact
		case who.Role != "" && name == who.Role:
			best = max(best, byRole)
		case name == who.Account || strings.HasPrefix(name, "arn:") && strings.HasSuffix(name, ":iam::"+who.Account+":root"):
			best = max(best, byAccount)
		}
	}
	return best
}

// Set is every document that bears on a request.
type Set struct {
	Identity []*Document
	Boundary *Document   // nil: none set
	Session  []*Document // each must allow; empty: none set
	Resource *Document   // nil: none attached
	// Owner is the account that owns the resource, "" for the asker's own.
	Owner string
	// Alone is set where the resource's policy must itself allow: role trust, KMS key policies.
	Alone bool
	// Root marks an account's root user, whom no identity policy binds.
	Root bool
}

// Evaluate is "" where the request is allowed, else the reason in AWS's words.
func Evaluate(q *Request, s Set) string {
	identity := judgeAll(s.Identity, q)
	resource := judgeOne(s.Resource, q)
	boundary, session := judgeOne(s.Boundary, q), judgeSession(s.Session, q)
	for _, layer := range []struct {
		v    verdict
		kind string
	}{
		{identity, "an identity-based policy"}, {resource, "a resource-based policy"},
		{boundary, "a permissions boundary"}, {session, "a session policy"},
	} {
		if layer.v.denied {
			return "with an explicit deny in " + layer.kind
		}
	}
	why := func(kind string) string { return "because no " + kind + " allows the " + q.Action + " action" }
	service := q.Principal.Service != "" // it is of no account: only a resource's policy lets it in
	foreign := s.Owner != "" && s.Owner != q.Principal.Account && !service
	granted := resource.allowed && resource.by == exact && !foreign
	switch {
	case granted:
		return "" // the policy names this very principal
	case (foreign || service || s.Alone) && !resource.allowed:
		return why("resource-based policy")
	case s.Root:
		return ""
	case !identity.allowed && (foreign || resource.by != byRole):
		return why("identity-based policy")
	case s.Boundary != nil && !boundary.allowed:
		return why("permissions boundary")
	case len(s.Session) > 0 && !session.allowed:
		return why("session policy")
	}
	return ""
}

func judgeOne(d *Document, q *Request) verdict {
	if d == nil {
		return verdict{}
	}
	return d.judge(q)
}

func judgeAll(ds []*Document, q *Request) verdict {
	var v verdict
	for _, d := range ds {
		one := d.judge(q)
		if one.denied {
			return one
		}
		v.allowed = v.allowed || one.allowed
	}
	return v
}

// judgeSession: an explicit deny in any counts; to allow, all must.
func judgeSession(ds []*Document, q *Request) verdict {
	v := verdict{allowed: len(ds) > 0}
	for _, d := range ds {
		one := d.judge(q)
		if one.denied {
			return one
		}
		v.allowed = v.allowed && one.allowed
	}
	return v
}

// Trusts tells how a trust policy answers the asker of q (an sts:AssumeRole…
// action): allowed, and whether it names the very principal, so that no identity
// policy is needed in the same account.
func (d *Document) Trusts(q *Request) (allowed, alone bool) {
	v := d.judge(q)
	return v.allowed && !v.denied, v.allowed && v.by == exact
}
