package identity

import (
	"bytes"
	"embed"
	"encoding/json"
	"slices"
	"strings"
)

// ManagedPolicy is one of AWS's own policies, as this program words it.
type ManagedPolicy struct {
	Name     string
	Path     string // "/", "/service-role/", "/aws-service-role/"
	Document string
}

// ARN of the policy; it belongs to no account.
func (m ManagedPolicy) ARN() string { return managedPrefix + strings.TrimPrefix(m.Path, "/") + m.Name }

const managedPrefix = "arn:aws:iam::aws:policy/"

//go:embed managed/*.json
var managedFiles embed.FS

// ManagedName is the name behind the ARN of one of AWS's policies.
func ManagedName(policyARN string) (string, bool) {
	rest, ok := strings.CutPrefix(policyARN, managedPrefix)
	return lastName(rest), ok && rest != ""
}

// Managed is AWS's policy of that name. The name alone finds it: templates name
// old paths too.
func Managed(name string) (ManagedPolicy, bool) {
	b, err := managedFiles.ReadFile("managed/" + name + ".json")
	if err != nil {
		return ManagedPolicy{}, false
	}
	var file struct {
		Path     string
		Document json.RawMessage
	}
	if json.Unmarshal(b, &file) != nil {
		return ManagedPolicy{}, false // a test reads them all
	}
	var text bytes.Buffer
	if json.Compact(&text, file.Document) != nil {
		return ManagedPolicy{}, false
	}
	return ManagedPolicy{Name: name, Path: file.Path, Document: text.String()}, true
}

// ManagedPolicies lists AWS's policies that are known here, by name.
func ManagedPolicies() []ManagedPolicy {
	files, err := managedFiles.ReadDir("managed")
	if err != nil {
		return nil // compiled in
	}
	var out []ManagedPolicy
	for _, f := range files {
		if m, ok := Managed(strings.TrimSuffix(f.Name(), ".json")); ok {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b ManagedPolicy) int { return strings.Compare(a.Name, b.Name) })
	return out
}
