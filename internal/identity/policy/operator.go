package policy

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// operator is how one value of the request is compared with one of the policy:
// want as text, p the same with wildcards marked.
type operator struct {
	match   func(p []rune, want, got string) bool
	negated bool
}

var (
	equals     = func(_ []rune, want, got string) bool { return want == got }
	equalsFold = func(_ []rune, want, got string) bool { return strings.EqualFold(want, got) }
	like       = func(p []rune, _, got string) bool { return glob(p, got) }
	arnLike    = func(p []rune, _, got string) bool { return matchARN(p, got) }
)

// operators by lower-case name, without set prefix and IfExists.
var operators = map[string]operator{
	"stringequals":              {match: equals},
	"stringnotequals":           {match: equals, negated: true},
	"stringequalsignorecase":    {match: equalsFold},
	"stringnotequalsignorecase": {match: equalsFold, negated: true},
	"stringlike":                {match: like},
	"stringnotlike":             {match: like, negated: true},
	"arnequals":                 {match: arnLike},
	"arnlike":                   {match: arnLike},
	"arnnotequals":              {match: arnLike, negated: true},
	"arnnotlike":                {match: arnLike, negated: true},
	"bool":                      {match: equalsFold},
	"binaryequals":              {match: binaryEquals},
	"ipaddress":                 {match: inNetwork},
	"notipaddress":              {match: inNetwork, negated: true},
	"numericequals":             {match: numeric(func(c int) bool { return c == 0 })},
	"numericnotequals":          {match: numeric(func(c int) bool { return c == 0 }), negated: true},
	"numericlessthan":           {match: numeric(func(c int) bool { return c < 0 })},
	"numericlessthanequals":     {match: numeric(func(c int) bool { return c <= 0 })},
	"numericgreaterthan":        {match: numeric(func(c int) bool { return c > 0 })},
	"numericgreaterthanequals":  {match: numeric(func(c int) bool { return c >= 0 })},
	"dateequals":                {match: date(func(c int) bool { return c == 0 })},
	"datenotequals":             {match: date(func(c int) bool { return c == 0 }), negated: true},
	"datelessthan":              {match: date(func(c int) bool { return c < 0 })},
	"datelessthanequals":        {match: date(func(c int) bool { return c <= 0 })},
	"dategreaterthan":           {match: date(func(c int) bool { return c > 0 })},
	"dategreaterthanequals":     {match: date(func(c int) bool { return c >= 0 })},
}

// matchARN matches the six segments one by one, so that a wildcard of one
// segment never eats a colon of the next; the resource part may hold colons.
func matchARN(p []rune, got string) bool {
	parts := strings.SplitN(got, ":", 6)
	if len(parts) != 6 {
		return false
	}
	for i, part := range parts {
		end := len(p)
		if i < 5 {
			if end = index(p, ':'); end < 0 {
				return false
			}
		}
		if !glob(p[:end], part) {
			return false
		}
		if i < 5 {
			p = p[end+1:]
		}
	}
	return true
}

func index(p []rune, r rune) int {
	for i := range p {
		if p[i] == r {
			return i
		}
	}
	return -1
}

func binaryEquals(_ []rune, want, got string) bool {
	a, err := base64.StdEncoding.DecodeString(want)
	return err == nil && string(a) == got
}

func inNetwork(_ []rune, want, got string) bool {
	a, err := netip.ParseAddr(got)
	if err != nil {
		return false
	}
	if n, err := netip.ParsePrefix(want); err == nil {
		return n.Contains(a.Unmap())
	}
	w, err := netip.ParseAddr(want)
	return err == nil && w == a.Unmap()
}

func numeric(holds func(int) bool) func([]rune, string, string) bool {
	return func(_ []rune, want, got string) bool {
		w, errW := strconv.ParseFloat(want, 64)
		g, errG := strconv.ParseFloat(got, 64)
		if errW != nil || errG != nil {
			return false
		}
		switch {
		case g < w:
			return holds(-1)
		case g > w:
			return holds(1)
		}
		return holds(0)
	}
}

func date(holds func(int) bool) func([]rune, string, string) bool {
	return func(_ []rune, want, got string) bool {
		w, okW := instant(want)
		g, okG := instant(got)
		return okW && okG && holds(g.Compare(w))
	}
}

// instant reads what policies write: W3C forms of ISO 8601, or epoch seconds.
func instant(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(n, 0), true
	}
	return time.Time{}, false
}
