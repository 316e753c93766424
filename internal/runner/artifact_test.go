package runner

import (
	"archive/zip"
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// stores are the names in a zip, or the object's content.
func (s *server) stores(t *testing.T) map[string]string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for key, b := range s.objects {
		out[key] = string(b)
		if z, err := zip.NewReader(bytes.NewReader(b), int64(len(b))); err == nil {
			var names []string
			for _, f := range z.File {
				names = append(names, f.Name)
			}
			slices.Sort(names)
			out[key] = strings.Join(names, " ")
		}
	}
	return out
}

// why is the context with which a phase ended.
func (s *server) why(phase string) protocol.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.reports {
		if r.Phase == phase && r.State != "" {
			return r.Why
		}
	}
	return protocol.Context{}
}

func TestArtifactsAreStoredAsAsked(t *testing.T) {
	t.Parallel()
	const make = `mkdir -p my-app1/sub my-app2 other; echo 1 > my-app1/a; echo 2 > my-app1/sub/b; echo 3 > my-app2/c; echo 4 > other/a; echo 5 > top; ln -s top link`
	for name, tc := range map[string]struct {
		artifacts []protocol.Artifact
		want      map[string]string
		why       string
	}{
		"folder of files":             {[]protocol.Artifact{{Files: []string{"my-app1/**/*"}, Prefix: "p/", Name: "n"}}, map[string]string{"s/p/n/my-app1/a": "1\n", "s/p/n/my-app1/sub/b": "2\n"}, ""},
		"at the bucket's root":        {[]protocol.Artifact{{Files: []string{"top"}}}, map[string]string{"s/top": "5\n"}, ""},
		"base directory":              {[]protocol.Artifact{{Files: []string{"**/*"}, Base: "my-app1", Name: "z", Zip: true}}, map[string]string{"s/z": "a sub/b"}, ""},
		"base directory of wildcards": {[]protocol.Artifact{{Files: []string{"**/*"}, Base: "my-app*", Name: "z", Zip: true}}, map[string]string{"s/z": "a c sub/b"}, ""},
		"base directory of variables": {[]protocol.Artifact{{Files: []string{"a"}, Base: "$CODEBUILD_SRC_DIR/${WHERE}", Name: "z", Zip: true}}, map[string]string{"s/z": "a"}, ""},
		"paths discarded, last wins":  {[]protocol.Artifact{{Files: []string{"my-app1/a", "my-app1/sub/*", "other/a"}, DiscardPaths: true, Name: "n"}}, map[string]string{"s/n/a": "4\n", "s/n/b": "2\n"}, ""},
		"paths left out":              {[]protocol.Artifact{{Files: []string{"**/*"}, Exclude: []string{"**/a", "./my-app1/sub/**/*", "link"}, Name: "z", Zip: true}}, map[string]string{"s/z": "my-app2/c top"}, ""},
		"name of the shell":           {[]protocol.Artifact{{Files: []string{"top"}, NameExpression: "app-$(echo 2026)-${WHERE}.zip", Name: "n", Zip: true}}, map[string]string{"s/app-2026-my-app1.zip": "top"}, ""},
		"primary and secondary":       {[]protocol.Artifact{{Files: []string{"top"}, Name: "n"}, {ID: "more", Files: []string{"other/*"}, Name: "m"}}, map[string]string{"s/n/top": "5\n", "s/m/other/a": "4\n"}, ""},
		"an entry that matches none":  {[]protocol.Artifact{{Files: []string{"nope", "top"}, Name: "n"}}, map[string]string{"s/n/top": "5\n"}, ""},
		"nothing matches":             {[]protocol.Artifact{{Files: []string{"nope", "my-app1"}, Name: "n"}}, map[string]string{}, "CLIENT_ERROR: no matching artifact paths found"},
		"no such base directory":      {[]protocol.Artifact{{Files: []string{"top"}, Base: "nowhere", Name: "n"}}, map[string]string{}, "CLIENT_ERROR: no matching base directory path found for nowhere"},
		"primary not defined":         {[]protocol.Artifact{{Name: "n"}}, map[string]string{}, "CLIENT_ERROR: no definition for primary artifacts in buildspec"},
		"secondary not defined":       {[]protocol.Artifact{{Files: []string{"top"}, Name: "n"}, {ID: "more", Name: "m"}}, map[string]string{"s/n/top": "5\n"}, "CLIENT_ERROR: no definition for secondary artifacts more in buildspec"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			for i := range tc.artifacts {
				tc.artifacts[i].Bucket = "s"
			}
			s.plan.Artifacts = tc.artifacts
			s.plan.Variables = []protocol.Variable{{Name: "WHERE", Value: "my-app1"}, {Name: "CODEBUILD_SRC_DIR", Value: s.start.Sources[0].Dir}}
			log := s.build(make)
			why := s.why(protocol.UploadArtifacts)
			if got := strings.TrimPrefix(why.Code+": "+why.Message, ": "); got != tc.why {
				t.Errorf("upload ended with %q, want %q\n%s", got, tc.why, log)
			}
			if got := s.stores(t); !maps.Equal(got, tc.want) {
				t.Errorf("stored %q, want %q\n%s", got, tc.want, log)
			}
		})
	}
}
