package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (c *call) upload() Upload { return Upload{c.scope, c.repository, c.ref} }

// beginUpload also takes a layer from another repository, or whole in one request.
func (h *Handler) beginUpload(c *call) error {
	query := c.URL.Query()
	if from := query.Get("from"); from != "" {
		done, err := h.mount(c, blob.Digest(query.Get("mount")), from)
		if err != nil || done {
			return err
		}
	}
	up, err := h.Uploads.Begin(c.scope, c.repository)
	if err != nil {
		return err
	}
	c.ref = up.ID
	if query.Get("digest") != "" {
		return h.finishUpload(c)
	}
	c.progress(0)
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

// mount names a layer in this repository that another one has. A caller who may
// not read there just uploads it.
func (h *Handler) mount(c *call, d blob.Digest, from string) (done bool, err error) {
	from = strings.TrimPrefix(from, c.prefix)
	err = h.DB.Update(c.Context(), func(ctx context.Context, tx store.Tx) error {
		layer, err := h.Records.Layer(ctx, tx, c.scope, from, d)
		if err == nil {
			err = h.Guard.Allow(ctx, tx, c.caller, "ecr:GetDownloadUrlForLayer", ARN(c.scope, from), nil)
		}
		if err != nil {
			return err
		}
		return h.Records.AddLayer(ctx, tx, c.scope, c.repository, d, layer.Size)
	})
	if _, denied := errors.AsType[*op.Error](err); denied || isMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, c.created(d)
}

// created answers that a layer is there.
func (c *call) created(d blob.Digest) error {
	c.w.Header().Set("Location", "/v2/"+c.name+"/blobs/"+string(d))
	c.w.Header().Set("Docker-Content-Digest", string(d))
	c.w.Header().Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusCreated)
	return nil
}

// progress tells where an upload goes on.
func (c *call) progress(size int64) {
	h := c.w.Header()
	h.Set("Location", "/v2/"+c.name+"/blobs/uploads/"+c.ref)
	h.Set("Docker-Upload-UUID", c.ref)
	h.Set("Range", fmt.Sprintf("0-%d", max(size-1, 0)))
	h.Set("Content-Length", "0")
}

func (h *Handler) showUpload(c *call) error {
	size, err := h.Uploads.Size(c.upload())
	if err != nil {
		return refuse(c, err)
	}
	c.progress(size)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// append takes the body, which may say where it begins.
func (h *Handler) append(c *call) (int64, error) {
	from := int64(-1)
	if s := strings.TrimPrefix(c.Header.Get("Content-Range"), "bytes "); s != "" {
		first, _, _ := strings.Cut(s, "-")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil || n < 0 {
			return 0, ErrRange
		}
		from = n
	}
	return h.Uploads.Append(c.upload(), from, c.Body)
}

func (h *Handler) appendUpload(c *call) error {
	size, err := h.append(c)
	if errors.Is(err, ErrRange) {
		c.progress(size)
		c.w.Header().Del("Content-Length")
	}
	if err != nil {
		return refuse(c, err)
	}
	c.progress(size)
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

func (h *Handler) finishUpload(c *call) error {
	want := blob.Digest(c.URL.Query().Get("digest"))
	if !want.Valid() {
		return refuse(c, fmt.Errorf("%q: %w", want, blob.ErrMalformed))
	}
	if _, err := h.append(c); err != nil {
		return refuse(c, err)
	}
	size, err := h.Uploads.Finish(c.Context(), c.upload(), want)
	if err != nil {
		return refuse(c, err)
	}
	err = h.DB.Update(c.Context(), func(ctx context.Context, tx store.Tx) error {
		return h.Records.AddLayer(ctx, tx, c.scope, c.repository, want, size)
	})
	if isMissing(err) { // the repository was deleted meanwhile
		return unknownName(c)
	}
	if err != nil {
		return err
	}
	return c.created(want)
}

func (h *Handler) abortUpload(c *call) error {
	if err := h.Uploads.Abort(c.upload()); err != nil {
		return refuse(c, err)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
