package images_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/computetest"
	"github.com/penstock-ci/penstock/internal/compute/docker"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/images"
	"github.com/penstock-ci/penstock/internal/mirror"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	host = dispatchtest.Account + ".dkr.ecr." + dispatchtest.Region + ".amazonaws.com"
	role = "arn:aws:iam::" + dispatchtest.Account + ":role/execution"
)

// deny refuses one action.
type deny string

func (d deny) Decide(_ context.Context, _ store.Reader, q identity.Question) (*identity.Refusal, error) {
	if q.Action == string(d) {
		return &identity.Refusal{Principal: q.Caller.ARN, Action: q.Action, Resource: q.Resource, Reason: "because no identity-based policy allows the " + q.Action + " action"}, nil
	}
	return nil, nil
}
func (deny) Trusts(context.Context, store.Reader, string, string) error { return nil }
func (deny) Appear(context.Context, store.Tx, op.Caller) error          { return nil }

type bench struct {
	*dispatchtest.Dispatcher
	images  *images.Images
	mirror  *mirror.Mirror
	address string
	tokens  registry.Tokens
}

func setup(t *testing.T, engine interface {
	images.Engine
	mirror.Engine
}, denied deny) *bench {
	t.Helper()
	keys, err := identity.OpenKeyring(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := blob.OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{tokens: registry.Tokens{Keys: keys, Clock: clock.System{}}}
	holds := blob.NewKeeper(disk, nil, clock.System{}) // Hold and Release use the transaction alone
	records := registry.NewRecords(registry.RecordsDeps{Holds: holds, Stream: eventstream.New(clock.System{}), Clock: clock.System{}})
	b.Dispatcher = dispatchtest.With(t, denied, append(records.Tables(), mirror.Tables()...))
	keeper := blob.NewKeeper(disk, b.DB, clock.System{})
	b.mirror = mirror.New(mirror.Deps{DB: b.DB, Blobs: keeper, Engine: engine, Clock: clock.System{}})
	server := httptest.NewServer(registry.NewHandler(registry.Deps{
		DB: b.DB, Records: records, Uploads: registry.NewUploads(disk, keeper, clock.System{}), Blobs: keeper,
		Mirror: b.mirror, Tokens: b.tokens, Guard: b.Dispatcher, Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(server.Close)
	b.address = strings.TrimPrefix(server.URL, "http://")
	b.images = images.New(images.Deps{DB: b.DB, Records: records, Tokens: b.tokens, Guard: b.Dispatcher, Engine: engine, Mirror: b.mirror, Address: b.address})
	err = b.DB.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := records.Repositories.Put(ctx, tx, dispatchtest.Scope, "team/app", registry.Repository{}, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// none is an Engine without images that cannot pull.
type none struct{}

func (none) HasImage(context.Context, string) (string, error) { return "", nil }
func (none) PullImage(context.Context, string, string) error  { return errors.New("no route to host") }
func (none) SaveImages(context.Context, []string) (io.ReadCloser, error) {
	return nil, errors.New("no images")
}

func TestWhyAnImageIsNotThereIsSaidAsECSSaysIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		deny        deny
		image, want string
	}{
		"no such tag":        {"", host + "/team/app:1", "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref " + host + "/team/app:1: " + host + "/team/app:1: not found"},
		"no such repository": {"", host + "/none:1", host + "/none:1: not found"},
		"no password":        {"ecr:GetAuthorizationToken", host + "/team/app", "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: service call has been retried 1 time(s): AccessDeniedException: User: arn:aws:sts::" + dispatchtest.Account + ":assumed-role/execution/image-pull is not authorized to perform: ecr:GetAuthorizationToken on resource: *"},
		"no right to it":     {"ecr:BatchGetImage", host + "/team/app", "failed to resolve ref " + host + "/team/app:latest: unexpected status from HEAD request to https://" + host + "/v2/team/app/manifests/latest: 403 Forbidden"},
		"public, not kept":   {"", "node:20", "penstock mirror add docker.io/library/node:20"},
		"no name":            {"", "UPPER", "CannotPullContainerError: invalid reference format"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, none{}, c.deny)
			_, err := b.images.Pull(t.Context(), dispatchtest.Account, dispatchtest.Region, role, c.image)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Pull(%s) = %v, want … %s …", c.image, err, c.want)
			}
		})
	}
}

// TestDockerPushesAndTheEngineStartsIt is the way of an image with the host's own
// Docker: docker login, docker push, and the pull for a task.
func TestDockerPushesAndTheEngineStartsIt(t *testing.T) {
	engine, err := docker.Connect("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	if _, err := engine.Ping(t.Context()); err != nil {
		t.Skipf("a Docker Engine is needed: %v", err)
	}
	b := setup(t, engine, "")
	root, err := computetest.ShellRoot("sleep")
	if err != nil {
		t.Fatal(err)
	}
	id := ids.Lower(8, "")
	pushed, public := b.address+"/"+dispatchtest.Account+"."+dispatchtest.Region+"/team/app:1", "penstock-test-"+id+"/tiny:1"
	clean := func(names ...string) {
		for _, n := range names {
			if err := engine.RemoveImage(context.WithoutCancel(t.Context()), n); err != nil {
				t.Error(err)
			}
		}
	}
	if err := engine.ImportImage(t.Context(), pushed, bytes.NewReader(root), "LABEL test="+id); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clean(pushed) })
	password, _, err := b.tokens.Mint(b.Root(), registry.TokenLife)
	if err != nil {
		t.Fatal(err)
	}
	cli := func(stdin string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "docker", args...)
		cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+filepath.Join(os.TempDir(), "penstock-test-"+id))
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("docker %s: %v\n%s", args[0], err, out)
		}
	}
	t.Cleanup(func() { os.RemoveAll(filepath.Join(os.TempDir(), "penstock-test-"+id)) })
	cli(password, "login", "--username", "AWS", "--password-stdin", b.address)
	cli("", "push", pushed)
	cli("", "push", pushed) // again is no error
	cli("", "tag", pushed, public)
	if _, err := b.mirror.Add(t.Context(), public); err != nil {
		t.Fatal(err)
	}
	clean(pushed, public) // the Engine has it no more
	for _, name := range []string{host + "/team/app:1", public} {
		ref, err := b.images.Pull(t.Context(), dispatchtest.Account, dispatchtest.Region, role, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, digest, ok := strings.Cut(ref, "@"); !ok || !blob.Digest(digest).Valid() {
			t.Errorf("%s became %s, without a digest", name, ref)
		}
		if label, err := engine.ImageLabel(t.Context(), ref, "test"); err != nil || label != id {
			t.Errorf("%s is another image: label %q, %v", ref, label, err)
		}
		again, err := b.images.Build(t.Context(), b.As(role, "codebuild.amazonaws.com", ""), "", name)
		if err != nil || again != ref {
			t.Errorf("the second time %s became %s, %v", name, again, err)
		}
		clean(ref)
	}
	cli("", "pull", pushed)
}
