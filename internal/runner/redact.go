package runner

import (
	"bytes"
	"io"
	"slices"
)

// mask stands in the log where a secret was.
const mask = "***"

// shortestSecret is the length below which a value is not masked: the log would
// be unreadable and the value guessable anyway.
const shortestSecret = 3

// redactor replaces secret values in a stream. What may be the beginning of a
// secret is held back until it is decided, so a secret that is cut into chunks is found.
type redactor struct {
	to      io.Writer
	secrets [][]byte // longest first
	begins  [256]bool
	held    []byte
}

func newRedactor(to io.Writer) *redactor {
	r := &redactor{to: to}
	r.begins['A'] = true // access key ids
	return r
}

// add hides v from now on.
func (r *redactor) add(v string) {
	if len(v) < shortestSecret {
		return
	}
	r.secrets = append(r.secrets, []byte(v))
	r.begins[v[0]] = true
	slices.SortFunc(r.secrets, func(a, b []byte) int { return len(b) - len(a) })
}

// Write passes p on, without the secrets.
func (r *redactor) Write(p []byte) (int, error) {
	r.held = append(r.held, p...)
	return len(p), r.pass(false)
}

// Flush passes on what was held back: nothing follows that could make it a secret.
func (r *redactor) Flush() error { return r.pass(true) }

func (r *redactor) pass(final bool) error {
	var out []byte
	in, from := r.held, 0
	for i := 0; i < len(in); {
		if !r.begins[in[i]] {
			i++
			continue
		}
		n, undecided := r.match(in[i:])
		if undecided && !final {
			out = append(out, in[from:i]...)
			r.held = append(r.held[:0], in[i:]...)
			return r.emit(out)
		}
		if n == 0 {
			i++
			continue
		}
		out = append(append(out, in[from:i]...), mask...)
		i += n
		from = i
	}
	out = append(out, in[from:]...)
	r.held = r.held[:0]
	return r.emit(out)
}

func (r *redactor) emit(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := r.to.Write(b)
	return err
}

// match is the length of the longest secret that b begins with. It is undecided
// while a longer one could still come.
func (r *redactor) match(b []byte) (n int, undecided bool) {
	for _, s := range r.secrets {
		if len(s) > len(b) {
			undecided = undecided || bytes.HasPrefix(s, b)
			continue
		}
		if bytes.HasPrefix(b, s) {
			return len(s), undecided
		}
	}
	if k, wait := accessKey(b); k > 0 || wait {
		return k, undecided || wait
	}
	return 0, undecided
}

// accessKeyLength is that of AKIA… and ASIA… ids.
const accessKeyLength = 20

// accessKey is the length of the access key id that b begins with.
func accessKey(b []byte) (n int, undecided bool) {
	for i := range accessKeyLength {
		if i == len(b) {
			return 0, true
		}
		c := b[i]
		switch {
		case i < 4 && (c == "AKIA"[i] || c == "ASIA"[i]):
		case i >= 4 && (c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'):
		default:
			return 0, false
		}
	}
	return accessKeyLength, false
}
