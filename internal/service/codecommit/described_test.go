package codecommit_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/gitauth"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codecommit"
)

// bearer is whose access key every client has.
type bearer struct{ op.Caller }

func (b *bearer) Lookup(context.Context, string, string) (string, op.Caller, error) {
	c := b.Caller
	c.Region = ""
	return secret, c, nil
}

func (*bearer) ServiceSpecific(context.Context, string, string, string) (op.Caller, error) {
	return op.Caller{}, errors.New("no such credential")
}

// push pushes HEAD of dir to a reference and is Git's words where it fails.
func push(dir, url string, refs ...string) error {
	cmd := exec.Command("git", append([]string{"push", "-q", "-f", url}, refs...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.New(string(out))
	}
	return nil
}

func TestConditionKeysDecide(t *testing.T) {
	t.Parallel()
	b := setup(t)
	arn := new("arn:aws:codecommit:" + dispatchtest.Region + ":" + dispatchtest.Account + ":app")
	if _, err := op.Call(t.Context(), b, b.Root(), api.TagResource, &api.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"team": "a"}}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run(t, dir, "init", "-q", "-b", "main")
	run(t, dir, "commit", "-q", "--allow-empty", "-m", "one")
	run(t, dir, "push", "-q", b.url, "main", "main:old")

	e := dispatchtest.Enforce(t, b.DB)
	deps, who := b.service.Deps, &bearer{}
	deps.Guard, deps.Credentials = e, who
	deps.Origin = func(context.Context) op.Origin { return op.Origin{Address: netip.MustParseAddr("203.0.113.7")} }
	service := codecommit.New(deps)
	e.Serve(t, service)
	server := httptest.NewServer(service.GitHandler())
	t.Cleanup(server.Close)
	url := strings.Replace(server.URL, "http://", "http://AKIATEST:"+gitauth.Password(secret, dispatchtest.Region, "127.0.0.1", "/v1/repos/app", deps.Clock.Now())+"@", 1) + "/v1/repos/app"

	e.Decides(t, "aws:ResourceTag/team", "a", dispatchtest.Asking(t, e, api.GetRepository, &api.GetRepositoryInput{RepositoryName: new("app")}))
	e.Decides(t, "codecommit:References", "refs/heads/new", func(c op.Caller) error {
		err := dispatchtest.Asking(t, e, api.CreateBranch, &api.CreateBranchInput{RepositoryName: new("app"), BranchName: new("new"), CommitId: new(run(t, dir, "rev-parse", "HEAD"))})(c)
		if err != nil && !dispatchtest.IsDenied(err) {
			return nil // it exists
		}
		return err
	})

	// Git tries with an empty push before it sends more than a megabyte.
	noise := make([]byte, 2<<20)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "noise"), noise, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "add", "noise")

	// AWS's own example: main is closed to pushes, whatever else they move.
	const closed = `{"Effect":"Deny","Action":"codecommit:GitPush","Resource":"*","Condition":{"StringEqualsIfExists":{"codecommit:References":["refs/heads/main"]},"Null":{"codecommit:References":"false"}}}`
	for name, tc := range map[string]struct {
		statement string
		refs      []string
		denied    bool
	}{
		"another branch":                         {closed, []string{"HEAD:side"}, false},
		"the closed branch":                      {closed, []string{"HEAD:main"}, true},
		"both at once":                           {closed, []string{"HEAD:side2", "HEAD:main"}, true},
		"the end of another branch":              {closed, []string{":old"}, false},
		"a name with what Unicode calls a space": {`{"Effect":"Deny","Action":"codecommit:GitPush","Resource":"*","Condition":{"StringLike":{"codecommit:References":["refs/heads/prod*"]}}}`, []string{"HEAD:refs/heads/prod\u00a0x"}, true},
		"a tag":                                  {closed, []string{"HEAD:refs/tags/v1"}, false},
		"a repository that its tag closes":       {`{"Effect":"Deny","Action":"codecommit:GitPush","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}`, []string{"HEAD:side3"}, true},
		"from an address that is not let in":     {`{"Effect":"Deny","Action":"codecommit:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}`, []string{"HEAD:side4"}, true},
		"from an address that others are denied": {`{"Effect":"Deny","Action":"codecommit:*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}`, []string{"HEAD:side5"}, false},
	} {
		run(t, dir, "commit", "-q", "--allow-empty", "-m", name)
		who.Caller = e.May(t, dispatchtest.All, tc.statement)
		err := push(dir, url, tc.refs...)
		if tc.denied != (err != nil && strings.Contains(err.Error(), "403")) || !tc.denied && err != nil {
			t.Errorf("%s: got %v, want denied to be %t", name, err, tc.denied)
		}
	}
	who.Caller = e.May(t, dispatchtest.All, closed)
	run(t, dir, "checkout", "-q", "--orphan", "large")
	run(t, dir, "commit", "-q", "-m", "large")
	if err := push(dir, url, "large"); err != nil {
		t.Errorf("a large push: %v", err)
	}
	if err := push(dir, url, "large:main"); err == nil {
		t.Error("a large push to the closed branch was let in")
	}
	if got := run(t, dir, "ls-remote", b.url, "refs/heads/side2", "refs/heads/side3", "refs/heads/side4", "refs/heads/old"); got != "" {
		t.Errorf("denied pushes moved, or an allowed one did not: %s", got)
	}
}
