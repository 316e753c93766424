package buildspec

import (
	"fmt"
	"iter"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// reader walks nodes and keeps the first error, and what it had to leave out.
type reader struct {
	err               error
	depth             int
	unknown, repeated []Key
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{fmt.Sprintf(format, args...), n.Line, n.Column}
	}
}

// follow resolves aliases. Depth is bounded: an anchor may contain itself.
func (r *reader) follow(n *yaml.Node) *yaml.Node {
	for i := 0; n.Kind == yaml.AliasNode && n.Alias != nil; i++ {
		if i > maxDepth {
			r.fail(n, "anchor '%s' value contains itself", n.Value)
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: n.Line, Column: n.Column}
		}
		n = n.Alias
	}
	return n
}

// isAbsent is null, or nothing but comments.
func isAbsent(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.Style == 0 &&
		(n.Tag == "!!null" || n.Value == "" || n.Value == "~" || n.Value == "null")
}

// ignore notes a key that nothing is known of.
func (r *reader) ignore(section string, key *yaml.Node) {
	r.unknown = append(r.unknown, Key{section, key.Value, key.Line, key.Column})
}

// entries are the keys and values of a mapping, those of merged mappings (<<)
// first. An absent value has none.
func (r *reader) entries(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		n := r.follow(n)
		if isAbsent(n) || r.err != nil {
			return
		}
		if n.Kind != yaml.MappingNode {
			r.fail(n, "Expected a mapping: found %s instead", kindName(n))
			return
		}
		if r.depth++; r.depth > maxDepth {
			r.fail(n, "buildspec is nested too deeply")
			return
		}
		defer func() { r.depth-- }()
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := r.follow(n.Content[i]), r.follow(n.Content[i+1])
			if key.Value == "<<" && value.Kind == yaml.MappingNode {
				for k, v := range r.entries(value) {
					if !yield(k, v) {
						return
					}
				}
				continue
			}
			if seen[key.Value] {
				r.repeated = append(r.repeated, Key{Name: key.Value, Line: key.Line, Column: key.Column})
			}
			seen[key.Value] = true
			if isAbsent(value) {
				continue
			}
			if !yield(key, value) {
				return
			}
		}
	}
}

// text is the source text of a scalar: 1.20 stays 1.20.
func (r *reader) text(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		r.fail(n, "Expected a string: found %s instead", kindName(n))
		return ""
	}
	return n.Value
}

// list is the items of a sequence; a scalar is a list of one, null items are skipped.
func (r *reader) list(n *yaml.Node, name string) []string {
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "Expected %s to be a list: found %s instead", name, kindName(n))
		return nil
	}
	var out []string
	for i, item := range n.Content {
		item = r.follow(item)
		switch {
		case isAbsent(item):
		case item.Kind == yaml.ScalarNode:
			out = append(out, item.Value)
		case item.Kind == yaml.MappingNode && len(item.Content) > 0:
			r.fail(item, "Expected %s[%d] to be of string type: found subkeys instead at line %d, value of the key tag on line %d might be empty",
				name, i, item.Content[len(item.Content)-1].Line, item.Line)
		default:
			r.fail(item, "Expected %s[%d] to be of string type: found %s instead", name, i, kindName(item))
		}
	}
	return out
}

// pairs is a mapping of scalars, in the order of the file.
func (r *reader) pairs(n *yaml.Node) []Pair {
	var out []Pair
	for k, v := range r.entries(n) {
		out = append(out, Pair{k.Value, r.text(v)})
	}
	return out
}

func (r *reader) flag(n *yaml.Node) bool {
	switch strings.ToLower(r.text(n)) {
	case "yes", "true":
		return true
	case "no", "false":
		return false
	}
	r.fail(n, "Expected yes or no: found %s instead", n.Value)
	return false
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "subkeys"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a string"
}
