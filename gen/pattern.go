package main

import (
	"fmt"
	"regexp"
	"strings"
)

// unicodeEscape is Java's \u0020, which Go writes \x{0020}.
var unicodeEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// surrogates is how models name everything beyond the basic plane.
var surrogates = strings.NewReplacer(
	`\uD800\uDC00-\uDBFF\uDFFF`, `\x{10000}-\x{10FFFF}`,
	`\ud800\udc00-\udbff\udfff`, `\x{10000}-\x{10FFFF}`,
	`\uD83C\uDF00-\uD83D\uDDFF`, `\x{1F300}-\x{1F5FF}`,
)

// byHand are patterns that Go's regexp cannot take (look-around, back references,
// repeats above 1000), each as the nearest that accepts no less.
var byHand = map[string]string{
	`^(?!\s*$).+`: `.*\S.*`, // events: not blank
}

// goPattern turns a model's Java pattern into one for Go's regexp, which must match
// the whole value.
func goPattern(p string) (string, error) {
	if q, ok := byHand[p]; ok {
		return q, nil
	}
	q := surrogates.Replace(p)
	q = unicodeEscape.ReplaceAllString(q, `\x{$1}`)
	if _, err := regexp.Compile(`\A(?:` + q + `)\z`); err != nil {
		return "", fmt.Errorf("pattern %q: %w (add it to byHand in gen/pattern.go)", p, err)
	}
	return q, nil
}
