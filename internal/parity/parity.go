// Package parity writes docs/parity.md: which operations of AWS's services are done
// and which are refused, from what the services register, and what each service's
// package comment says it refuses or only stores. Its test compares the page with
// the code (`-update` writes it). Nothing in the binary uses it.
package parity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// Service is one AWS service: its model, what is registered for it, and its
// package comment.
type Service struct {
	Folder   string // below internal/service
	API      *model.Service
	Handlers []op.Handler
	Comment  string
}

// head opens the page.
const head = `# What is done and what is not

Made from the code by ` + "`go test ./internal/parity -update`" + `; do not edit.

An operation that is **done** behaves as AWS's, within what the service's notes say. Every other operation is **refused** by name, with the error of
the service's own protocol for an operation that does not exist; nothing pretends to succeed. Services that are not in this list are refused as a whole.

| service | done | refused |
|---|---|---|
`

// Page is docs/parity.md.
func Page(services []Service) string {
	var b strings.Builder
	b.WriteString(head)
	for _, s := range services {
		done, refused := s.split()
		fmt.Fprintf(&b, "| [%s](#%s) | %d | %d |\n", s.Folder, s.Folder, len(done), len(refused))
	}
	for _, s := range services {
		done, refused := s.split()
		fmt.Fprintf(&b, "\n## %s\n", s.Folder)
		for _, note := range Notes(s.Comment) {
			fmt.Fprintf(&b, "%s\n\n", note)
		}
		fmt.Fprintf(&b, "**Done:** %s.\n\n**Refused:** %s.\n", list(done), list(refused))
	}
	return b.String()
}

// split sorts the operations of the model into those that have a handler and the
// others. A handler without an operation in the model (CodeCommit's UploadArchive)
// is reached from inside only and is not listed.
func (s Service) split() (done, refused []string) {
	registered := map[string]bool{}
	for _, h := range s.Handlers {
		registered[h.Name] = true
	}
	for _, operations := range [][]model.Operation{s.API.Ops, s.API.Refused} {
		for _, o := range operations {
			if registered[o.Name] {
				done = append(done, o.Name)
			} else {
				refused = append(refused, o.Name)
			}
		}
	}
	slices.Sort(done)
	slices.Sort(refused)
	return done, refused
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// tells are the words by which a paragraph of a package comment speaks of limits.
var tells = []string{"refused", "stored", "not done", "not kept", "do not exist"}

// Notes are the paragraphs of a package comment that speak of limits, each on one line.
func Notes(comment string) []string {
	var out []string
	for paragraph := range strings.SplitSeq(comment, "\n\n") {
		text := strings.Join(strings.Fields(paragraph), " ")
		lower := strings.ToLower(text)
		isLimit := slices.ContainsFunc(tells, func(word string) bool { return strings.Contains(lower, word) })
		if isLimit && !strings.HasPrefix(text, "Package ") && !strings.HasPrefix(text, "Invariant") {
			out = append(out, text)
		}
	}
	return out
}
