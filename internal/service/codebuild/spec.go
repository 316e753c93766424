package codebuild

import (
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
				p.Declared, p.RunAs, p.OnFailure, p.Commands, p.Finally = true, q.RunAs, q.OnFailure.Do, q.Commands, q.Finally
			}
		}
		out = append(out, p)
	}
	return out
}

// unsupported names what a buildspec asks for and a build here would ignore.
func unsupported(spec *buildspec.Spec) string {
	for _, p := range spec.Phases {
		if p.OnFailure.Do == "RETRY" {
			return "on-failure: RETRY in phase " + p.Name + " is not supported"
		}
	}
	if len(spec.Reports) > 0 {
		return "reports are not supported: remove the section, or keep the files as artifacts"
	}
	return ""
}

// notes are lines that the build prints before its phases.
func notes(spec *buildspec.Spec) []string {
	var out []string
	for _, p := range spec.Phases {
		if len(p.Runtimes) > 0 {
			out = append(out, "Skipping install of runtimes. Runtime version selection is not supported by this build image")
		}
	}
	if len(spec.Cache.Paths) > 0 {
		out = append(out, "Skip cache due to: no cache location configured in the project")
	}
	return out
}

// artifactsOf are what the build stores, and where. A wrong combination is a refusal.
func (b Build) artifactsOf(spec *buildspec.Spec) ([]protocol.Artifact, *protocol.Context) {
	var out []protocol.Artifact
	if spec.Artifacts != nil {
		if a, ok := b.artifact(b.Asked.Artifacts, *spec.Artifacts); ok {
			out = append(out, a)
		}
	}
	for _, target := range b.Asked.SecondaryArtifacts {
		found := false
		for _, s := range spec.Secondary {
			if s.ID != op.Val(target.ArtifactIdentifier) {
				continue
			}
			a, ok := b.artifact(target, s)
			if found = true; ok {
				a.ID = s.ID
				out = append(out, a)
			}
		}
		if !found && op.Val(target.Type) != api.ArtifactsTypeNoArtifacts {
			return nil, &protocol.Context{Code: protocol.ClientError, Message: "no definition for secondary artifact " + op.Val(target.ArtifactIdentifier) + " in the buildspec"}
		}
	}
	return out, nil
}

func (b Build) artifact(target api.ProjectArtifacts, a buildspec.Artifacts) (protocol.Artifact, bool) {
	if op.Val(target.Type) == api.ArtifactsTypeNoArtifacts {
		return protocol.Artifact{}, false
	}
	out := protocol.Artifact{
		Files: a.Files, Exclude: a.Exclude, Base: a.Base, DiscardPaths: a.DiscardPaths, Symlinks: a.Symlinks,
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
	return out, true
}
