package codepipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/op"
)

// place is an action's place in the order of a pipeline.
type place struct{ stage, order int }

func (p place) precedes(q place) bool {
	return p.stage < q.stage || p.stage == q.stage && p.order < q.order
}

// checkArtifacts: an output has one maker, an input a maker that runs before.
func checkArtifacts(p *api.PipelineDeclaration) error {
	made := map[string]place{}
	for i, st := range p.Stages {
		for _, a := range st.Actions {
			for _, o := range a.OutputArtifacts {
				if _, ok := made[op.Val(o.Name)]; ok {
					return api.InvalidActionDeclarationException("Output Artifact Bundle name must be unique within a pipeline. '%s' is used more than once.", op.Val(o.Name))
				}
				if len(o.Files) > 0 {
					return api.InvalidActionDeclarationException("Action %s cannot name files in its output artifacts: only Commands actions can", op.Val(a.Name))
				}
				made[op.Val(o.Name)] = place{i, int(op.Or(a.RunOrder, 1))}
			}
		}
	}
	for i, st := range p.Stages {
		for _, a := range st.Actions {
			seen := map[string]bool{}
			for _, in := range a.InputArtifacts {
				name := op.Val(in.Name)
				from, ok := made[name]
				if !ok || !from.precedes(place{i, int(op.Or(a.RunOrder, 1))}) {
					return api.InvalidActionDeclarationException("Input Artifact Bundle %s in action %s is not declared as Output Artifact Bundle in any of the preceding actions", name, op.Val(a.Name))
				}
				if seen[name] {
					return api.InvalidActionDeclarationException("Input Artifact Bundle %s is used more than once in action %s", name, op.Val(a.Name))
				}
				seen[name] = true
			}
		}
	}
	return nil
}

// wellFormed is a reference's text: a namespace and a key.
var wellFormed = regexp.MustCompile(`^[A-Za-z0-9@_-]+\.[A-Za-z0-9@_.-]+$`)

// checkReferences: namespaces are unique, references name one that exists before.
func checkReferences(p *api.PipelineDeclaration) error {
	namespaces, err := namespaces(p)
	if err != nil {
		return err
	}
	for i, st := range p.Stages {
		for _, a := range st.Actions {
			here := place{i, int(op.Or(a.RunOrder, 1))}
			for _, key := range sortedKeys(a.Configuration) {
				for _, text := range references(a.Configuration[key]) {
					at := fmt.Sprintf("StageName=[%s], ActionName=[%s], ActionConfigurationKey=[%s], VariableReferenceText=[%s]", op.Val(st.Name), op.Val(a.Name), key, text)
					if err := checkReference(p, &a, text, at, here, namespaces); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func sortedKeys(m map[string]string) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func checkReference(p *api.PipelineDeclaration, a *api.ActionDeclaration, text, at string, here place, namespaces map[string]place) error {
	namespace, key, _ := strings.Cut(text, ".")
	isPipelines := namespace == pipelineNamespace && len(p.Variables) > 0
	if isSource(a) {
		if namespace == pipelineNamespace {
			return api.InvalidStructureException("Variables at the pipeline level cannot be used in source actions.\n%s", at)
		}
		return nil // sources take their configuration as it is
	}
	if isPipelines {
		if !slices.ContainsFunc(p.Variables, func(v api.PipelineVariableDeclaration) bool { return op.Val(v.Name) == key }) {
			return api.InvalidStructureException("The referenced variables haven't been declared.\n%s", at)
		}
		return nil
	}
	from, ok := namespaces[namespace]
	if namespace == ownNamespace && key == "PipelineExecutionId" || wellFormed.MatchString(text) && ok && from.precedes(here) {
		return nil
	}
	if namespace == pipelineNamespace && len(p.Variables) == 0 && !ok {
		return api.InvalidStructureException("The referenced variables haven't been declared.\n%s", at)
	}
	return api.InvalidActionDeclarationException("Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). "+
		"The following pipeline execution variables are referencing a namespace that does not exist.\n%s", at)
}

// namespaces are those of the pipeline's actions, which must differ.
func namespaces(p *api.PipelineDeclaration) (map[string]place, error) {
	out, lines, artifacts := map[string]place{}, map[string][]string{}, map[string]bool{}
	var repeated []string
	for i, st := range p.Stages {
		for _, a := range st.Actions {
			for _, o := range a.OutputArtifacts {
				artifacts[op.Val(o.Name)] = true
			}
			n := op.Val(a.Namespace)
			if n == "" {
				continue
			}
			if n == ownNamespace || n == pipelineNamespace && len(p.Variables) > 0 {
				return nil, api.InvalidActionDeclarationException("The namespace '%s' of action '%s' is reserved", n, op.Val(a.Name))
			}
			out[n] = place{i, int(op.Or(a.RunOrder, 1))}
			lines[n] = append(lines[n], fmt.Sprintf("StageName=[%s], ActionName=[%s], Namespace=[%s]", op.Val(st.Name), op.Val(a.Name), n))
			if len(lines[n]) == 2 {
				repeated = append(repeated, n)
			}
		}
	}
	for n := range out {
		if artifacts[n] {
			return nil, api.InvalidActionDeclarationException("The namespace '%s' is also the name of an artifact. Namespaces and artifacts must have different names", n)
		}
	}
	if len(repeated) == 0 {
		return out, nil
	}
	text := "Namespaces must be unique across the pipeline definition. The following occur more than once in the pipeline."
	for _, n := range repeated {
		text += "\n" + strings.Join(lines[n], "\n")
	}
	return nil, api.InvalidActionDeclarationException("%s", text)
}
