package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/store"
)

func (h *Handler) manifest(c *call) error {
	var image Image
	var body []byte
	err := h.DB.View(c.Context(), func(ctx context.Context, r store.Reader) error {
		d, err := h.Records.Resolve(ctx, r, c.scope, c.repository, c.ref)
		if err != nil {
			return err
		}
		if image, err = h.Records.Image(ctx, r, c.scope, c.repository, d); err != nil {
			return err
		}
		body, err = h.Records.Manifest(ctx, r, c.scope, c.repository, d)
		return err
	})
	if isMissing(err) {
		return &refusal{http.StatusNotFound, "MANIFEST_UNKNOWN", "Requested image not found"}
	}
	if err != nil {
		return err
	}
	if c.Method == http.MethodGet {
		if err := h.Records.Pulled(c.Context(), h.DB, c.scope, image); err != nil {
			return fmt.Errorf("note the pull of %s: %w", c.repository, err)
		}
	}
	return c.sendManifest(image.MediaType, image.Digest, body)
}

func (c *call) sendManifest(mediaType string, d blob.Digest, body []byte) error {
	header := c.w.Header()
	header.Set("Content-Type", mediaType)
	header.Set("Docker-Content-Digest", string(d))
	header.Set("Etag", `"`+string(d)+`"`)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(http.StatusOK)
	if c.Method == http.MethodHead {
		return nil
	}
	if _, err := c.w.Write(body); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (h *Handler) putManifest(c *call) error {
	body, err := io.ReadAll(io.LimitReader(c.Body, maxManifest+1))
	if err != nil {
		return fmt.Errorf("receive manifest: %w", err)
	}
	if len(body) > maxManifest {
		return &refusal{http.StatusRequestEntityTooLarge, "SIZE_INVALID", "the manifest is larger than 4 MiB"}
	}
	p := Push{Repository: c.repository, MediaType: c.Header.Get("Content-Type"), Body: body}
	if d := blob.Digest(c.ref); d.Valid() {
		p.Digest = d
	} else {
		p.Tag = c.ref
	}
	var image Image
	err = h.DB.Update(c.Context(), func(ctx context.Context, tx store.Tx) (err error) {
		image, err = h.Records.Push(ctx, tx, c.scope, p)
		if errors.Is(err, ErrImageExists) {
			return nil // the protocol's push may be repeated
		}
		return err
	})
	if isMissing(err) {
		return unknownName(c)
	}
	if err != nil {
		return refuse(c, err)
	}
	header := c.w.Header()
	header.Set("Location", "/v2/"+c.name+"/manifests/"+string(image.Digest))
	header.Set("Docker-Content-Digest", string(image.Digest))
	header.Set("Content-Length", "0")
	if image.Subject != "" {
		header.Set("OCI-Subject", string(image.Subject))
	}
	c.w.WriteHeader(http.StatusCreated)
	return nil
}

// maxTags is the most of a page.
const maxTags = 1000

func (h *Handler) tags(c *call) error {
	limit, last := maxTags, c.URL.Query().Get("last")
	if s := c.URL.Query().Get("n"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return &refusal{http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", "n is not a number of tags"}
		}
		limit = min(n, maxTags)
	}
	var all []Tag
	err := h.DB.View(c.Context(), func(ctx context.Context, r store.Reader) (err error) {
		all, err = h.Records.Tags(ctx, r, c.scope, c.repository)
		return err
	})
	if err != nil {
		return err
	}
	names, more := []string{}, false
	for _, t := range all {
		if t.Tag <= last {
			continue
		}
		if more = len(names) == limit; more {
			break
		}
		names = append(names, t.Tag)
	}
	if more && limit > 0 {
		c.w.Header().Set("Link", fmt.Sprintf(`</v2/%s/tags/list?n=%d&last=%s>; rel="next"`, c.name, limit, names[limit-1]))
	}
	return c.json("application/json", map[string]any{"name": c.repository, "tags": names})
}

// referrers are the artifacts about an image: signatures, SBOMs.
func (h *Handler) referrers(c *call) error {
	d := blob.Digest(c.ref)
	if !d.Valid() {
		return refuse(c, fmt.Errorf("%q: %w", d, blob.ErrMalformed))
	}
	kind := c.URL.Query().Get("artifactType")
	found := []descriptor{}
	err := h.DB.View(c.Context(), func(ctx context.Context, r store.Reader) error {
		found = found[:0]
		all, _, err := h.Records.Images(ctx, r, c.scope, c.repository, "", 0)
		if err != nil {
			return err
		}
		for _, i := range all {
			if i.Subject != d || kind != "" && i.ArtifactType != kind {
				continue
			}
			body, err := h.Records.Manifest(ctx, r, c.scope, c.repository, i.Digest)
			if err != nil {
				return err
			}
			var m document
			if err := json.Unmarshal(body, &m); err != nil {
				return fmt.Errorf("manifest %s: %w", i.Digest, err)
			}
			found = append(found, descriptor{MediaType: i.MediaType, Digest: i.Digest, Size: int64(len(body)), ArtifactType: i.ArtifactType, Annotations: m.Annotations})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if kind != "" {
		c.w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	return c.json(ociIndex, map[string]any{"schemaVersion": 2, "mediaType": ociIndex, "manifests": found})
}

func (c *call) json(mediaType string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", mediaType)
	_, err = c.w.Write(body)
	return err
}
