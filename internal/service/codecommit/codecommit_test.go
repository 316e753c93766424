package codecommit_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/git"
	"github.com/penstock-ci/penstock/internal/gitauth"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codecommit"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/undocumented"
)

const secret = "the secret"

// keys knows one access key, of the account's root.
type keys struct{}

func (keys) Lookup(_ context.Context, key, _ string) (string, op.Caller, error) {
	if key != "AKIATEST" {
		return "", op.Caller{}, errors.New("no such key")
	}
	return secret, op.Caller{Scope: store.Scope{Account: dispatchtest.Account}, ARN: "arn:aws:iam::" + dispatchtest.Account + ":root"}, nil
}

func (keys) ServiceSpecific(context.Context, string, string, string) (op.Caller, error) {
	return op.Caller{}, errors.New("no such credential")
}

type bench struct {
	*dispatchtest.Dispatcher
	service *codecommit.Service
	stream  *eventstream.Log
	url     string
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{stream: eventstream.New(clock.System{})}
	deps := codecommit.Deps{Git: git.NewStore(t.TempDir()), Stream: b.stream, Credentials: keys{}, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)}
	b.Dispatcher = dispatchtest.New(t, codecommit.New(deps).Tables())
	deps.DB, deps.Guard = b.DB, b.Dispatcher
	b.service = codecommit.New(deps)
	b.Add(t, b.service.Handlers()...)
	server := httptest.NewServer(b.service.GitHandler())
	t.Cleanup(server.Close)
	b.url = strings.Replace(server.URL, "http://", "http://AKIATEST:"+gitauth.Password(secret, dispatchtest.Region, "127.0.0.1", "/v1/repos/app", clock.System{}.Now())+"@", 1) + "/v1/repos/app"
	if _, err := op.Call(t.Context(), b, b.Root(), api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("app")}); err != nil {
		t.Fatal(err)
	}
	return b
}

// changes are the details of the facts so far.
func (b *bench) changes(t *testing.T) (out []map[string]string) {
	t.Helper()
	err := b.DB.View(t.Context(), func(ctx context.Context, r store.Reader) error {
		facts, err := b.stream.Read(ctx, r, "test", 100)
		for _, f := range facts {
			var m map[string]string
			if err := json.Unmarshal(f.Detail, &m); err != nil {
				return err
			}
			out = append(out, m)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestPushIsToldOnceAndCloned(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir := t.TempDir()
	run(t, dir, "init", "-q", "-b", "main")
	if err := os.WriteFile(filepath.Join(dir, "run.sh"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "add", ".")
	run(t, dir, "commit", "-q", "-m", "one")
	run(t, dir, "push", "-q", b.url, "main")
	commit := run(t, dir, "rev-parse", "HEAD")

	changes := b.changes(t)
	if len(changes) != 1 || changes[0]["event"] != "referenceCreated" || changes[0]["commitId"] != commit || changes[0]["referenceName"] != "main" {
		t.Fatalf("facts = %v", changes)
	}
	if err := b.service.Open(t.Context()); err != nil { // a start finds nothing to add
		t.Fatal(err)
	}
	if again := b.changes(t); len(again) != 1 {
		t.Errorf("a start told again: %v", again)
	}
	branch, err := op.Call(t.Context(), b, b.Root(), api.GetBranch, &api.GetBranchInput{RepositoryName: new("app"), BranchName: new("main")})
	if err != nil || *branch.Branch.CommitId != commit {
		t.Errorf("GetBranch = %v, %v", branch, err)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	run(t, dir, "clone", "-q", b.url, clone)
	if got := run(t, clone, "rev-parse", "HEAD"); got != commit {
		t.Errorf("cloned %s, pushed %s", got, commit)
	}
}

func TestCommitByAPIAndItsArchive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	put := func(parent *string, path, body string) (string, error) {
		out, _, err := op.CallStream(t.Context(), b, b.Root(), api.PutFile, &api.PutFileInput{
			RepositoryName: new("app"), BranchName: new("main"), ParentCommitId: parent, FilePath: &path, FileContent: []byte(body),
		}, nil)
		if err != nil {
			return "", err
		}
		return *out.CommitId, nil
	}
	first, err := put(nil, "a/b.txt", "one")
	if err != nil {
		t.Fatal(err)
	}
	second, err := put(&first, "c.txt", "two")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put(&first, "d.txt", "three"); err == nil || !strings.Contains(err.Error(), "ParentCommitIdOutdatedException") {
		t.Errorf("an outdated parent was answered by %v", err)
	}
	if _, err := put(&second, "../x", "four"); err == nil || !strings.Contains(err.Error(), "InvalidPathException") {
		t.Errorf("a path outside was answered by %v", err)
	}
	_, body, err := op.CallStream(t.Context(), b, b.Root(), undocumented.UploadArchive, &undocumented.UploadArchiveInput{RepositoryName: "app", CommitID: second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	files, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files.File {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "a/ a/b.txt c.txt" {
		t.Errorf("the archive holds %q", got)
	}
	if changes := b.changes(t); len(changes) != 2 || changes[1]["event"] != "referenceUpdated" || changes[1]["oldCommitId"] != first {
		t.Errorf("facts = %v", changes)
	}
}

func TestGitWithoutOrWithWrongCredentialsIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, url := range map[string]string{
		"no credentials":  strings.Replace(b.url, b.url[strings.Index(b.url, "//")+2:strings.Index(b.url, "@")+1], "", 1),
		"wrong signature": strings.Replace(b.url, "Z", "Z0", 1),
		"unknown key":     strings.Replace(b.url, "AKIATEST", "AKIAOTHER", 1),
	} {
		cmd := exec.Command("git", "ls-remote", url)
		cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("%s: git was answered: %s", name, out)
		}
	}
}
