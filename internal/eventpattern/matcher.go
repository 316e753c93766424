package eventpattern

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
)

// parseMatcher reads one element of a leaf: a literal, or an object with one operator.
func parseMatcher(v any) (matcher, error) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) != 1 {
			return nil, fmt.Errorf("Only one key allowed in match expression")
		}
		for operator, operand := range v {
			return parseOperator(operator, operand)
		}
	case []any:
		return nil, fmt.Errorf("Match value must be String, number, true, false, or null")
	}
	return literal(v), nil
}

// literal compares exactly: strings with strings, numbers by value, null with null.
func literal(want any) matcher {
	return func(got any, present bool) bool {
		if !present {
			return false
		}
		if w, ok := number(want); ok {
			g, ok := number(got)
			return ok && w.Cmp(g) == 0
		}
		return want == got
	}
}

func number(v any) (*big.Rat, bool) {
	n, ok := v.(json.Number)
	if !ok || len(n) > 64 {
		return nil, false
	}
	if i := strings.IndexAny(string(n), "eE"); i >= 0 && len(n)-i > 5 {
		return nil, false // an exponent that would fill the memory
	}
	return new(big.Rat).SetString(string(n))
}

func text(f func(string) bool) matcher {
	return func(v any, present bool) bool {
		s, ok := v.(string)
		return present && ok && f(s)
	}
}

func parseOperator(operator string, operand any) (matcher, error) {
	switch operator {
	case "prefix", "suffix", "equals-ignore-case", "wildcard":
		f, err := parseText(operator, operand)
		if err != nil {
			return nil, err
		}
		return text(f), nil
	case "exists":
		want, ok := operand.(bool)
		if !ok {
			return nil, fmt.Errorf("exists match pattern must be either true or false")
		}
		return func(_ any, present bool) bool { return present == want }, nil
	case "numeric":
		return parseNumeric(operand)
	case "cidr":
		s, ok := operand.(string)
		cidr, err := netip.ParsePrefix(s)
		if !ok || err != nil {
			return nil, fmt.Errorf("Malformed CIDR, one '/' required")
		}
		return inNetwork(cidr.Masked()), nil
	case "anything-but":
		return parseAnythingBut(operand)
	}
	return nil, fmt.Errorf("Unrecognized match type %s", operator)
}

// parseText reads the operand of a text operator; prefix and suffix may ignore case.
func parseText(operator string, operand any) (func(string) bool, error) {
	fold := false
	if m, ok := operand.(map[string]any); ok && (operator == "prefix" || operator == "suffix") {
		operand, fold = m["equals-ignore-case"], true
	}
	want, ok := operand.(string)
	if !ok || want == "" && operator != "equals-ignore-case" {
		return nil, fmt.Errorf("%s match pattern must be a string", operator)
	}
	switch operator {
	case "prefix":
		return func(s string) bool {
			if fold {
				return len(s) >= len(want) && equalFold(s[:len(want)], want)
			}
			return strings.HasPrefix(s, want)
		}, nil
	case "suffix":
		return func(s string) bool {
			if fold {
				return len(s) >= len(want) && equalFold(s[len(s)-len(want):], want)
			}
			return strings.HasSuffix(s, want)
		}, nil
	case "wildcard":
		if strings.Contains(want, "**") {
			return nil, fmt.Errorf("Consecutive wildcard characters at pos %d", strings.Index(want, "**"))
		}
		return func(s string) bool { return wildcard(want, s) }, nil
	}
	return func(s string) bool { return equalFold(s, want) }, nil
}

// wildcard matches * against any run of characters; \* is a star.
func wildcard(pattern, s string) bool {
	const star = "\x00"
	parts := strings.Split(strings.ReplaceAll(pattern, `\*`, star), "*")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], star, "*")
	}
	if len(parts) == 1 {
		return s == parts[0]
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return len(s) >= len(last) && strings.HasSuffix(s, last)
}

// parseNumeric reads ["=", 5] or [">", 0, "<=", 5].
func parseNumeric(operand any) (matcher, error) {
	list, ok := operand.([]any)
	if !ok || len(list) != 2 && len(list) != 4 {
		return nil, fmt.Errorf("Value of numeric must be an array of comparisons")
	}
	type comparison struct {
		holds func(int) bool
		with  *big.Rat
	}
	var all []comparison
	for i := 0; i < len(list); i += 2 {
		sign, _ := list[i].(string)
		with, ok := number(list[i+1])
		holds := map[string]func(int) bool{
			"=": func(c int) bool { return c == 0 }, "<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
			">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
		}[sign]
		if holds == nil || !ok {
			return nil, fmt.Errorf("Unrecognized numeric range operator: %v", list[i])
		}
		all = append(all, comparison{holds, with})
	}
	return func(v any, present bool) bool {
		n, ok := number(v)
		if !present || !ok {
			return false
		}
		for _, c := range all {
			if !c.holds(n.Cmp(c.with)) {
				return false
			}
		}
		return true
	}, nil
}

// parseAnythingBut reads a scalar, a list of them, or a text operator whose matches
// are excluded. An absent field never matches.
func parseAnythingBut(operand any) (matcher, error) {
	var none []matcher
	switch v := operand.(type) {
	case map[string]any:
		if len(v) != 1 {
			return nil, fmt.Errorf("Only one key allowed in match expression")
		}
		for operator, inner := range v {
			list, isList := inner.([]any)
			if !isList {
				list = []any{inner}
			}
			for _, one := range list {
				f, err := parseText(operator, one)
				if err != nil {
					return nil, err
				}
				none = append(none, text(f))
			}
		}
	case []any:
		for _, one := range v {
			none = append(none, literal(one))
		}
	default:
		none = append(none, literal(operand))
	}
	if len(none) == 0 {
		return nil, fmt.Errorf("Empty anything-but list")
	}
	return func(v any, present bool) bool {
		for _, m := range none {
			if m(v, present) {
				return false
			}
		}
		return present
	}, nil
}
