package secretsmanager

import (
	"context"
	"errors"
	"regexp"
	"strings"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// suffixed is a full ARN's end. A name that itself ends so makes its partial ARN
// look full, and is then not found by it: AWS warns of such names.
var suffixed = regexp.MustCompile(`^(.*)-([A-Za-z0-9]{6})$`)

// unknownSuffix marks, in an ARN made of a bare name, the six characters that
// only Resolve can fill in.
const unknownSuffix = "-??????"

func notFound() *op.Error {
	return api.ResourceNotFoundException("Secrets Manager can't find the specified secret.")
}

func isNotFound(err error) bool {
	e, ok := errors.AsType[*op.Error](err)
	return ok && e.Code == "ResourceNotFoundException"
}

// find takes a name, a full ARN or an ARN without suffix.
func (s *Service) find(ctx context.Context, r store.Reader, c op.Caller, id string) (store.Doc[Secret], error) {
	scope, name, suffix := c.Scope, id, ""
	if strings.HasPrefix(id, "arn:") {
		a, ok := arn.Parse(id)
		rest, isSecret := strings.CutPrefix(a.Resource, "secret:")
		if !ok || !isSecret || a.Service != "secretsmanager" || c.Region != "" && a.Region != c.Region {
			return store.Doc[Secret]{}, notFound()
		}
		scope, name = store.Scope{Account: a.Account, Region: a.Region}, rest
		if m := suffixed.FindStringSubmatch(rest); m != nil {
			name, suffix = m[1], m[2]
		}
	}
	d, err := s.secrets.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) || err == nil && (suffix != "" && d.Value.Suffix != suffix || s.isGone(d.Value)) {
		return d, notFound()
	}
	return d, err
}

// live is find, and refuses a secret that waits for its deletion.
func (s *Service) live(ctx context.Context, r store.Reader, c op.Caller, id string) (store.Doc[Secret], error) {
	d, err := s.find(ctx, r, c, id)
	if err == nil && d.Value.isDeleted() {
		return d, api.InvalidRequestException("You can't perform this operation on the secret because it was marked for deletion.")
	}
	return d, err
}

// edit changes a live secret.
func (s *Service) edit(ctx context.Context, tx store.Tx, c op.Caller, id string, f func(*Secret) error) (Secret, error) {
	d, err := s.live(ctx, tx, c, id)
	if err != nil {
		return Secret{}, err
	}
	if err := f(&d.Value); err != nil {
		return Secret{}, err
	}
	_, err = s.secrets.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return d.Value, err
}

// named is the ARN that policies are asked about.
func named(c op.Caller, id *string) []string {
	if id == nil {
		return nil
	}
	if strings.HasPrefix(*id, "arn:") {
		return []string{*id}
	}
	return []string{arn.New("secretsmanager", c.Region, c.Account, "secret:"+*id+unknownSuffix)}
}

// Resolve fills in the suffix of an ARN made of a name, or of a partial one.
func (s *Service) Resolve(ctx context.Context, r store.Reader, partial string) (string, error) {
	bare, fromName := strings.CutSuffix(partial, unknownSuffix)
	a, ok := arn.Parse(bare)
	if !ok || !fromName && suffixed.MatchString(a.Resource) {
		return partial, nil
	}
	d, err := s.secrets.Get(ctx, r, store.Scope{Account: a.Account, Region: a.Region}, strings.TrimPrefix(a.Resource, "secret:"))
	if errors.Is(err, store.ErrNotFound) {
		return bare, nil
	}
	return d.Value.ARN(), err
}
