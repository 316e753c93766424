package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/store"
)

func unknownBlob(d string) error {
	return &refusal{http.StatusNotFound, "BLOB_UNKNOWN", "Layer with digest '" + d + "' was not found in the repository"}
}

func (h *Handler) blob(c *call) error {
	d := blob.Digest(c.ref)
	if !d.Valid() {
		return refuse(c, fmt.Errorf("%q: %w", d, blob.ErrMalformed))
	}
	var layer Layer
	err := h.DB.View(c.Context(), func(ctx context.Context, r store.Reader) (err error) {
		layer, err = h.Records.Layer(ctx, r, c.scope, c.repository, d)
		return err
	})
	if isMissing(err) {
		return unknownBlob(c.ref)
	}
	if err != nil {
		return err
	}
	return c.send(d, layer.Size, func(off, n int64) (io.ReadCloser, error) { return h.Blobs.Open(c.Context(), d, off, n) })
}

// send answers with bytes, or the range of them that was asked for.
func (c *call) send(d blob.Digest, size int64, open func(off, n int64) (io.ReadCloser, error)) error {
	header := c.w.Header()
	header.Set("Accept-Ranges", "bytes")
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Docker-Content-Digest", string(d))
	header.Set("Etag", `"`+string(d)+`"`)
	off, n, partial := byteRange(c.Header.Get("Range"), size)
	status := http.StatusOK
	switch {
	case partial && n <= 0:
		header.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		return &refusal{http.StatusRequestedRangeNotSatisfiable, "SIZE_INVALID", "the layer has no such bytes"}
	case partial:
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, size))
		status = http.StatusPartialContent
	}
	header.Set("Content-Length", strconv.FormatInt(n, 10))
	if c.Method == http.MethodHead {
		c.w.WriteHeader(status)
		return nil
	}
	if !partial {
		n = -1 // whole: the file itself, which the kernel can send
	}
	f, err := open(off, n)
	if err != nil {
		header.Del("Content-Length")
		return err
	}
	c.w.WriteHeader(status)
	_, err = io.Copy(c.w, f)
	if err := errors.Join(err, f.Close()); err != nil {
		// The answer has begun: the client sees it cut off, and asks again.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// byteRange reads a Range of one piece; anything else asks for the whole.
func byteRange(s string, size int64) (off, n int64, partial bool) {
	s, ok := strings.CutPrefix(s, "bytes=")
	first, last, dash := strings.Cut(s, "-")
	if !ok || !dash || strings.Contains(s, ",") {
		return 0, size, false
	}
	if first == "" {
		tail, err := strconv.ParseInt(last, 10, 64)
		if err != nil || tail < 0 {
			return 0, size, false
		}
		tail = min(tail, size)
		return size - tail, tail, true
	}
	off, err := strconv.ParseInt(first, 10, 64)
	if err != nil || off < 0 {
		return 0, size, false
	}
	end := size - 1
	if last != "" {
		if end, err = strconv.ParseInt(last, 10, 64); err != nil || end < off {
			return 0, size, false
		}
		end = min(end, size-1)
	}
	return off, end - off + 1, true
}
