// Package eventpattern is EventBridge's event patterns: pure matching of JSON
// events, for rules and for pipeline triggers. It has no I/O.
//
// The rules are those of the EventBridge user guide, "Event patterns" and
// "Comparison operators": every key of the pattern must match (AND), one value of
// each list must (OR), an array in the event matches if one of its elements does.
package eventpattern

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// Pattern is a compiled event pattern.
type Pattern struct{ root *object }

// object matches a JSON object: fields must all match, and of every $or one branch.
type object struct {
	fields map[string]node
	or     []*object
}

// node is an object below, or the leaf's list of matchers.
type node struct {
	object *object
	leaf   []matcher
}

// matcher judges one value; present is false where the event has no such field.
type matcher func(value any, present bool) bool

// maxDepth bounds nesting: patterns and events come from outside.
const maxDepth = 100

// Parse compiles a pattern. Its error is the reason that AWS puts after "Event
// pattern is not valid. Reason: ".
func Parse(text string) (*Pattern, error) {
	v, err := decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("Filter is not valid JSON: %w", err)
	}
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 {
		return nil, fmt.Errorf("Filter is not an object, or empty")
	}
	root, err := parseObject(m, 0)
	if err != nil {
		return nil, err
	}
	return &Pattern{root}, nil
}

// Matches tells whether the event, a JSON object, matches.
func (p *Pattern) Matches(event []byte) bool {
	v, err := decode(event)
	if err != nil {
		return false
	}
	m, ok := v.(map[string]any)
	return ok && p.root.matches(m)
}

// decode keeps numbers as they are written: 1 and 1.0 are told apart from "1" only.
func decode(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

func parseObject(m map[string]any, depth int) (*object, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the pattern is nested too deeply")
	}
	o := &object{fields: map[string]node{}}
	for key, v := range m {
		if branches, ok := v.([]any); ok && key == "$or" {
			for _, b := range branches {
				branch, ok := b.(map[string]any)
				if !ok {
					return nil, fmt.Errorf(`"$or" must hold objects`)
				}
				parsed, err := parseObject(branch, depth+1)
				if err != nil {
					return nil, err
				}
				o.or = append(o.or, parsed)
			}
			if len(branches) < 2 {
				return nil, fmt.Errorf(`"$or" needs at least two branches`)
			}
			continue
		}
		n, err := parseNode(key, v, depth)
		if err != nil {
			return nil, err
		}
		o.fields[key] = n
	}
	return o, nil
}

func parseNode(key string, v any, depth int) (node, error) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return node{}, fmt.Errorf("Empty objects are not allowed at %q", key)
		}
		o, err := parseObject(v, depth+1)
		return node{object: o}, err
	case []any:
		if len(v) == 0 {
			return node{}, fmt.Errorf("Empty arrays are not allowed at %q", key)
		}
		var n node
		for _, one := range v {
			m, err := parseMatcher(one)
			if err != nil {
				return node{}, fmt.Errorf("%w at %q", err, key)
			}
			n.leaf = append(n.leaf, m)
		}
		return n, nil
	}
	return node{}, fmt.Errorf("%q must be an object or an array", key)
}

func (o *object) matches(event map[string]any) bool {
	for key, n := range o.fields {
		value, present := event[key]
		if n.object != nil {
			if !below(n.object, value, present) {
				return false
			}
			continue
		}
		if !anyOf(n.leaf, value, present) {
			return false
		}
	}
	for _, branch := range o.or {
		if branch.matches(event) {
			return true
		}
	}
	return len(o.or) == 0
}

// below matches an object, one of an array of objects, or nothing for a pattern
// that wants absence.
func below(o *object, value any, present bool) bool {
	switch v := value.(type) {
	case map[string]any:
		return o.matches(v)
	case []any:
		for _, one := range v {
			if m, ok := one.(map[string]any); ok && o.matches(m) {
				return true
			}
		}
		return false
	}
	return !present && o.matches(nil)
}

func anyOf(leaf []matcher, value any, present bool) bool {
	for _, m := range leaf {
		if array, ok := value.([]any); ok {
			if len(array) == 0 && m(nil, false) {
				return true
			}
			for _, one := range array {
				if m(one, true) {
					return true
				}
			}
			continue
		}
		if _, isObject := value.(map[string]any); isObject {
			continue // only leaves are compared
		}
		if m(value, present) {
			return true
		}
	}
	return false
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

func inNetwork(cidr netip.Prefix) matcher {
	return func(v any, present bool) bool {
		s, ok := v.(string)
		if !present || !ok {
			return false
		}
		a, err := netip.ParseAddr(s)
		return err == nil && cidr.Contains(a.Unmap())
	}
}
