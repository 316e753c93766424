package images_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/images"
	"github.com/penstock-ci/penstock/internal/mirror"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	project    = "arn:aws:codebuild:" + dispatchtest.Region + ":" + dispatchtest.Account + ":project/demo"
	pullPolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["ecr:GetAuthorizationToken","ecr:BatchCheckLayerAvailability","ecr:GetDownloadUrlForLayer","ecr:BatchGetImage"],"Resource":"*"}}`
	trust      = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":"sts:AssumeRole"}}`
)

// letIn is a repository's policy for CodeBuild, for one project.
func letIn(source string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":["ecr:BatchCheckLayerAvailability","ecr:GetDownloadUrlForLayer","ecr:BatchGetImage"],` +
		`"Condition":{"StringEquals":{"aws:SourceArn":"` + source + `","aws:SourceAccount":"` + dispatchtest.Account + `"}}}}`
}

// enforced is Images with real policies: the roles pulls and idle, and repositories
// with the policies given. No repository holds an image, so that whoever may pull
// is told that there is none.
func enforced(t *testing.T, policies map[string]string) *images.Images {
	t.Helper()
	keys, err := identity.OpenKeyring(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := blob.OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	who := identity.NewRecords()
	records := registry.NewRecords(registry.RecordsDeps{Holds: blob.NewKeeper(disk, nil, clock.System{}), Stream: eventstream.New(clock.System{}), Clock: clock.System{}})
	d := dispatchtest.With(t, identity.New(identity.Deps{Records: who, Keys: keys}), append(append(records.Tables(), who.Tables()...), mirror.Tables()...))
	d.Guarded("ecr", func(_ context.Context, _ store.Reader, resource string) (string, error) {
		return policies[resource[strings.LastIndexByte(resource, '/')+1:]], nil
	})
	err = d.DB.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		for name, inline := range map[string]map[string]string{"pulls": {"pull": pullPolicy}, "idle": {}} {
			r := identity.Role{Principal: identity.Principal{Name: name, Path: "/", Account: dispatchtest.Account, Inline: inline}, Trust: trust}
			if _, err := who.Roles.Put(ctx, tx, identity.In(dispatchtest.Account), name, r, 0); err != nil {
				return err
			}
		}
		for name := range policies {
			if _, err := records.Repositories.Put(ctx, tx, dispatchtest.Scope, name, registry.Repository{}, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return images.New(images.Deps{DB: d.DB, Records: records, Tokens: registry.Tokens{Keys: keys, Clock: clock.System{}}, Guard: d, Engine: none{}, Mirror: noMirror{}, Address: "127.0.0.1:1"})
}

// noMirror holds nothing.
type noMirror struct{}

func (noMirror) Resolve(context.Context, string, string) (mirror.Image, []byte, error) {
	return mirror.Image{}, nil, store.ErrNotFound
}

func TestBuildPullsAsItsRoleOrAsCodeBuild(t *testing.T) {
	t.Parallel()
	m := enforced(t, map[string]string{"closed": "", "open": letIn(project), "others": letIn(project + "-other")})
	role := func(name string) op.Caller {
		return op.As(dispatchtest.Scope, "arn:aws:iam::"+dispatchtest.Account+":role/"+name, "AWSCodeBuild-1", "codebuild.amazonaws.com", "")
	}
	codebuild := op.Caller{Scope: dispatchtest.Scope, Service: "codebuild.amazonaws.com"}
	denied := func(repository, who, action, why string) string {
		resource := "arn:aws:ecr:" + dispatchtest.Region + ":" + dispatchtest.Account + ":repository/" + repository
		if action == "ecr:GetAuthorizationToken" {
			resource = "*"
		}
		return "CannotPullContainerError: Error response from daemon: pull access denied for " + host + "/" + repository + ", repository does not exist or may require 'docker login': denied: " +
			"User: " + who + " is not authorized to perform: " + action + " on resource: " + resource + " because no " + why + " policy allows the " + action + " action"
	}
	missing := func(repository string) string {
		return "CannotPullContainerError: Error response from daemon: manifest for " + host + "/" + repository + ":1 not found: manifest unknown: Requested image not found"
	}
	for name, tc := range map[string]struct {
		as         op.Caller
		repository string
		want       string
	}{
		"a role with the permissions":      {role("pulls"), "closed", missing("closed")},
		"a role without":                   {role("idle"), "closed", denied("closed", "arn:aws:sts::"+dispatchtest.Account+":assumed-role/idle/AWSCodeBuild-1", "ecr:GetAuthorizationToken", "identity-based")},
		"CodeBuild, by the policy":         {codebuild, "open", missing("open")},
		"CodeBuild without a policy":       {codebuild, "closed", denied("closed", "CodeBuild", "ecr:BatchCheckLayerAvailability", "resource-based")},
		"CodeBuild, for another's project": {codebuild, "others", denied("others", "CodeBuild", "ecr:BatchCheckLayerAvailability", "resource-based")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := m.Build(t.Context(), tc.as, project, host+"/"+tc.repository+":1")
			if err == nil || err.Error() != tc.want {
				t.Errorf("\n got %v\nwant %s", err, tc.want)
			}
		})
	}
	for _, name := range []string{"node:20", "127.0.0.1:1/" + dispatchtest.Account + ".us-east-1/closed:1"} {
		_, err := m.Build(t.Context(), codebuild, project, name)
		if want := map[bool]string{true: "`penstock mirror add docker.io/library/node:20`", false: "named ACCOUNT.dkr.ecr.REGION.amazonaws.com/"}[name == "node:20"]; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want … %s", name, err, want)
		}
	}
}
