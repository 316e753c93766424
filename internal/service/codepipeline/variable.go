package codepipeline

import (
	"fmt"
	"regexp"
	"strings"
)

// reference is #{namespace.key} in a value of a configuration.
var reference = regexp.MustCompile(`#\{([^{}]*)\}`)

// Namespaces that belong to CodePipeline itself.
const (
	ownNamespace      = "codepipeline"
	pipelineNamespace = "variables"
)

// references are the texts between #{ and } in s.
func references(s string) (out []string) {
	for _, m := range reference.FindAllStringSubmatch(s, -1) {
		out = append(out, m[1])
	}
	return out
}

// resolve replaces the references of s in one pass; what is inserted is not read again.
func resolve(s string, value func(namespace, key string) (string, bool)) (string, error) {
	var missing string
	out := reference.ReplaceAllStringFunc(s, func(m string) string {
		namespace, key, _ := strings.Cut(m[2:len(m)-1], ".")
		v, ok := value(namespace, key)
		if !ok && missing == "" {
			missing = m
		}
		return v
	})
	if missing != "" {
		return "", fmt.Errorf("An action in this pipeline references the variable %s, which was not produced by the action that the namespace belongs to", missing) //nolint:staticcheck // shown to users as it is
	}
	return out, nil
}

// value is a variable of the execution.
func (x *Execution) value(namespace, key string) (string, bool) {
	switch {
	case namespace == ownNamespace && key == "PipelineExecutionId":
		return x.ID, true
	case namespace == pipelineNamespace && len(x.Definition.Variables) > 0:
		v, ok := x.Variables[key]
		return v, ok
	}
	v, ok := x.Outputs[namespace][key]
	return v, ok
}
