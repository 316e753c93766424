package ssm_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/ssm"
)

type world struct {
	*dispatchtest.Dispatcher
	t *testing.T
}

func setup(t *testing.T) *world {
	keys, err := identity.OpenKeyring(filepath.Join(t.TempDir(), "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := ssm.New(ssm.Deps{Keys: keys})
	return &world{dispatchtest.New(t, s.Tables(), s.Handlers()...), t}
}

func must[I, O any](w *world, o op.Op[I, O], in *I) *O {
	w.t.Helper()
	out, err := op.Call(w.t.Context(), w, w.Root(), o, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func refused[I, O any](w *world, o op.Op[I, O], in *I, code, text string) {
	w.t.Helper()
	_, err := op.Call(w.t.Context(), w, w.Root(), o, in)
	if e, ok := errors.AsType[*op.Error](err); !ok || e.Code != code || !strings.Contains(e.Message, text) {
		w.t.Fatalf("got  %v\nwant %s: …%s…", err, code, text)
	}
}

func put(name, kind, value string) *api.PutParameterInput {
	return &api.PutParameterInput{Name: &name, Type: &kind, Value: &value}
}

func get(name string) *api.GetParameterInput {
	return &api.GetParameterInput{Name: &name, WithDecryption: new(true)}
}

func TestSecureStringIsCiphertextUnlessDecrypted(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w, api.PutParameter, put("/app/password", "SecureString", "hunter2"))
	if got := must(w, api.GetParameter, get("/app/password")).Parameter; *got.Value != "hunter2" || *got.ARN != "arn:aws:ssm:us-east-1:100000000001:parameter/app/password" {
		t.Errorf("got %s, %s", *got.Value, *got.ARN)
	}
	if got := must(w, api.GetParameter, &api.GetParameterInput{Name: new("/app/password")}).Parameter; strings.Contains(*got.Value, "hunter2") || *got.Value == "" {
		t.Errorf("undecrypted: got %s", *got.Value)
	}
}

func TestVersionsLabelsAndARNsSelect(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w, api.PutParameter, put("image", "String", "a"))
	refused(w, api.PutParameter, put("image", "String", "b"), "ParameterAlreadyExists", "To overwrite this value")
	over := put("image", "String", "b")
	over.Overwrite = new(true)
	if v := must(w, api.PutParameter, over); *v.Version != 2 || *v.Tier != "Standard" {
		t.Errorf("got version %d %s", *v.Version, *v.Tier)
	}
	must(w, api.LabelParameterVersion, &api.LabelParameterVersionInput{Name: new("image"), ParameterVersion: new(int64(1)), Labels: []string{"stable", "9bad"}})
	for id, want := range map[string]string{
		"image": "b", "image:1": "a", "image:2": "b", "image:stable": "a",
		"arn:aws:ssm:us-east-1:100000000001:parameter/image": "b", "arn:aws:ssm:us-east-1:100000000001:parameter/image:stable": "a",
	} {
		if got := must(w, api.GetParameter, get(id)).Parameter; *got.Value != want || *got.Name != "image" {
			t.Errorf("%s: got %s", id, *got.Value)
		}
	}
	refused(w, api.GetParameter, get("image:3"), "ParameterVersionNotFound", "")
	refused(w, api.GetParameter, get("none"), "ParameterNotFound", "")
	if out := must(w, api.GetParameters, &api.GetParametersInput{Names: []string{"image", "none"}}); len(out.Parameters) != 1 || out.InvalidParameters[0] != "none" {
		t.Errorf("got %+v", out)
	}
}

func TestPathsListOneLevelOrAll(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, name := range []string{"/app/a", "/app/b/c", "/apple", "top"} {
		must(w, api.PutParameter, put(name, "String", "x"))
	}
	count := func(path string, recursive bool) int {
		return len(must(w, api.GetParametersByPath, &api.GetParametersByPathInput{Path: &path, Recursive: &recursive}).Parameters)
	}
	if a, b, c := count("/app", false), count("/app/", true), count("/", true); a != 1 || b != 2 || c != 3 {
		t.Errorf("got %d, %d, %d", a, b, c)
	}
	out := must(w, api.DescribeParameters, &api.DescribeParametersInput{ParameterFilters: []api.ParameterStringFilter{{Key: new("Name"), Option: new("BeginsWith"), Values: []string{"/app/"}}}})
	if len(out.Parameters) != 2 {
		t.Errorf("DescribeParameters: got %d", len(out.Parameters))
	}
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for name, tc := range map[string]struct {
		in         *api.PutParameterInput
		code, text string
	}{
		"a path without its first slash": {put("a/b", "String", "x"), "ValidationException", "fully qualified"},
		"AWS's own prefix":               {put("/aws/x", "String", "x"), "ValidationException", `can't be prefixed with "aws"`},
		"a value too large":              {put("big", "String", strings.Repeat("x", 4097)), "ValidationException", "maximum parameter value of 4096"},
		"a new one without a type":       {&api.PutParameterInput{Name: new("x"), Value: new("x")}, "ValidationException", "A parameter type is required"},
		"a value that does not match":    {&api.PutParameterInput{Name: new("x"), Value: new("x"), Type: new("String"), AllowedPattern: new(`\d+`)}, "ParameterPatternMismatchException", ""},
		"a customer key":                 {&api.PutParameterInput{Name: new("x"), Value: new("x"), Type: new("SecureString"), KeyId: new("alias/mine")}, "InvalidKeyId", ""},
	} {
		t.Run(name, func(t *testing.T) { refused(&world{w.Dispatcher, t}, api.PutParameter, tc.in, tc.code, tc.text) })
	}
}

func TestOldestOfAHundredVersionsGoesUnlessLabelled(t *testing.T) {
	t.Parallel()
	w := setup(t)
	in := put("n", "String", "x")
	in.Overwrite = new(true)
	for range 101 {
		must(w, api.PutParameter, in)
	}
	refused(w, api.GetParameter, get("n:1"), "ParameterVersionNotFound", "")
	must(w, api.LabelParameterVersion, &api.LabelParameterVersionInput{Name: new("n"), ParameterVersion: new(int64(2)), Labels: []string{"keep"}})
	refused(w, api.PutParameter, in, "ParameterMaxVersionLimitExceeded", "Version 2, the oldest version")
}
