package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/store"
)

// Resolve finds an image's manifest. repository is the registry's host and the
// path ("docker.io/library/postgres"), which is a tag or a digest. An image that
// is not kept is store.ErrNotFound.
func (m *Mirror) Resolve(ctx context.Context, repository, tagOrDigest string) (image Image, manifest []byte, err error) {
	err = m.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		if !strings.Contains(tagOrDigest, ":") {
			doc, err := images.Get(ctx, r, everywhere, repository+":"+tagOrDigest)
			image = doc.Value
			return err
		}
		docs, err := images.List(ctx, r, everywhere, store.Query{Index: "manifest", Equal: repository + "@" + tagOrDigest, Limit: 1})
		if err == nil && len(docs) == 0 {
			err = store.ErrNotFound
		}
		if err == nil {
			image = docs[0].Value
		}
		return err
	})
	if err != nil {
		return Image{}, nil, err
	}
	f, err := m.Blobs.Open(ctx, image.Digest, 0, -1)
	if err != nil {
		return Image{}, nil, fmt.Errorf("mirror: reading the manifest of %s: %w", image.Name(), err)
	}
	manifest, err = io.ReadAll(f)
	return image, manifest, errors.Join(err, f.Close())
}

// Blob opens bytes of an image of the repository, from off on; n < 0 reads to the
// end. Bytes that belong to none of its images are store.ErrNotFound: a mirror's
// client sees only what its name shows.
func (m *Mirror) Blob(ctx context.Context, repository string, d blob.Digest, off, n int64) (io.ReadCloser, error) {
	found := false
	err := m.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		docs, err := images.List(ctx, r, everywhere, store.Query{Index: "repo", Equal: repository})
		for _, doc := range docs {
			found = found || slices.Contains(doc.Value.blobs(), d)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, store.ErrNotFound
	}
	return m.Blobs.Open(ctx, d, off, n)
}
