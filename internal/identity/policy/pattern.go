package policy

import "strings"

const (
	star rune = -1 // any number of characters
	one  rune = -2 // exactly one
)

// pattern is a value with wildcards, and perhaps with variables, which are
// resolved per request because their values are never wildcards.
type pattern struct {
	text      string
	plain     []rune // compiled without variables
	variables bool
}

func compile(text string) pattern {
	return pattern{text: text, plain: wild(text), variables: strings.Contains(text, "${")}
}

func wild(text string) []rune {
	out := []rune(text)
	for i, r := range out {
		switch r {
		case '*':
			out[i] = star
		case '?':
			out[i] = one
		}
	}
	return out
}

// for a request: with variables resolved; ok is false where one has no value.
func (p pattern) runes(q *Request, variables bool) ([]rune, bool) {
	if !p.variables || !variables {
		return p.plain, true
	}
	var out []rune
	rest := p.text
	for {
		before, after, found := strings.Cut(rest, "${")
		out = append(out, wild(before)...)
		if !found {
			return out, true
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return append(out, wild("${"+after)...), true
		}
		value, ok := q.variable(name)
		if !ok {
			return nil, false
		}
		out = append(out, []rune(value)...)
		rest = tail
	}
}

// keys are the condition keys that the pattern's variables stand for, in lower case.
func (p pattern) keys() (keys []string) {
	for rest := p.text; p.variables; {
		_, after, found := strings.Cut(rest, "${")
		name, tail, closed := strings.Cut(after, "}")
		if !found || !closed {
			break
		}
		key, _, _ := strings.Cut(name, ",")
		keys, rest = append(keys, strings.ToLower(strings.TrimSpace(key))), tail
	}
	return keys
}

// variable is the value of ${name}: a literal, a single-valued key, or its default.
func (q *Request) variable(name string) (string, bool) {
	switch name {
	case "*", "?", "$":
		return name, true
	}
	key, def, hasDefault := strings.Cut(name, ",")
	if v := q.values(strings.TrimSpace(key)); len(v) == 1 {
		return v[0], true
	}
	def = strings.TrimSpace(def)
	if hasDefault && len(def) >= 2 && def[0] == '\'' && def[len(def)-1] == '\'' {
		return def[1 : len(def)-1], true
	}
	return "", false
}

// glob matches in time linear in the product of the lengths, without recursion.
func glob(p []rune, text string) bool {
	s := []rune(text)
	i, j, mark, back := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == star:
			mark, back = i, j
			i++
		case i < len(p) && (p[i] == one || p[i] == s[j]):
			i++
			j++
		case mark >= 0:
			back++
			i, j = mark+1, back
		default:
			return false
		}
	}
	for i < len(p) && p[i] == star {
		i++
	}
	return i == len(p)
}
