package registry

import (
	"context"
	"io"
	"net/http"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/store"
)

func (h *Handler) mirrorManifest(c *call) error {
	name := c.mirror + "/" + c.repository
	image, body, err := h.Mirror.Resolve(c.Context(), name, c.ref)
	if isMissing(err) {
		separator := ":"
		if blob.Digest(c.ref).Valid() {
			separator = "@"
		}
		full := name + separator + c.ref
		return &refusal{http.StatusNotFound, "MANIFEST_UNKNOWN", full + " is not in this installation's mirror: `penstock mirror add " + full + "` on the host brings it"}
	}
	if err != nil {
		return err
	}
	return c.sendManifest(image.MediaType, image.Digest, body)
}

func (h *Handler) mirrorBlob(c *call) error {
	name, d := c.mirror+"/"+c.repository, blob.Digest(c.ref)
	// Opened for the answer whether it is the repository's at all.
	f, err := h.Mirror.Blob(c.Context(), name, d, 0, 0)
	if isMissing(err) {
		return unknownBlob(c.ref)
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	var size int64
	err = h.DB.View(c.Context(), func(ctx context.Context, r store.Reader) (err error) {
		size, err = h.Blobs.Size(ctx, r, d)
		return err
	})
	if err != nil {
		return err
	}
	return c.send(d, size, func(off, n int64) (io.ReadCloser, error) { return h.Mirror.Blob(c.Context(), name, d, off, n) })
}
