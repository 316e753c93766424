package buildspec

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

func (r *reader) env(e *Env, n *yaml.Node) {
	for key, v := range r.entries(n) {
		switch key.Value {
		case "shell":
			e.Shell = r.text(v)
			switch e.Shell {
			case "bash", "sh", "/bin/sh", "/bin/bash":
			default:
				r.fail(v, "Invalid shell: %s. Expecting: bash,/bin/sh", e.Shell)
			}
		case "variables", "plaintext":
			e.Variables = r.pairs(v)
		case "parameter-store":
			e.Parameters = r.pairs(v)
		case "secrets-manager":
			e.Secrets = r.pairs(v)
		case "exported-variables":
			e.Exported = r.list(v, "exported-variables")
			for _, name := range e.Exported {
				if strings.HasPrefix(name, "AWS_") {
					r.fail(v, "Exported variables cannot start with AWS_: %s", name)
				}
			}
		case "git-credential-helper":
			e.GitHelper = r.flag(v)
		default:
			r.ignore("env", key)
		}
	}
}

// phaseOrder is the order in which phases run, whatever the order of the file.
var phaseOrder = []string{"install", "pre_build", "build", "post_build"}

func (r *reader) phases(n *yaml.Node) []Phase {
	var out []Phase
	if n.Kind == yaml.MappingNode {
		// A phase without a value counts as declared, and a wrong name is wrong even so.
		for i := 0; i+1 < len(n.Content); i += 2 {
			if name := n.Content[i].Value; name != "<<" && !slices.Contains(phaseOrder, name) {
				r.fail(n.Content[i], "Invalid buildspec phase name: %s. Expecting: build,install,post_build,pre_build", name)
			}
		}
	}
	for key, v := range r.entries(n) {
		name := key.Value
		p := Phase{Name: name}
		for key, v := range r.entries(v) {
			switch key.Value {
			case "run-as":
				p.RunAs = r.text(v)
			case "on-failure":
				p.OnFailure = r.onFailure(v)
			case "runtime-versions":
				p.Runtimes = r.pairs(v)
			case "commands":
				p.Commands = r.list(v, "Commands")
			case "finally":
				p.Finally = r.list(v, "Finally")
			default:
				r.ignore(strings.ToUpper(name), key)
			}
		}
		out = slices.DeleteFunc(out, func(q Phase) bool { return q.Name == name })
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b Phase) int {
		return slices.Index(phaseOrder, a.Name) - slices.Index(phaseOrder, b.Name)
	})
	return out
}

// OnFailure is what to do after a phase has failed. Retries is the number of
// further attempts of the whole build, Matching the errors that it is for.
type OnFailure struct {
	Do       string // "", "ABORT", "CONTINUE", "RETRY"
	Retries  int
	Matching string
}

var retryPattern = regexp.MustCompile(`^(?i:RETRY)(?:-([0-9]+))?(?:-(.+))?$`)

// defaultRetries is what RETRY without a number means.
const defaultRetries = 3

func (r *reader) onFailure(n *yaml.Node) OnFailure {
	text := r.text(n)
	switch up := strings.ToUpper(text); up {
	case "ABORT", "CONTINUE":
		return OnFailure{Do: up}
	}
	m := retryPattern.FindStringSubmatch(text)
	if m == nil {
		r.fail(n, "Invalid on-failure value: %s. Expecting: ABORT,CONTINUE,RETRY", text)
		return OnFailure{}
	}
	f := OnFailure{Do: "RETRY", Retries: defaultRetries, Matching: m[2]}
	if m[1] != "" {
		f.Retries, _ = strconv.Atoi(m[1]) // digits only; too many stay at the largest int and fail below
		if len(m[1]) > 3 || f.Retries > 100 {
			r.fail(n, "Invalid on-failure value: %s. The number of retries must be between 0 and 100", text)
		}
	}
	if _, err := regexp.Compile(f.Matching); err != nil {
		r.fail(n, "Invalid on-failure value: %s. %v", text, err)
	}
	return f
}

func (r *reader) artifacts(n *yaml.Node) (*Artifacts, []Artifacts) {
	var secondary []Artifacts
	primary := r.artifact("", n, func(v *yaml.Node) {
		for id, v := range r.entries(v) {
			secondary = append(secondary, r.artifact(id.Value, v, nil))
		}
	})
	return &primary, secondary
}

// artifact reads one; others reads secondary-artifacts, which stand in the primary one only.
func (r *reader) artifact(id string, n *yaml.Node, others func(*yaml.Node)) Artifacts {
	a := Artifacts{ID: id}
	for key, v := range r.entries(n) {
		if key.Value == "secondary-artifacts" && others != nil {
			others(v)
			continue
		}
		switch key.Value {
		case "files":
			a.Files = r.list(v, "files")
		case "exclude-paths":
			a.Exclude = r.list(v, "exclude-paths")
		case "name":
			a.Name = r.text(v)
		case "base-directory":
			a.Base = r.text(v)
		case "s3-prefix":
			a.S3Prefix = r.text(v)
		case "discard-paths":
			a.DiscardPaths = r.flag(v)
		case "enable-symlinks":
			a.Symlinks = r.flag(v)
		default:
			r.ignore("artifacts", key)
		}
	}
	return a
}

// maxFallback is AWS's limit.
const maxFallback = 5

func (r *reader) cache(n *yaml.Node) Cache {
	var c Cache
	for key, v := range r.entries(n) {
		switch key.Value {
		case "paths":
			c.Paths = r.list(v, "paths")
		case "key":
			c.Key = r.text(v)
		case "fallback-keys":
			c.Fallback = r.list(v, "fallback-keys")
			if len(c.Fallback) > maxFallback {
				r.fail(v, "Invalid cache: at most %d fallback-keys are allowed", maxFallback)
			}
		case "action":
			c.Action = strings.ToLower(r.text(v))
			if c.Action != "restore" && c.Action != "save" {
				r.fail(v, "Invalid cache action: %s. Expecting: restore,save", v.Value)
			}
		default:
			r.ignore("cache", key)
		}
	}
	return c
}

func (r *reader) reports(n *yaml.Node) []Report {
	var out []Report
	for name, v := range r.entries(n) {
		p := Report{Name: name.Value}
		for key, v := range r.entries(v) {
			switch key.Value {
			case "files":
				p.Files = r.list(v, "files")
			case "file-format":
				p.Format = strings.ToUpper(r.text(v))
			case "base-directory":
				p.Base = r.text(v)
			case "discard-paths":
				p.DiscardPaths = r.flag(v)
			default:
				r.ignore("reports", key)
			}
		}
		out = append(out, p)
	}
	return out
}
