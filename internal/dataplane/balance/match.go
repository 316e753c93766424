package balance

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/penstock-ci/penstock/internal/dataplane"
)

// glob matches AWS's patterns: * is any number of characters, ? is one.
func glob(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// request is what conditions look at.
type request struct {
	*http.Request
	client netip.Addr
}

// choose finds the first rule all of whose conditions hold; the rules are in order.
func choose(rules []dataplane.Rule, r request) (dataplane.Rule, bool) {
	for _, rule := range rules {
		if holds(rule.Conditions, r) {
			return rule, true
		}
	}
	return dataplane.Rule{}, false
}

func holds(cs []dataplane.Condition, r request) bool {
	for _, c := range cs {
		if !condition(c, r) {
			return false
		}
	}
	return true
}

func condition(c dataplane.Condition, r request) bool {
	switch c.Field {
	case "path-pattern":
		return anyGlob(c.Values, r.URL.EscapedPath())
	case "host-header":
		return anyGlob(lower(c.Values), strings.ToLower(hostname(r.Host)))
	case "http-request-method":
		return anyEqual(c.Values, r.Method)
	case "http-header":
		for _, v := range r.Header.Values(c.Header) {
			if anyGlob(lower(c.Values), strings.ToLower(v)) {
				return true
			}
		}
	case "query-string":
		return query(c.Query, r.URL.RawQuery)
	case "source-ip":
		for _, v := range c.Values {
			if p, err := netip.ParsePrefix(v); err == nil && p.Contains(r.client) {
				return true
			}
		}
	}
	return false
}

func query(pairs []dataplane.Pair, raw string) bool {
	have, _ := url.ParseQuery(raw) // what cannot be read is left out, the rest counts
	for _, p := range pairs {
		for k, vs := range have {
			if p.Key != "" && !glob(strings.ToLower(p.Key), strings.ToLower(k)) {
				continue
			}
			for _, v := range vs {
				if glob(strings.ToLower(p.Value), strings.ToLower(v)) {
					return true
				}
			}
		}
	}
	return false
}

func anyGlob(patterns []string, s string) bool {
	for _, p := range patterns {
		if glob(p, s) {
			return true
		}
	}
	return false
}

func anyEqual(values []string, s string) bool {
	for _, v := range values {
		if v == s {
			return true
		}
	}
	return false
}

func lower(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = strings.ToLower(s)
	}
	return out
}

// hostname is a Host header without its port.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i]
	}
	return host
}
