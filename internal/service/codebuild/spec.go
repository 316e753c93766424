package codebuild

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/buildspec"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// Types of environment variables.
const (
	plaintext      = "PLAINTEXT"
	parameterStore = "PARAMETER_STORE"
	secretsManager = "SECRETS_MANAGER"
)

// variable is one variable before its value is known.
type variable struct{ name, value, kind string }

// variables are the user's: those of the project, which has StartBuild's already,
// win over the buildspec's.
func (b Build) variables(spec *buildspec.Spec) []variable {
	var out []variable
	at := map[string]int{}
	set := func(v variable) {
		if i, ok := at[v.name]; ok {
			out[i] = v
			return
		}
		at[v.name] = len(out)
		out = append(out, v)
	}
	for _, part := range []struct {
		kind  string
		pairs []buildspec.Pair
	}{{plaintext, spec.Env.Variables}, {parameterStore, spec.Env.Parameters}, {secretsManager, spec.Env.Secrets}} {
		for _, p := range part.pairs {
			set(variable{p.Name, p.Value, part.kind})
		}
	}
	for _, v := range b.Asked.Environment.EnvironmentVariables {
		set(variable{op.Val(v.Name), op.Val(v.Value), op.Or(v.Type, plaintext)})
	}
	return out
}

// own are CodeBuild's own variables.
func (b Build) own(resolved map[string]string) []protocol.Variable {
	a := b.Asked
	sources := b.sources()
	out := []protocol.Variable{
		{Name: "CODEBUILD_CI", Value: "true"},
		{Name: "CODEBUILD_BUILD_ID", Value: b.ID()},
		{Name: "CODEBUILD_BUILD_ARN", Value: b.ARN()},
		{Name: "CODEBUILD_BUILD_NUMBER", Value: strconv.FormatInt(b.Number, 10)},
		{Name: "CODEBUILD_BUILD_URL", Value: "https://" + b.Region + ".console.aws.amazon.com/codebuild/home?region=" + b.Region + "#/builds/" + b.ID() + "/view/new"},
		{Name: "CODEBUILD_BUILD_IMAGE", Value: op.Val(a.Environment.Image)},
		{Name: "CODEBUILD_PROJECT_ARN", Value: projectARN(b.Scope, b.Project)},
		{Name: "CODEBUILD_KMS_KEY_ID", Value: a.Key},
		{Name: "CODEBUILD_INITIATOR", Value: b.Initiator},
		{Name: "CODEBUILD_START_TIME", Value: strconv.FormatInt(b.Start.UnixMilli(), 10)},
		{Name: "CODEBUILD_SRC_DIR", Value: sources[0].Dir},
		{Name: "CODEBUILD_SOURCE_REPO_URL", Value: repoURL(a.Source)},
		{Name: "CODEBUILD_GOPATH", Value: b.outputDir()},
		{Name: "GOPATH", Value: "/go:" + b.outputDir()},
		{Name: "CODEBUILD_CONTAINER_NAME", Value: "default"},
		{Name: "CODEBUILD_EXECUTION_ROLE_BUILD", Value: ""},
		{Name: "CODEBUILD_LAST_EXIT", Value: "0"},
	}
	if v := b.sourceVersion(); v != "" {
		out = append(out, protocol.Variable{Name: "CODEBUILD_SOURCE_VERSION", Value: v})
	}
	revision := resolved[""]
	switch op.Val(a.Source.Type) {
	case api.SourceTypeS3, api.SourceTypeNoSource:
		revision = "" // unset for plain S3, as on AWS
	case api.SourceTypeCodepipeline:
		revision = b.Resolved[""]
	}
	if revision != "" {
		out = append(out, protocol.Variable{Name: "CODEBUILD_RESOLVED_SOURCE_VERSION", Value: revision})
	}
	for i, src := range a.SecondarySources {
		id := op.Val(src.SourceIdentifier)
		out = append(out,
			protocol.Variable{Name: "CODEBUILD_SRC_DIR_" + id, Value: sources[i+1].Dir},
			protocol.Variable{Name: "CODEBUILD_SOURCE_REPO_URL_" + id, Value: repoURL(src)},
			protocol.Variable{Name: "CODEBUILD_SOURCE_VERSION_" + id, Value: sources[i+1].Ref + sources[i+1].Version},
		)
	}
	return out
}

func repoURL(src api.ProjectSource) string {
	if op.Val(src.Type) == api.SourceTypeS3 {
		return "s3://" + objectPath(op.Val(src.Location))
	}
	if op.Val(src.Type) == api.SourceTypeCodepipeline {
		return ""
	}
	return op.Val(src.Location)
}

