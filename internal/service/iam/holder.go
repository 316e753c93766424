package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/identity/policy"
	"github.com/penstock-ci/penstock/internal/store"
)

// holder is a noun that policies attach to: users, groups and roles are alike in this.
type holder[T any] struct {
	all       store.Collection[T]
	kind      string // "role", as AWS's messages say it
	principal func(*T) *identity.Principal
	inlineMax int // AWS's quota of characters over all inline policies
}

func (h holder[T]) get(ctx context.Context, r store.Reader, account, name string) (store.Doc[T], error) {
	d, err := h.all.Get(ctx, r, identity.In(account), identity.Key(name))
	if errors.Is(err, store.ErrNotFound) {
		return d, api.NoSuchEntityException("The %s with name %s cannot be found.", h.kind, name)
	}
	return d, err
}

// add puts a new one.
func (h holder[T]) add(ctx context.Context, tx store.Tx, v T) error {
	p := h.principal(&v)
	_, err := h.all.Put(ctx, tx, identity.In(p.Account), identity.Key(p.Name), v, 0)
	if errors.Is(err, store.ErrVersion) {
		title := strings.ToUpper(h.kind[:1]) + h.kind[1:]
		return api.EntityAlreadyExistsException("%s with name %s already exists.", title, p.Name)
	}
	return err
}

// edit changes one in place.
func (h holder[T]) edit(ctx context.Context, tx store.Tx, account, name string, f func(*T) error) error {
	d, err := h.get(ctx, tx, account, name)
	if err != nil {
		return err
	}
	if err := f(&d.Value); err != nil {
		return err
	}
	_, err = h.all.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return err
}

// editPrincipal changes what all holders have.
func (h holder[T]) editPrincipal(ctx context.Context, tx store.Tx, account, name string, f func(*identity.Principal) error) error {
	return h.edit(ctx, tx, account, name, func(v *T) error { return f(h.principal(v)) })
}

// remove deletes one that holds no policies.
func (h holder[T]) remove(ctx context.Context, tx store.Tx, d store.Doc[T]) error {
	p := h.principal(&d.Value)
	if len(p.Attached) > 0 {
		return api.DeleteConflictException("Cannot delete entity, must detach all policies first.")
	}
	if len(p.Inline) > 0 {
		return api.DeleteConflictException("Cannot delete entity, must delete policies first.")
	}
	return h.all.Delete(ctx, tx, d.Scope, d.Key, d.Version)
}

// list is all of an account whose path begins with prefix, by name.
func (h holder[T]) list(ctx context.Context, r store.Reader, account, prefix string) ([]T, error) {
	docs, err := h.all.List(ctx, r, identity.In(account), store.Query{})
	if err != nil {
		return nil, err
	}
	var out []T
	for _, d := range docs {
		if strings.HasPrefix(h.principal(&d.Value).Path, prefix) {
			out = append(out, d.Value)
		}
	}
	return out, nil
}

// checkDocument parses a document before it is stored.
func checkDocument(kind policy.Kind, text string) (*policy.Document, error) {
	d, err := policy.Parse(kind, text)
	if err != nil {
		return nil, api.MalformedPolicyDocumentException("%s", err)
	}
	return d, nil
}

// size counts as AWS's quotas do: without white space.
func size(document string) int {
	n := 0
	for _, r := range document {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// path is an entity's path, "/" where none was given.
func path(p *string) (string, error) {
	if p == nil || *p == "" {
		return "/", nil
	}
	if !strings.HasPrefix(*p, "/") || !strings.HasSuffix(*p, "/") {
		return "", invalid("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return *p, nil
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
