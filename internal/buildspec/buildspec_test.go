package buildspec

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
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
		"unknown version":               {"version: 1.0\nphases: {}", "invalid buildspec `version` specified: 1.0, see documentation at line 1, column 10"},
		"list instead of mapping":       {"- a", "wrong number of container tags, expected 1"},
		"empty file":                    {"# nothing\n", "wrong number of container tags, expected 1"},
		"open list":                     {"version: 0.2\nphases:\n  build:\n    commands: [a, b\n      {c}\n", "did not find expected ',' or ']' at line 5"},
		"mapping as command":            {"version: 0.2\nphases:\n  build:\n    commands:\n      - echo a: b\n", "Expected Commands[0] to be of string type: found subkeys instead at line 5"},
		"unknown phase":                 {"version: 0.2\nphases:\n  pre-build:\n    commands: x\n", "Invalid buildspec phase name: pre-build. Expecting: build,install,post_build,pre_build at line 3"},
		"no phases":                     {"version: 0.2\n", "buildspec has no `phases`"},
		"wrong on-failure":              {"version: 0.2\nphases:\n  build:\n    on-failure: MAYBE\n    commands: x\n", "Invalid on-failure value: MAYBE"},
		"phases as a list":              {"version: 0.2\nphases: [build]\n", "Expected a mapping: found a list instead at line 2, column 9"},
		"phase as a list":               {"version: 0.2\nphases:\n  build:\n    - echo\n", "Expected a mapping: found a list instead at line 4, column 5"},
		"commands as a mapping":         {"version: 0.2\nphases:\n  build:\n    commands: {a: b}\n", "Expected Commands to be a list: found subkeys instead at line 4, column 15"},
		"list as command":               {"version: 0.2\nphases:\n  build:\n    commands:\n      - [a, b]\n", "Expected Commands[0] to be of string type: found a list instead at line 5, column 9"},
		"env as a string":               {"version: 0.2\nenv: prod\nphases: {}\n", "Expected a mapping: found a string instead at line 2, column 6"},
		"variables as a list":           {"version: 0.2\nenv:\n  variables:\n    - A=1\nphases: {}\n", "Expected a mapping: found a list instead at line 4, column 5"},
		"list as variable":              {"version: 0.2\nenv:\n  variables: {A: [1]}\nphases: {}\n", "Expected a string: found a list instead at line 3, column 18"},
		"exported variables as subkeys": {"version: 0.2\nenv:\n  exported-variables: {A: b}\nphases: {}\n", "Expected exported-variables to be a list: found subkeys instead at line 3, column 23"},
		"artifacts as a string":         {"version: 0.2\nphases: {}\nartifacts: app.zip\n", "Expected a mapping: found a string instead at line 3, column 12"},
		"artifact files as subkeys":     {"version: 0.2\nphases: {}\nartifacts:\n  files: {a: b}\n", "Expected files to be a list: found subkeys instead at line 4, column 10"},
		"discard-paths of neither":      {"version: 0.2\nphases: {}\nartifacts:\n  files: x\n  discard-paths: maybe\n", "Expected yes or no: found maybe instead at line 5, column 18"},
		"version as a list":             {"version: [0.2]\nphases: {}\n", "Expected a string: found a list instead at line 1, column 10"},
		"cache as a list":               {"version: 0.2\nphases: {}\ncache: [x]\n", "Expected a mapping: found a list instead at line 3, column 8"},
		"cache action":                  {"version: 0.2\nphases: {}\ncache: {paths: x, action: none}\n", "Invalid cache action: none. Expecting: restore,save at line 3, column 27"},
		"six fallback keys":             {"version: 0.2\nphases: {}\ncache: {paths: x, fallback-keys: [a, b, c, d, e, f]}\n", "Invalid cache: at most 5 fallback-keys are allowed at line 3, column 34"},
		"reports as a list":             {"version: 0.2\nphases: {}\nreports: [x]\n", "Expected a mapping: found a list instead at line 3, column 10"},
		"shell":                         {"version: 0.2\nenv: {shell: zsh}\nphases: {}\n", "Invalid shell: zsh. Expecting: bash,/bin/sh at line 2, column 14"},
		"anchor merging itself":         {"version: 0.2\nphases: &a\n  <<: *a\n", "nested too deeply"},
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

func TestKeysThatMeanNothingAreTold(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(`version: 0.2
artefacts: {files: x}
env: {variable: {A: 1}}
phases:
  build:
    steps: [echo]
    commands: [echo one]
    commands: [echo two]
artifacts:
  files: x
  type: zip
  secondary-artifacts:
    more: {file: y}
  type: zip
proxy: {log: no}
cache: {path: x}
reports: {r: {name: n}}
`))
	if err != nil {
		t.Fatal(err)
	}
	unknown := []Key{
		{"", "artefacts", 2, 1}, {"env", "variable", 3, 7}, {"BUILD", "steps", 6, 5}, {"artifacts", "type", 11, 3},
		{"artifacts", "file", 13, 12}, {"artifacts", "type", 14, 3}, {"proxy", "log", 15, 9}, {"cache", "path", 16, 9}, {"reports", "name", 17, 15},
	}
	if !slices.Equal(s.Unknown, unknown) {
		t.Errorf("unknown: %v\n   want: %v", s.Unknown, unknown)
	}
	if want := []Key{{"", "commands", 8, 5}, {"", "type", 14, 3}}; !slices.Equal(s.Repeated, want) || s.Phases[0].Commands[0] != "echo two" {
		t.Errorf("repeated: %v, want %v; %v", s.Repeated, want, s.Phases)
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
