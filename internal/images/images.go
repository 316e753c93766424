package images

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/distribution/reference"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/mirror"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

// Engine is the host's, as far as images go (*docker.Engine).
type Engine interface {
	HasImage(ctx context.Context, name string) (id string, err error)
	PullImage(ctx context.Context, name, auth string) error
}

// Records know which digest a tag has (*registry.Records).
type Records interface {
	Resolve(ctx context.Context, r store.Reader, s store.Scope, repository, tagOrDigest string) (blob.Digest, error)
}

// Tokens are the registry's passwords (registry.Tokens).
type Tokens interface {
	Mint(c op.Caller, life time.Duration) (password string, expires time.Time, err error)
}

// Mirror are the public images that are kept (*mirror.Mirror).
type Mirror interface {
	Resolve(ctx context.Context, repository, tagOrDigest string) (mirror.Image, []byte, error)
}

// Deps are the abilities Images borrow.
type Deps struct {
	DB      store.DB
	Records Records
	Tokens  Tokens
	Guard   op.Guard
	Engine  Engine
	Mirror  Mirror
	Address string // of the API on the host's loopback, "127.0.0.1:4566"
}

// Images is compute.Images.
type Images struct{ Deps }

// New makes it.
func New(d Deps) *Images { return &Images{d} }

var _ compute.Images = (*Images)(nil)

// Pull brings an image for a task; role is its execution role, "" where it has none.
func (m *Images) Pull(ctx context.Context, account, region, role, image string) (ref string, err error) {
	scope := store.Scope{Account: account, Region: region}
	if role == "" {
		// It is the host that pulls, as an EC2 container instance does: it may what its account may.
		return m.bring(ctx, puller{Caller: root(scope), words: tasks{}}, image)
	}
	const service = "ecs-tasks.amazonaws.com"
	return m.bring(ctx, puller{Caller: op.As(scope, role, "image-pull", service, ""), words: tasks{}}, image)
}

// Build brings an image for a build. c is who pulls: the build's role session, or
// CodeBuild itself (a caller with nothing but a Service), whom a repository's policy
// must allow. project is the ARN that such a policy's conditions may ask for.
func (m *Images) Build(ctx context.Context, c op.Caller, project, image string) (ref string, err error) {
	return m.bring(ctx, puller{Caller: c.For(project), words: builds{}}, image)
}

// puller is who asks for an image, and the words in which it is told of a failure.
type puller struct {
	op.Caller
	words
}

// isService tells whether a service asks for itself, not with somebody's role.
func (p puller) isService() bool { return p.Session == nil && p.Service != "" }

func root(scope store.Scope) op.Caller {
	return op.Caller{Scope: scope, ARN: "arn:aws:iam::" + scope.Account + ":root", PrincipalID: scope.Account}
}

func (m *Images) bring(ctx context.Context, p puller, image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", fmt.Errorf("CannotPullContainerError: invalid reference format: %q: %w", image, err)
	}
	named = reference.TagNameOnly(named)
	if scope, ok := registry.ParseHost(reference.Domain(named)); ok {
		return m.own(ctx, p, scope, named)
	}
	if reference.Domain(named) == m.Address {
		// What the Engine pulled for others lies under such names.
		return "", p.missing(named, " (an image of a registry here is named ACCOUNT.dkr.ecr.REGION.amazonaws.com/…)")
	}
	return m.public(ctx, p, image, named)
}

// tagOrDigest is what follows the name; a digest wins, as it does for Docker.
func tagOrDigest(n reference.Named) string {
	if d, ok := n.(reference.Digested); ok {
		return d.Digest().String()
	}
	if t, ok := n.(reference.Tagged); ok {
		return t.Tag()
	}
	return "latest"
}

// pulling are the permissions of a pull.
var pulling = []string{"ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"}

// own brings an image of an account's registry.
func (m *Images) own(ctx context.Context, p puller, scope store.Scope, named reference.Named) (string, error) {
	repository := reference.Path(named)
	var digest blob.Digest
	err := m.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		if err := m.may(ctx, r, p, registry.ARN(scope, repository), named); err != nil {
			return err
		}
		digest, err = m.Records.Resolve(ctx, r, scope, repository, tagOrDigest(named))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return "", p.missing(named, "")
	}
	if err != nil {
		return "", err
	}
	as := p.Caller
	if p.isService() {
		as = root(scope) // it has been asked for above: the registry knows no project to ask for again
	}
	return m.pullAlias(ctx, as, registry.Alias(m.Address, scope, repository)+"@"+string(digest), named)
}

// may asks what the agents of ECS and CodeBuild ask: for a password, then for the
// image. A service that asks for itself needs no password.
func (m *Images) may(ctx context.Context, r store.Reader, p puller, repository string, named reference.Named) error {
	if p.Session != nil && p.Service != "" {
		if err := m.Guard.Trusts(ctx, r, p.Session.RoleARN, p.Service); err != nil {
			return fmt.Errorf("CannotPullContainerError: the role %s cannot be assumed to pull %s: %w", p.Session.RoleARN, named, err)
		}
	}
	if !p.isService() {
		if err := m.Guard.Allow(ctx, r, p.Caller, "ecr:GetAuthorizationToken", "*", nil); err != nil {
			return p.noPassword(named, err)
		}
	}
	for _, action := range pulling {
		if err := m.Guard.Allow(ctx, r, p.Caller, action, repository, nil); err != nil {
			return p.denied(named, err)
		}
	}
	return nil
}

// pullLife is how long a pull's password is good for: a large image takes its time.
const pullLife = time.Hour

// pullAlias has the Engine pull from this server.
func (m *Images) pullAlias(ctx context.Context, c op.Caller, ref string, named reference.Named) (string, error) {
	id, err := m.Engine.HasImage(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("CannotPullContainerError: %w", err)
	}
	if id != "" {
		return ref, nil
	}
	password, _, err := m.Tokens.Mint(c, pullLife)
	if err != nil {
		return "", err
	}
	auth, err := json.Marshal(map[string]string{"username": registry.User, "password": password, "serveraddress": m.Address})
	if err != nil {
		return "", fmt.Errorf("write the Engine's credentials: %w", err)
	}
	if err := m.Engine.PullImage(ctx, ref, base64.URLEncoding.EncodeToString(auth)); err != nil {
		return "", fmt.Errorf("CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to pull %s: %w", named, err)
	}
	return ref, nil
}

// public brings any other image: the Engine's own, the mirror's, or from afar.
func (m *Images) public(ctx context.Context, p puller, image string, named reference.Named) (string, error) {
	id, err := m.Engine.HasImage(ctx, image)
	if err != nil {
		return "", fmt.Errorf("CannotPullContainerError: %w", err)
	}
	if id != "" {
		return image, nil
	}
	kept, _, err := m.Mirror.Resolve(ctx, named.Name(), tagOrDigest(named))
	if err == nil {
		// Mirrors ask nobody who they are; the alias's address asks for some password.
		return m.pullAlias(ctx, op.Caller{}, registry.MirrorAlias(m.Address, named.Name())+"@"+string(kept.Digest), named)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if err := m.Engine.PullImage(ctx, image, ""); err != nil {
		return "", p.missing(named, fmt.Sprintf(" (%v; where there is no way out, `penstock mirror add %s` brings an image that this host's Docker has)", err, named))
	}
	return image, nil
}
