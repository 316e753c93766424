package codebuild

import (
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
)

func TestRequestNamesEveryArtifact(t *testing.T) {
	t.Parallel()
	in := action.Input{
		Configuration: map[string]string{"ProjectName": "p", "PrimarySource": "two"},
		Inputs:        []action.Artifact{{Name: "one", Bucket: "b", Key: "k/1", Revision: "r1"}, {Name: "two", Bucket: "b", Key: "k/2", Revision: "r2"}},
		Outputs:       []action.Artifact{{Name: "x", Bucket: "b", Key: "p/x/1"}, {Name: "y", Bucket: "b", Key: "p/y/2"}},
	}
	out, failure := request(in)
	if failure != nil {
		t.Fatal(failure)
	}
	if *out.SourceLocationOverride != "b/k/2" || *out.SourceVersion != "r2" || *out.SecondarySourcesOverride[0].SourceIdentifier != "one" || *out.SecondarySourcesVersionOverride[0].SourceVersion != "r1" {
		t.Errorf("sources: %+v", out)
	}
	if *out.ArtifactsOverride.Type != "CODEPIPELINE" || out.ArtifactsOverride.Location != nil || len(out.SecondaryArtifactsOverride) != 2 || *out.SecondaryArtifactsOverride[1].Name != "2" || *out.SecondaryArtifactsOverride[1].Path != "p/y" {
		t.Errorf("artifacts: %+v, %+v", out.ArtifactsOverride, out.SecondaryArtifactsOverride)
	}
	in.Outputs = in.Outputs[:1]
	if out, _ = request(in); *out.ArtifactsOverride.Path+"/"+*out.ArtifactsOverride.Name != "p/x/1" || out.SecondaryArtifactsOverride != nil {
		t.Errorf("one artifact: %+v", out.ArtifactsOverride)
	}
}

func TestRequestIsRefusedWhereItCannotBeMade(t *testing.T) {
	t.Parallel()
	two := []action.Artifact{{Name: "one"}, {Name: "two"}}
	for want, in := range map[string]action.Input{
		"The PrimarySource must be":   {Inputs: two, Configuration: map[string]string{}},
		"The EnvironmentVariables of": {Inputs: two[:1], Configuration: map[string]string{"EnvironmentVariables": "{"}},
	} {
		_, failure := request(in)
		if failure == nil || failure.Code != action.ConfigurationError || !strings.HasPrefix(failure.Message, want) {
			t.Errorf("want %s, got %+v", want, failure)
		}
	}
	vs, failure := variables(`[{"name":"A","value":"1"},{"name":"B","value":"/x","type":"PARAMETER_STORE"}]`)
	if failure != nil || op.Val(vs[0].Type) != "PLAINTEXT" || op.Val(vs[1].Type) != "PARAMETER_STORE" {
		t.Errorf("variables: %+v %+v", vs, failure)
	}
}
