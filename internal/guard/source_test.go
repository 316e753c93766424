package guard

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/penstock-ci/penstock/"
)

// source is one Go file of ours, by its path in the repository.
type source struct {
	path, pkg    string
	isTest       bool
	isDocumented bool
	ours, others []string // imports
	body         string
}

var read = sync.OnceValues(func() (all []source, err error) {
	tree := os.DirFS(root)
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin" || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		body, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		s, err := parse(name, string(body))
		all = append(all, s)
		return err
	})
	return all, err
})

func parse(name, body string) (source, error) {
	s := source{path: name, pkg: path.Dir(name), isTest: strings.HasSuffix(name, "_test.go"), body: body}
	file, err := parser.ParseFile(token.NewFileSet(), name, body, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return s, err
	}
	s.isDocumented = file.Doc.Text() != ""
	for _, i := range file.Imports {
		imported := strings.Trim(i.Path.Value, `"`)
		if ours, is := strings.CutPrefix(imported, module); is {
			s.ours = append(s.ours, ours)
		} else {
			s.others = append(s.others, imported)
		}
	}
	return s, nil
}

// sources are all Go files of the repository.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := read()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s source) isGenerated() bool { return strings.HasPrefix(s.path, "api/") }
