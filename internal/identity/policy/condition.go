package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// condition is one operator on one key.
type condition struct {
	key      string // lower case
	set      string // "", "foranyvalue", "forallvalues"
	ifExists bool
	null     bool
	negated  bool
	match    func(p []rune, want, got string) bool

	values []pattern
}

func parseConditions(raw json.RawMessage) ([]condition, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var operators map[string]map[string]json.RawMessage
	if json.Unmarshal(raw, &operators) != nil {
		return nil, errors.New("Syntax errors in policy.")
	}
	var out []condition
	for name, keys := range operators {
		for key, raw := range keys {
			c, err := parseOperator(name)
			if err != nil {
				return nil, err
			}
			values, err := texts(raw)
			if err != nil {
				return nil, err
			}
			c.key = strings.ToLower(key)
			for _, v := range values {
				c.values = append(c.values, compile(v))
			}
			out = append(out, c)
		}
	}
	return out, nil
}

func parseOperator(name string) (condition, error) {
	var c condition
	bare := strings.ToLower(name)
	if set, rest, ok := strings.Cut(bare, ":"); ok {
		if set != "foranyvalue" && set != "forallvalues" {
			return c, fmt.Errorf("Invalid Condition type : %s.", name)
		}
		c.set, bare = set, rest
	}
	if rest, ok := strings.CutSuffix(bare, "ifexists"); ok {
		c.ifExists, bare = true, rest
	}
	if bare == "null" && !c.ifExists {
		c.null = true
		return c, nil
	}
	o, ok := operators[bare]
	if !ok {
		return c, fmt.Errorf("Invalid Condition type : %s.", name)
	}
	c.negated, c.match = o.negated, o.match
	return c, nil
}

// holds decides c for q.
func (c condition) holds(q *Request, variables bool) bool {
	got, present := q.lookup(c.key)
	if !present && q.Unasked[c.key] {
		return true
	}
	if c.null {
		for _, v := range c.values {
			if strings.EqualFold(v.text, "true") == !present {
				return true
			}
		}
		return false
	}
	if len(got) == 0 {
		return c.ifExists || c.set == "forallvalues" || c.set == "" && c.negated
	}
	switch c.set {
	case "forallvalues":
		for _, g := range got {
			if !c.one(q, variables, g) {
				return false
			}
		}
		return true
	case "foranyvalue":
		for _, g := range got {
			if c.one(q, variables, g) {
				return true
			}
		}
		return false
	}
	// A single-valued operator on a key with several values: any of them counts
	// for a positive operator, all of them for a negated one.
	for _, g := range got {
		if c.one(q, variables, g) != c.negated {
			return !c.negated
		}
	}
	return c.negated
}

// one compares one value of the request with all of the policy: OR, or NOR where negated.
func (c condition) one(q *Request, variables bool, got string) bool {
	for _, v := range c.values {
		p, ok := v.runes(q, variables)
		if !ok {
			continue
		}
		want := v.text
		if v.variables && variables {
			want = literal(p)
		}
		if c.match(p, want, got) {
			return !c.negated
		}
	}
	return c.negated
}

// literal writes resolved runes back as text, wildcards as themselves.
func literal(p []rune) string {
	var b strings.Builder
	for _, r := range p {
		switch r {
		case star:
			b.WriteByte('*')
		case one:
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
