// Package policy reads and evaluates IAM policy documents. It is pure: no clock,
// no database; what a decision depends on comes with the Request. identity calls
// it with the documents of a principal, iam to check documents that are stored.
package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Kind is where a document is attached; it decides what its statements may say.
type Kind int

const (
	Identity Kind = iota // no Principal, needs Resource
	Resource             // needs Principal
	Trust                // needs Principal, has no Resource
)

// Document is a parsed policy.
type Document struct {
	variables  bool // version 2012-10-17
	statements []statement
}

type statement struct {
	allow                  bool
	principals             *principals
	notPrincipal           bool
	actions, resources     []pattern
	notAction, notResource bool
	conditions             []condition
	asks                   []string // the condition keys it depends on, in lower case
}

// principals is what a Principal element names.
type principals struct {
	anyone                  bool
	aws, service, federated []string
}

// Parse reads a document. Its errors are the texts of AWS's MalformedPolicyDocument.
func Parse(kind Kind, text string) (*Document, error) {
	var top map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &top) != nil || top == nil {
		return nil, errors.New("This policy contains invalid Json")
	}
	d := &Document{}
	for key, raw := range top {
		switch key {
		case "Version":
			var v string
			if json.Unmarshal(raw, &v) != nil || v != "2012-10-17" && v != "2008-10-17" {
				return nil, errors.New("Policy document must be version 2012-10-17 or greater.")
			}
			d.variables = v == "2012-10-17"
		case "Id", "Statement":
		default:
			return nil, errors.New("Syntax errors in policy.")
		}
	}
	raws, err := list(top["Statement"])
	if err != nil || len(raws) == 0 {
		return nil, errors.New("Syntax errors in policy.")
	}
	for _, raw := range raws {
		s, err := parseStatement(kind, raw)
		if err != nil {
			return nil, err
		}
		d.statements = append(d.statements, s)
	}
	return d, nil
}

// list takes a value or an array of them.
func list(raw json.RawMessage) ([]json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return nil, nil
	}
	if raw[0] != '[' {
		return []json.RawMessage{raw}, nil
	}
	var many []json.RawMessage
	err := json.Unmarshal(raw, &many)
	return many, err
}

func parseStatement(kind Kind, raw json.RawMessage) (statement, error) {
	var s statement
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return s, errors.New("Syntax errors in policy.")
	}
	if err := checkElements(kind, m); err != nil {
		return s, err
	}
	var effect string
	if json.Unmarshal(m["Effect"], &effect) != nil || effect != "Allow" && effect != "Deny" {
		return s, errors.New("Syntax errors in policy.")
	}
	s.allow = effect == "Allow"
	if err := s.parseWhat(m); err != nil {
		return s, err
	}
	if raw, not := either(m, "Principal", "NotPrincipal"); raw != nil {
		p, err := parsePrincipals(raw)
		if err != nil {
			return s, err
		}
		s.principals, s.notPrincipal = p, not
	}
	var err error
	s.conditions, err = parseConditions(m["Condition"])
	s.asks = s.keys()
	return s, err
}

// checkElements refuses elements that have no place in this kind of policy.
func checkElements(kind Kind, m map[string]json.RawMessage) error {
	for key := range m {
		switch key {
		case "Sid", "Effect", "Action", "NotAction", "Condition":
		case "Principal", "NotPrincipal":
			if kind == Identity {
				return errors.New("Policy document should not specify a principal.")
			}
		case "Resource", "NotResource":
			if kind == Trust {
				return errors.New("Has prohibited field Resource")
			}
		default:
			return errors.New("Syntax errors in policy.")
		}
	}
	if m["Action"] == nil && m["NotAction"] == nil {
		return errors.New("Policy statement must contain actions.")
	}
	if kind == Identity && m["Resource"] == nil && m["NotResource"] == nil {
		return errors.New("Policy statement must contain resources.")
	}
	if kind != Identity && m["Principal"] == nil && m["NotPrincipal"] == nil {
		return errors.New("Missing required field Principal")
	}
	for _, pair := range [][2]string{{"Action", "NotAction"}, {"Resource", "NotResource"}, {"Principal", "NotPrincipal"}} {
		if m[pair[0]] != nil && m[pair[1]] != nil {
			return errors.New("Syntax errors in policy.")
		}
	}
	return nil
}

func either(m map[string]json.RawMessage, name, not string) (json.RawMessage, bool) {
	if raw := m[not]; raw != nil {
		return raw, true
	}
	return m[name], false
}

// parseWhat reads the action and resource elements.
func (s *statement) parseWhat(m map[string]json.RawMessage) error {
	raw, not := either(m, "Action", "NotAction")
	s.notAction = not
	actions, err := texts(raw)
	if err != nil {
		return err
	}
	if len(actions) == 0 {
		return errors.New("Policy statement must contain actions.")
	}
	for _, a := range actions {
		if a != "*" && !strings.Contains(a, ":") {
			return errors.New("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
		}
		s.actions = append(s.actions, compile(strings.ToLower(a)))
	}
	raw, not = either(m, "Resource", "NotResource")
	s.notResource = not
	resources, err := texts(raw)
	if err != nil {
		return err
	}
	for _, r := range resources {
		if r != "*" && !strings.HasPrefix(r, "arn:") && !strings.HasPrefix(r, "*") && !strings.Contains(r, "${") {
			return fmt.Errorf("Resource %s must be in ARN format or \"*\".", r)
		}
		s.resources = append(s.resources, compile(r))
	}
	return nil
}

// texts takes a string or a list of strings; numbers and booleans, which
// condition values may be, count as their text.
func texts(raw json.RawMessage) ([]string, error) {
	raws, err := list(raw)
	if err != nil {
		return nil, errors.New("Syntax errors in policy.")
	}
	out := make([]string, 0, len(raws))
	for _, r := range raws {
		var v any
		d := json.NewDecoder(bytes.NewReader(r))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return nil, errors.New("Syntax errors in policy.")
		}
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case json.Number:
			out = append(out, v.String())
		case bool:
			out = append(out, fmt.Sprint(v))
		default:
			return nil, errors.New("Syntax errors in policy.")
		}
	}
	return out, nil
}

func parsePrincipals(raw json.RawMessage) (*principals, error) {
	var star string
	if json.Unmarshal(raw, &star) == nil {
		if star != "*" {
			return nil, fmt.Errorf("Invalid principal in policy: %q", star)
		}
		return &principals{anyone: true}, nil
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil || len(m) == 0 {
		return nil, errors.New("Syntax errors in policy.")
	}
	p := &principals{}
	for kind, raw := range m {
		names, err := texts(raw)
		if err != nil {
			return nil, err
		}
		switch kind {
		case "AWS":
			p.aws = names
		case "Service":
			p.service = names
		case "Federated":
			p.federated = names
		case "CanonicalUser":
			// S3's other name of an account: none of our accounts has one, so it matches nobody.
		default:
			return nil, fmt.Errorf("Invalid principal in policy: %q", kind)
		}
	}
	return p, nil
}

// AWS names the accounts, users and roles that the document's Principal elements
// name, for the check that they exist.
func (d *Document) AWS() []string {
	var names []string
	for _, s := range d.statements {
		if s.principals != nil {
			names = append(names, s.principals.aws...)
		}
	}
	return names
}

// IsPublic tells whether a statement allows everybody without a condition.
func (d *Document) IsPublic() bool {
	for _, s := range d.statements {
		if !s.allow || len(s.conditions) > 0 || s.principals == nil {
			continue
		}
		if s.notPrincipal || s.principals.anyone || slices.Contains(s.principals.aws, "*") {
			return true
		}
	}
	return false
}
