package registry

import (
	"context"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/store"
)

// Untag takes a tag away; an image goes with its last tag, if no list needs it.
func (s *Records) Untag(ctx context.Context, tx store.Tx, scope store.Scope, repository, name string) (blob.Digest, error) {
	t, err := s.tags.Get(ctx, tx, scope, repository+":"+name)
	if err != nil {
		return "", err
	}
	digest := t.Value.Digest
	image, err := s.Image(ctx, tx, scope, repository, digest)
	if err != nil {
		return "", err
	}
	if len(image.Tags) == 1 {
		needed, err := s.isReferenced(ctx, tx, scope, repository, digest)
		if err != nil {
			return "", err
		}
		if !needed {
			return digest, s.drop(ctx, tx, scope, image)
		}
	}
	if err := s.tags.Delete(ctx, tx, scope, t.Key, t.Version); err != nil {
		return "", err
	}
	return digest, s.tell(ctx, tx, scope, "DELETE", image, name)
}

// Delete removes an image with all its tags. ErrReferenced while a list needs it.
func (s *Records) Delete(ctx context.Context, tx store.Tx, scope store.Scope, repository string, d blob.Digest) (Image, error) {
	image, err := s.Image(ctx, tx, scope, repository, d)
	if err != nil {
		return Image{}, err
	}
	needed, err := s.isReferenced(ctx, tx, scope, repository, d)
	if err != nil {
		return Image{}, err
	}
	if needed {
		return Image{}, ErrReferenced
	}
	return image, s.drop(ctx, tx, scope, image)
}

func (s *Records) drop(ctx context.Context, tx store.Tx, scope store.Scope, i Image) error {
	if err := remove(ctx, tx, s.images, scope, key(i.Repository, i.Digest)); err != nil {
		return err
	}
	if err := remove(ctx, tx, s.manifests, scope, key(i.Repository, i.Digest)); err != nil {
		return err
	}
	if len(i.Tags) == 0 {
		return s.tell(ctx, tx, scope, "DELETE", i, "")
	}
	for _, t := range i.Tags {
		if err := remove(ctx, tx, s.tags, scope, i.Repository+":"+t); err != nil {
			return err
		}
		if err := s.tell(ctx, tx, scope, "DELETE", i, t); err != nil {
			return err
		}
	}
	return nil
}

func remove[T any](ctx context.Context, tx store.Tx, c store.Collection[T], scope store.Scope, key string) error {
	d, err := c.Get(ctx, tx, scope, key)
	if err != nil {
		return err
	}
	return c.Delete(ctx, tx, scope, key, d.Version)
}

// DeleteRepository removes a repository with its images.
func (s *Records) DeleteRepository(ctx context.Context, tx store.Tx, scope store.Scope, name string) error {
	all, _, err := s.Images(ctx, tx, scope, name, "", 0)
	if err != nil {
		return err
	}
	for _, i := range all {
		if err := s.drop(ctx, tx, scope, i); err != nil {
			return err
		}
	}
	layers, err := s.layers.List(ctx, tx, scope, store.Query{Prefix: name + "@"})
	if err != nil {
		return err
	}
	for _, l := range layers {
		if err := s.dropLayer(ctx, tx, l); err != nil {
			return err
		}
	}
	return remove(ctx, tx, s.Repositories, scope, name)
}

func (s *Records) dropLayer(ctx context.Context, tx store.Tx, l store.Doc[Layer]) error {
	repository, digest, _ := strings.Cut(l.Key, "@")
	if err := s.Holds.Release(ctx, tx, blob.Digest(digest), holder(l.Scope, repository)); err != nil {
		return err
	}
	return s.layers.Delete(ctx, tx, l.Scope, l.Key, l.Version)
}

// layerGrace is how long a layer waits for its manifest.
const layerGrace = 24 * time.Hour

// Sweep removes layers that no image needs and that no push can still be about to
// name. It is not done when an image is deleted: a push that found the layer may run.
func (s *Records) Sweep(ctx context.Context, tx store.Tx) error {
	images, err := s.images.List(ctx, tx, store.Scope{}, store.Query{})
	if err != nil {
		return err
	}
	type place struct {
		scope store.Scope
		key   string
	}
	needed := map[place]bool{}
	for _, i := range images {
		for _, d := range i.Value.Blobs {
			needed[place{i.Scope, key(i.Value.Repository, d)}] = true
		}
	}
	layers, err := s.layers.List(ctx, tx, store.Scope{}, store.Query{})
	if err != nil {
		return err
	}
	for _, l := range layers {
		if needed[place{l.Scope, l.Key}] || s.Clock.Now().Sub(l.Value.Added) < layerGrace {
			continue
		}
		if err := s.dropLayer(ctx, tx, l); err != nil {
			return err
		}
	}
	return nil
}
