// Package buildspec reads buildspec files: text in, a Spec or an *Error with line
// and column out. It is pure; the codebuild service calls it. It never expands a
// variable and never touches a file.
package buildspec

import (
	"errors"
	"fmt"

	yaml "go.yaml.in/yaml/v4"
)

// Spec is a buildspec as written, with scalars as their source text.
type Spec struct {
	Version   string // "0.1" or "0.2"
	RunAs     string
	Env       Env
	Proxy     bool    // proxy.upload-artifacts or proxy.logs
	Phases    []Phase // those that stand in the file, in the order in which they run
	Reports   []Report
	Artifacts *Artifacts
	Secondary []Artifacts // in the order of the file
	Cache     Cache
	HasBatch  bool
	Unknown   []Key // what nothing is known of: it changes nothing
	Repeated  []Key // given again in one mapping: the last one counts
}

// Key is a key and where it stands. Section is that of the file ("artifacts"), or the
// phase in capitals, as CodeBuild names it; "" is the top level.
type Key struct {
	Section, Name string
	Line, Column  int
}

// Env is the section env (version 0.1: environment_variables).
type Env struct {
	Shell      string // "" is sh
	Variables  []Pair
	Parameters []Pair // parameter-store: NAME → parameter
	Secrets    []Pair // secrets-manager: NAME → reference
	Exported   []string
	GitHelper  bool
}

// Pair is one entry of a map, in the order of the file.
type Pair struct{ Name, Value string }

// Phase is one phase.
type Phase struct {
	Name      string // "install", "pre_build", "build", "post_build"
	RunAs     string
	OnFailure OnFailure
	Runtimes  []Pair
	Commands  []string
	Finally   []string
}

// Artifacts is the section artifacts, or one of its secondary-artifacts (ID).
type Artifacts struct {
	ID           string
	Files        []string
	Exclude      []string
	Name         string
	Base         string
	S3Prefix     string
	DiscardPaths bool
	Symlinks     bool
}

// Cache is the section cache.
type Cache struct {
	Paths, Fallback []string
	Key, Action     string
}

// Report is one entry of the section reports.
type Report struct {
	Name, Format, Base string
	Files              []string
	DiscardPaths       bool
}

// Error is what is wrong and where. Line and Column begin at 1; 0 is unknown.
type Error struct {
	Message      string
	Line, Column int
}

// Error is AWS's text and the place: "did not find expected ',' or ']' at line 19, column 4".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s at line %d, column %d", e.Message, e.Line, e.Column)
}

// Limits of what is read: AWS takes a buildspec of up to a few hundred KiB; the
// rest is room, and a bound against bombs.
const (
	maxSize  = 1 << 20
	maxDepth = 32
)

// Parse reads a buildspec.
func Parse(text []byte) (*Spec, error) {
	if len(text) > maxSize {
		return nil, &Error{Message: fmt.Sprintf("buildspec is larger than %d bytes", maxSize)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, syntax(err)
	}
	root := &doc
	if root.Kind == yaml.DocumentNode && len(root.Content) > 0 {
		root = root.Content[0]
	}
	if root.Kind != yaml.MappingNode {
		return nil, &Error{Message: "wrong number of container tags, expected 1"}
	}
	r := &reader{}
	s := r.spec(root)
	if r.err != nil {
		return nil, r.err
	}
	s.Unknown, s.Repeated = r.unknown, r.repeated
	return s, nil
}

// syntax keeps the parser's text and place.
func syntax(err error) error {
	var le *yaml.LoadError
	if errors.As(err, &le) {
		return &Error{le.Message, le.Mark.Line, le.Mark.Column}
	}
	return &Error{Message: err.Error()}
}

func (r *reader) spec(root *yaml.Node) *Spec {
	s := &Spec{}
	var hasPhases bool
	for key, v := range r.entries(root) {
		switch key.Value {
		case "version":
			s.Version = r.text(v)
			if s.Version != "0.1" && s.Version != "0.2" {
				r.fail(v, "invalid buildspec `version` specified: %s, see documentation", s.Version)
			}
		case "run-as":
			s.RunAs = r.text(v)
		case "env", "environment_variables":
			r.env(&s.Env, v)
		case "proxy":
			for key, v := range r.entries(v) {
				switch key.Value {
				case "upload-artifacts", "logs":
					s.Proxy = r.flag(v) || s.Proxy
				default:
					r.ignore("proxy", key)
				}
			}
		case "phases":
			hasPhases = true
			s.Phases = r.phases(v)
		case "artifacts":
			s.Artifacts, s.Secondary = r.artifacts(v)
		case "reports":
			s.Reports = r.reports(v)
		case "cache":
			s.Cache = r.cache(v)
		case "batch":
			s.HasBatch = true
		default:
			r.ignore("", key)
		}
	}
	if s.Version == "" {
		r.fail(root, "invalid buildspec `version` specified: , see documentation")
	}
	if !hasPhases && !s.HasBatch {
		r.fail(root, "buildspec has no `phases`: at least one phase with commands is needed")
	}
	return s
}
