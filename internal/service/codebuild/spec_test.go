package codebuild

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// planOf is the plan that a build's runner gets for a buildspec.
func (w *world) planOf(b Build, spec string) protocol.Plan {
	w.t.Helper()
	var p protocol.Plan
	w.speak(b, protocol.SpecPath, w.token(b.Scope, b.ID()), protocol.SpecRequest{Text: spec}, &p)
	return p
}

// startOf starts a build and waits for its container.
func (w *world) startOf(in *api.StartBuildInput) Build {
	w.t.Helper()
	out, err := op.Call(w.t.Context(), w.aws, w.aws.Root(), api.StartBuild, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.await(*out.Build.Id, func(b Build) bool { return b.Provisioned })
}

func TestBuildspecIsTakenRefusedOrTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.project("pp", echoSpec, false)
	b := w.startOf(&api.StartBuildInput{ProjectName: new("pp")})
	for name, tc := range map[string]struct{ spec, refusal, note string }{
		"unknown keys": {echoSpec + "artefacts: {files: x}\nartifacts: {files: x, type: zip}\n", "",
			"Found possible syntax errors in buildspec: \nAt the top level\n\tThe following keys cannot be identified:\n\t\tartefacts (line 5, column 1)\nIn the section artifacts\n\tThe following keys cannot be identified:\n\t\ttype (line 6, column 23)"},
		"a key again":     {echoSpec + "artifacts: {files: x}\nartifacts: {files: y}\n", "", "The key artifacts of the buildspec is given again at line 6, column 1: only this one counts"},
		"a wrong type":    {"version: 0.2\nphases:\n  build: [echo]\n", "YAML_FILE_ERROR: Expected a mapping: found a list instead at line 3, column 10", ""},
		"reports":         {echoSpec + "reports: {unit: {files: x}}\n", "", "Skipping report unit: reports are not kept by this installation; keep the files as artifacts"},
		"a proxy":         {echoSpec + "proxy: {logs: yes}\n", "YAML_FILE_ERROR: proxy: builds have no proxy server, so upload-artifacts and logs cannot be yes: remove the section", ""},
		"no proxy":        {echoSpec + "proxy: {logs: no, upload-artifacts: no}\n", "", ""},
		"a batch":         {echoSpec + "batch: {fast-fail: true}\n", "", "Skipping the section batch: this build is not part of a batch, and batches are not supported"},
		"only a batch":    {"version: 0.2\nbatch: {fast-fail: true}\n", "YAML_FILE_ERROR: No phases found in buildspec: batch builds are not supported", ""},
		"runtime version": {"version: 0.2\nphases: {install: {runtime-versions: {python: 3.11}}, build: {commands: x}}\n", "", "Skipping install of runtimes. Runtime version selection is not supported by this build image"},
	} {
		p := w.planOf(b, tc.spec)
		refusal := ""
		if p.Refusal != nil {
			refusal = p.Refusal.Code + ": " + p.Refusal.Message
		}
		if got := strings.Join(p.Notes, "\n"); refusal != tc.refusal || got != tc.note {
			t.Errorf("%s: refused %q, want %q;\nnotes %q\n want %q", name, refusal, tc.refusal, got, tc.note)
		}
	}
}