// phasesOf are the four phases, also those that the buildspec leaves out.
func phasesOf(spec *buildspec.Spec) []protocol.Phase {
	var out []protocol.Phase
	for _, name := range []string{"install", "pre_build", "build", "post_build"} {
		p := protocol.Phase{Name: strings.ToUpper(name)}
		for _, q := range spec.Phases {
			if q.Name == name {
				p.Declared, p.RunAs, p.Commands, p.Finally = true, q.RunAs, q.Commands, q.Finally
				p.OnFailure, p.Retries, p.Matching = q.OnFailure.Do, q.OnFailure.Retries, q.OnFailure.Matching
			}
		}
		out = append(out, p)
	}
	return out
}

// unsupported names what a buildspec asks for and a build here could not do.
func unsupported(spec *buildspec.Spec) string {
	switch {
	case spec.Proxy:
		return "proxy: builds have no proxy server, so upload-artifacts and logs cannot be yes: remove the section"
	case len(spec.Phases) == 0 && spec.HasBatch:
		return "No phases found in buildspec: batch builds are not supported"
	case len(spec.Phases) == 0:
		return "No phases found in buildspec"
	}
	return ""
}

// notes are lines that the build prints before its phases.
func (b Build) notes(spec *buildspec.Spec) []string {
	out := suspicions(spec)
	for _, p := range spec.Phases {
		if len(p.Runtimes) > 0 {
			out = append(out, "Skipping install of runtimes. Runtime version selection is not supported by this build image")
		}
	}
	if spec.Artifacts == nil && (expects(b.Asked.Artifacts) || slices.ContainsFunc(b.Asked.SecondaryArtifacts, expects)) {
		out = append(out, "No artifacts are defined in the buildspec: nothing will be stored")
	}
	if spec.HasBatch {
		out = append(out, "Skipping the section batch: this build is not part of a batch, and batches are not supported")
	}
	for _, r := range spec.Reports {
		out = append(out, "Skipping report "+r.Name+": reports are not kept by this installation; keep the files as artifacts")
	}
	return out
}

// suspicions are CodeBuild's words for keys that it does not know, with their places.
func suspicions(spec *buildspec.Spec) []string {
	var out []string
	if len(spec.Unknown) > 0 {
		text, section := "Found possible syntax errors in buildspec: ", "-"
		for _, k := range spec.Unknown {
			if k.Section != section {
				section = k.Section
				text += "\n" + place(section) + "\n\tThe following keys cannot be identified:"
			}
			text += fmt.Sprintf("\n\t\t%s (line %d, column %d)", k.Name, k.Line, k.Column)
		}
		out = append(out, text)
	}
	for _, k := range spec.Repeated {
		out = append(out, fmt.Sprintf("The key %s of the buildspec is given again at line %d, column %d: only this one counts", k.Name, k.Line, k.Column))
	}
	return out
}

func place(section string) string {
	if section == "" {
		return "At the top level"
	}
	return "In the section " + section
}

// artifactsOf are what the build stores, and where. Without a section artifacts a
// build stores nothing and ends well, as on AWS, whatever its project expects; with one, what the
// project expects must be in it: the runner says so in UPLOAD_ARTIFACTS.
func (b Build) artifactsOf(spec *buildspec.Spec) []protocol.Artifact {
	if spec.Artifacts == nil {
		return nil
	}
	var out []protocol.Artifact
	if expects(b.Asked.Artifacts) {
		out = append(out, b.artifact(b.Asked.Artifacts, *spec.Artifacts))
	}
	for _, target := range b.Asked.SecondaryArtifacts {
		if !expects(target) {
			continue
		}
		defined := buildspec.Artifacts{ID: op.Val(target.ArtifactIdentifier)}
		if i := slices.IndexFunc(spec.Secondary, func(a buildspec.Artifacts) bool { return a.ID == defined.ID }); i >= 0 {
			defined = spec.Secondary[i]
		}
		out = append(out, b.artifact(target, defined))
	}
	return out
}

// expects tells whether something is to be stored: an action of a pipeline without
// output artifacts names the type CODEPIPELINE and no place.
func expects(target api.ProjectArtifacts) bool {
	t := op.Val(target.Type)
	return t != api.ArtifactsTypeNoArtifacts && (t != api.ArtifactsTypeCodepipeline || op.Val(target.Location) != "")
}

func (b Build) artifact(target api.ProjectArtifacts, a buildspec.Artifacts) protocol.Artifact {
	out := protocol.Artifact{
		ID: a.ID, Files: a.Files, Exclude: a.Exclude, Base: a.Base, DiscardPaths: a.DiscardPaths, Symlinks: a.Symlinks,
		Bucket: strings.TrimPrefix(op.Val(target.Location), "arn:aws:s3:::"),
		Zip:    op.Val(target.Packaging) == "ZIP" || op.Val(target.Type) == api.ArtifactsTypeCodepipeline,
	}
	out.Prefix, out.Name = b.artifactKey(target, a.S3Prefix)
	if op.Val(target.OverrideArtifactName) && a.Name != "" {
		out.NameExpression = a.Name
	}
	if !op.Val(target.EncryptionDisabled) && !strings.HasSuffix(b.Asked.Key, "alias/aws/s3") {
		out.KMSKey = b.Asked.Key
	}
	return out
}
