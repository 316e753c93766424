package buildspec

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files")

// Golden files: a buildspec, a rule of dashes, what was read.
func TestFilesAreReadAsOnAWS(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			const rule = "\n--------\n"
			text, want, _ := strings.Cut(string(raw), rule)
			got := shown(t, text)
			if *update {
				if err := os.WriteFile(file, []byte(text+rule+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func shown(t *testing.T, text string) string {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

func TestErrorsSayWhatAndWhere(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"unknown version":         {"version: 1.0\nphases: {}", "invalid buildspec `version` specified: 1.0, see documentation at line 1, column 10"},
		"list instead of mapping": {"- a", "wrong number of container tags, expected 1"},
		"empty file":              {"# nothing\n", "wrong number of container tags, expected 1"},
		"open list":               {"version: 0.2\nphases:\n  build:\n    commands: [a, b\n      {c}\n", "did not find expected ',' or ']' at line 5"},
		"mapping as command":      {"version: 0.2\nphases:\n  build:\n    commands:\n      - echo a: b\n", "Expected Commands[0] to be of string type: found subkeys instead at line 5"},
		"unknown phase":           {"version: 0.2\nphases:\n  pre-build:\n    commands: x\n", "Invalid buildspec phase name: pre-build. Expecting: build,install,post_build,pre_build at line 3"},
		"no phases":               {"version: 0.2\n", "buildspec has no `phases`"},
		"wrong on-failure":        {"version: 0.2\nphases:\n  build:\n    on-failure: MAYBE\n    commands: x\n", "Invalid on-failure value: MAYBE"},
		"anchor merging itself":   {"version: 0.2\nphases: &a\n  <<: *a\n", "nested too deeply"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(tc.text))
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txt")
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil {
			text, _, _ := strings.Cut(string(b), "\n--------\n")
			f.Add([]byte(text))
		}
	}
	f.Add([]byte("version: 0.2\nphases: &a {build: *a}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		var e *Error
		if (s == nil) != (err != nil) || err != nil && !errors.As(err, &e) {
			t.Errorf("spec %v, error %v", s, err)
		}
	})
}