func TestArtifactsAreWhatProjectAndBuildspecAgreeOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.Places = 20
	w.project("pp", echoSpec, false)
	s3 := func(id string) api.ProjectArtifacts {
		return api.ProjectArtifacts{Type: new("S3"), Location: new("store"), Name: new("out"), ArtifactIdentifier: op.Opt(id)}
	}
	none := api.ProjectArtifacts{Type: new("NO_ARTIFACTS")}
	const both = "artifacts: {files: a, secondary-artifacts: {one: {files: b}}}\n"
	for name, tc := range map[string]struct {
		primary   api.ProjectArtifacts
		secondary []api.ProjectArtifacts
		spec      string
		want      []string // identifier: files
		note      string
	}{
		"both sides agree":                  {s3(""), []api.ProjectArtifacts{s3("one")}, both, []string{": a", "one: b"}, ""},
		"the buildspec has more":            {s3(""), nil, both, []string{": a"}, ""},
		"the project has no primary one":    {none, []api.ProjectArtifacts{s3("one")}, both, []string{"one: b"}, ""},
		"the project has none":              {none, nil, both, nil, ""},
		"the buildspec has none":            {s3(""), []api.ProjectArtifacts{s3("one")}, "", nil, "No artifacts are defined in the buildspec: nothing will be stored"},
		"the buildspec lacks one":           {s3(""), []api.ProjectArtifacts{s3("two")}, both, []string{": a", "two: "}, ""},
		"the buildspec lacks the primary":   {s3(""), nil, "artifacts: {secondary-artifacts: {one: {files: b}}}\n", []string{": "}, ""},
		"neither expects nor defines":       {none, nil, "", nil, ""},
		"a pipeline's action without place": {api.ProjectArtifacts{Type: new("CODEPIPELINE")}, nil, both, nil, ""},
	} {
		in := &api.StartBuildInput{ProjectName: new("pp"), ArtifactsOverride: &tc.primary, SecondaryArtifactsOverride: tc.secondary}
		if *tc.primary.Type == "CODEPIPELINE" {
			in.SourceTypeOverride, in.SourceLocationOverride = new("CODEPIPELINE"), new("store/source")
		}
		p := w.planOf(w.startOf(in), echoSpec+tc.spec)
		var got []string
		for _, a := range p.Artifacts {
			got = append(got, a.ID+": "+strings.Join(a.Files, " "))
		}
		if !slices.Equal(got, tc.want) || strings.Join(p.Notes, "\n") != tc.note || p.Refusal != nil {
			t.Errorf("%s: %q, want %q; %q, %+v", name, got, tc.want, p.Notes, p.Refusal)
		}
	}
}

func TestArtifactLiesWhereTheProjectSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &nopPods{}, "")
	w.Places = 20
	w.project("pp", echoSpec, false)
	for name, tc := range map[string]struct {
		target api.ProjectArtifacts
		spec   string
		want   protocol.Artifact // ID, Files left out
	}{
		"by default a folder of the project's name": {api.ProjectArtifacts{}, "", protocol.Artifact{Name: "pp"}},
		"in a folder of the build":                  {api.ProjectArtifacts{Path: new("/a/b/"), NamespaceType: new("BUILD_ID"), Packaging: new("ZIP"), Name: new("x.zip")}, "", protocol.Artifact{Prefix: "a/b/UUID/", Name: "x.zip", Zip: true}},
		"at the root":                               {api.ProjectArtifacts{Name: new("/")}, "", protocol.Artifact{}},
		"by the buildspec's prefix":                 {api.ProjectArtifacts{Path: new("a"), Name: new("n")}, "s3-prefix: other", protocol.Artifact{Prefix: "other/", Name: "n"}},
		"by the buildspec's name, where allowed":    {api.ProjectArtifacts{Name: new("n"), OverrideArtifactName: new(true)}, "name: app-$(date +%F)", protocol.Artifact{Name: "n", NameExpression: "app-$(date +%F)"}},
		"not by the buildspec's name":               {api.ProjectArtifacts{Name: new("n")}, "name: app-$(date +%F)", protocol.Artifact{Name: "n"}},
		"encrypted by a key":                        {api.ProjectArtifacts{Name: new("n")}, "key", protocol.Artifact{Name: "n", KMSKey: "alias/mine"}},
		"not encrypted by it":                       {api.ProjectArtifacts{Name: new("n"), EncryptionDisabled: new(true)}, "key", protocol.Artifact{Name: "n"}},
		"with what the buildspec asks":              {api.ProjectArtifacts{Name: new("n")}, "base-directory: out*, discard-paths: yes, enable-symlinks: yes, exclude-paths: [x, y]", protocol.Artifact{Name: "n", Base: "out*", DiscardPaths: true, Symlinks: true, Exclude: []string{"x", "y"}}},
	} {
		tc.target.Type, tc.target.Location = new("S3"), new("store")
		in := &api.StartBuildInput{ProjectName: new("pp"), ArtifactsOverride: &tc.target}
		if tc.spec == "key" {
			tc.spec, in.EncryptionKeyOverride = "", new("alias/mine")
		}
		b := w.startOf(in)
		p := w.planOf(b, echoSpec+"artifacts: {files: f, "+tc.spec+"}\n")
		if len(p.Artifacts) != 1 {
			t.Errorf("%s: %+v", name, p)
			continue
		}
		a := p.Artifacts[0]
		tc.want.Files, tc.want.Bucket, tc.want.Prefix = []string{"f"}, "store", strings.Replace(tc.want.Prefix, "UUID", b.UUID, 1)
		if !reflect.DeepEqual(a, tc.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, a, tc.want)
		}
	}
}
