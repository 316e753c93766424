package logs

import (
	"strings"

	api "github.com/penstock-ci/penstock/api/logs"
)

// compile reads a text filter pattern (CloudWatch Logs user guide, "Filter pattern
// syntax"): every term must occur, one of the ?terms must, no -term may; quotes
// keep a phrase together. Case counts.
func compile(pattern string) (func(string) bool, error) {
	pattern = strings.TrimSpace(pattern)
	if strings.HasPrefix(pattern, "{") || strings.HasPrefix(pattern, "[") || strings.HasPrefix(pattern, "%") {
		return nil, api.InvalidParameterException("Only text filter patterns are supported by Penstock, not JSON, column or regular expression ones: %s", pattern)
	}
	var all, some, none []string
	for rest := pattern; rest != ""; rest = strings.TrimLeft(rest, " ") {
		into := &all
		switch rest[0] {
		case '?':
			into, rest = &some, rest[1:]
		case '-':
			into, rest = &none, rest[1:]
		}
		var term string
		if strings.HasPrefix(rest, `"`) {
			var ok bool
			if term, rest, ok = strings.Cut(rest[1:], `"`); !ok {
				return nil, api.InvalidParameterException("Invalid filter pattern: the quote in %s is not closed", pattern)
			}
		} else {
			term, rest, _ = strings.Cut(rest, " ")
		}
		if term != "" {
			*into = append(*into, term)
		}
	}
	return func(line string) bool {
		for _, t := range all {
			if !strings.Contains(line, t) {
				return false
			}
		}
		for _, t := range none {
			if strings.Contains(line, t) {
				return false
			}
		}
		for _, t := range some {
			if strings.Contains(line, t) {
				return true
			}
		}
		return len(some) == 0
	}, nil
}
