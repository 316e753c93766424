package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/distribution/reference"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/store"
)

// Blobs are the bytes and who holds them (*blob.Keeper).
type Blobs interface {
	blob.Store
	blob.Holds
}

// Engine is the part of a Docker Engine that the mirror takes images from.
type Engine interface {
	HasImage(ctx context.Context, name string) (id string, err error)
	PullImage(ctx context.Context, name, auth string) error
	SaveImages(ctx context.Context, names []string) (io.ReadCloser, error)
}

// Deps are the abilities a Mirror borrows. Engine may be nil: Add is refused then.
type Deps struct {
	DB     store.DB
	Blobs  Blobs
	Engine Engine
	Clock  clock.Clock
}

// Mirror is the images kept.
type Mirror struct{ Deps }

// New makes a Mirror.
func New(d Deps) *Mirror { return &Mirror{d} }

// Image is one image under one name.
type Image struct {
	Repository string // "docker.io/library/postgres", "public.ecr.aws/penstock/python"
	Tag        string
	MediaType  string
	Digest     blob.Digest // of the manifest, whose bytes are a blob too
	Config     blob.Digest
	Layers     []blob.Digest
	Size       int64 // of all blobs
	AddedAt    time.Time
}

// Name is the full name, as builds may write it.
func (i Image) Name() string { return i.Repository + ":" + i.Tag }

// blobs are the different ones: an image may have one layer twice.
func (i Image) blobs() []blob.Digest {
	all := append([]blob.Digest{i.Digest, i.Config}, i.Layers...)
	slices.Sort(all)
	return slices.Compact(all)
}

var images = store.Define(store.Schema[Image]{
	Table: "mirror_images",
	Index: map[string]func(Image) string{
		"manifest": func(i Image) string { return i.Repository + "@" + string(i.Digest) },
		"repo":     func(i Image) string { return i.Repository },
	},
})

// Tables are the collections, for migration.
func Tables() []store.Table { return []store.Table{images} }

// everywhere: the mirror belongs to the installation, not to an account.
var everywhere = store.Scope{Account: "mirror", Region: "global"}

// parse gives a name as people write it its full form.
func parse(name string) (repository, tag string, err error) {
	n, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", "", fmt.Errorf("mirror: image name %q: %w", name, err)
	}
	if _, byDigest := n.(reference.Digested); byDigest {
		return "", "", fmt.Errorf("mirror: image name %q: a tag is expected, not a digest", name)
	}
	t, ok := reference.TagNameOnly(n).(reference.NamedTagged)
	if !ok {
		return "", "", fmt.Errorf("mirror: image name %q has no tag", name)
	}
	return t.Name(), t.Tag(), nil
}

// Add takes an image from the host's Engine, which pulls it first if it does not
// have it. Adding again brings the name up to date.
func (m *Mirror) Add(ctx context.Context, name string) (Image, error) {
	repository, tag, err := parse(name)
	if err != nil {
		return Image{}, err
	}
	if m.Engine == nil {
		return Image{}, errors.New("mirror: images come from the host's Docker Engine, and none is configured")
	}
	id, err := m.Engine.HasImage(ctx, name)
	if err != nil {
		return Image{}, fmt.Errorf("mirror: adding %s: %w", name, err)
	}
	if id == "" {
		if err := m.Engine.PullImage(ctx, name, ""); err != nil {
			return Image{}, fmt.Errorf("mirror: image %s is not in this host's Docker Engine and could not be pulled: bring it by docker load or docker build, then add it: %w", name, err)
		}
	}
	r, err := m.Engine.SaveImages(ctx, []string{name})
	if err != nil {
		return Image{}, fmt.Errorf("mirror: adding %s: %w", name, err)
	}
	image, err := m.take(ctx, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return Image{}, fmt.Errorf("mirror: adding %s: %w", name, err)
	}
	image.Repository, image.Tag, image.AddedAt = repository, tag, m.Clock.Now()
	return image, m.put(ctx, image)
}

// put replaces the name's row and moves the holds.
func (m *Mirror) put(ctx context.Context, image Image) error {
	return m.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		old, err := images.Get(ctx, tx, everywhere, image.Name())
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		for _, d := range old.Value.blobs() {
			if err := m.release(ctx, tx, d, image.Name()); err != nil {
				return err
			}
		}
		for _, d := range image.blobs() {
			if err := m.Blobs.Hold(ctx, tx, d, holder(image.Name())); err != nil {
				return fmt.Errorf("mirror: keeping %s: %w", image.Name(), err)
			}
		}
		_, err = images.Put(ctx, tx, everywhere, image.Name(), image, old.Version)
		return err
	})
}

func holder(name string) string { return "mirror/" + name }

func (m *Mirror) release(ctx context.Context, tx store.Tx, d blob.Digest, name string) error {
	if d == "" {
		return nil
	}
	if err := m.Blobs.Release(ctx, tx, d, holder(name)); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("mirror: dropping %s: %w", name, err)
	}
	return nil
}

// List gives all images by name.
func (m *Mirror) List(ctx context.Context) (all []Image, err error) {
	err = m.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		docs, err := images.List(ctx, r, everywhere, store.Query{})
		for _, d := range docs {
			all = append(all, d.Value)
		}
		return err
	})
	return all, err
}

// Remove drops a name; its bytes go when no other name holds them.
func (m *Mirror) Remove(ctx context.Context, name string) error {
	repository, tag, err := parse(name)
	if err != nil {
		return err
	}
	key := Image{Repository: repository, Tag: tag}.Name()
	return m.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		doc, err := images.Get(ctx, tx, everywhere, key)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("the mirror has no image %s: `penstock mirror list` shows all (%w)", key, store.ErrNotFound)
		}
		if err != nil {
			return err
		}
		for _, d := range doc.Value.blobs() {
			if err := m.release(ctx, tx, d, key); err != nil {
				return err
			}
		}
		return images.Delete(ctx, tx, everywhere, key, doc.Version)
	})
}
