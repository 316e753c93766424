package ec2

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/op"
)

// facets are what a noun can be filtered by.
type facets map[string][]string

// question is the common part of every Describe operation.
type question struct {
	ids     []string
	filters []ec2.Filter
	max     *int32
	token   *string
}

// answer selects, in the order of ids, what q asks for among all: each with its id, and
// facets that name every filter the noun knows.
func answer[T any](q question, all []T, id func(T) string, known func(T) facets, missing func(string) *op.Error) ([]T, *string, error) {
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	for _, want := range q.ids {
		if !slices.ContainsFunc(all, func(v T) bool { return id(v) == want }) {
			return nil, nil, missing(want)
		}
	}
	var zero T
	if err := checkFilters(q.filters, known(zero)); err != nil {
		return nil, nil, err
	}
	after, err := base64.RawURLEncoding.DecodeString(op.Val(q.token))
	if err != nil {
		return nil, nil, fail("InvalidNextToken", "The token '%s' is invalid", *q.token)
	}
	var out []T
	for _, v := range all {
		if len(q.ids) > 0 && !slices.Contains(q.ids, id(v)) || id(v) <= string(after) || !matches(q.filters, known(v)) {
			continue
		}
		if q.max != nil && len(out) == int(*q.max) {
			return out, new(base64.RawURLEncoding.EncodeToString([]byte(id(out[len(out)-1])))), nil
		}
		out = append(out, v)
	}
	return out, nil, nil
}

func checkFilters(filters []ec2.Filter, known facets) error {
	for _, f := range filters {
		name := op.Val(f.Name)
		if _, ok := known[name]; !ok && !strings.HasPrefix(name, "tag:") && name != "tag-key" {
			return invalid("The filter '%s' is invalid", name)
		}
	}
	return nil
}

// matches: all filters, each by any of its values.
func matches(filters []ec2.Filter, known facets) bool {
	return !slices.ContainsFunc(filters, func(f ec2.Filter) bool {
		return !slices.ContainsFunc(f.Values, func(pattern string) bool {
			return slices.ContainsFunc(known[op.Val(f.Name)], func(v string) bool { return wild(pattern, v) })
		})
	})
}

// wild matches * and ?; a backslash takes their meaning away.
func wild(pattern, s string) bool {
	for pattern != "" {
		switch pattern[0] {
		case '*':
			for i := 0; i <= len(s); i++ {
				if wild(pattern[1:], s[i:]) {
					return true
				}
			}
			return false
		case '\\':
			if len(pattern) > 1 {
				pattern = pattern[1:]
			}
			if s == "" || s[0] != pattern[0] {
				return false
			}
		case '?':
			if s == "" {
				return false
			}
		default:
			if s == "" || s[0] != pattern[0] {
				return false
			}
		}
		pattern, s = pattern[1:], s[1:]
	}
	return s == ""
}

func truth(b bool) []string {
	if b {
		return []string{"true"}
	}
	return []string{"false"}
}
