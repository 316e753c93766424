package registry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"syscall"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/mirror"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Blobs are the bytes (*blob.Keeper).
type Blobs interface {
	Open(ctx context.Context, d blob.Digest, off, n int64) (io.ReadCloser, error)
	Size(ctx context.Context, r store.Reader, d blob.Digest) (int64, error)
}

// Mirror are the public images that are kept (*mirror.Mirror).
type Mirror interface {
	Resolve(ctx context.Context, repository, tagOrDigest string) (mirror.Image, []byte, error)
	Blob(ctx context.Context, repository string, d blob.Digest, off, n int64) (io.ReadCloser, error)
}

// Deps are the abilities a Handler borrows.
type Deps struct {
	DB      store.DB
	Records *Records
	Uploads *Uploads
	Blobs   Blobs
	Mirror  Mirror
	Tokens  Tokens
	Guard   op.Guard
	Origin  func(context.Context) op.Origin // where a request came from; nil: not known
	Log     *slog.Logger
}

// Handler serves /v2/.
type Handler struct{ Deps }

// NewHandler makes it.
func NewHandler(d Deps) *Handler { return &Handler{d} }

// call is one request.
type call struct {
	*http.Request
	w http.ResponseWriter
	target
	name   string // the repository's, as the client wrote it
	ref    string // tag, digest or upload
	caller op.Caller
}

// verb is what a path and a method ask for.
type verb struct {
	path   *regexp.Regexp
	method string
	action string // the permission
	serve  func(*Handler, *call) error
	mirror func(*Handler, *call) error // nil: a mirror cannot
}

var verbs = []verb{
	{uploadPath, http.MethodPost, "ecr:InitiateLayerUpload", (*Handler).beginUpload, nil},
	{uploadPath, http.MethodPatch, "ecr:UploadLayerPart", (*Handler).appendUpload, nil},
	{uploadPath, http.MethodPut, "ecr:CompleteLayerUpload", (*Handler).finishUpload, nil},
	{uploadPath, http.MethodGet, "ecr:UploadLayerPart", (*Handler).showUpload, nil},
	{uploadPath, http.MethodDelete, "ecr:UploadLayerPart", (*Handler).abortUpload, nil},
	{blobPath, http.MethodHead, "ecr:BatchCheckLayerAvailability", (*Handler).blob, (*Handler).mirrorBlob},
	{blobPath, http.MethodGet, "ecr:GetDownloadUrlForLayer", (*Handler).blob, (*Handler).mirrorBlob},
	{manifestPath, http.MethodHead, "ecr:BatchGetImage", (*Handler).manifest, (*Handler).mirrorManifest},
	{manifestPath, http.MethodGet, "ecr:BatchGetImage", (*Handler).manifest, (*Handler).mirrorManifest},
	{manifestPath, http.MethodPut, "ecr:PutImage", (*Handler).putManifest, nil},
	{tagsPath, http.MethodGet, "ecr:ListImages", (*Handler).tags, nil},
	{referrersPath, http.MethodGet, "ecr:BatchGetImage", (*Handler).referrers, nil},
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	err := h.serve(w, r)
	if err == nil {
		return
	}
	no, ok := errors.AsType[*refusal](err)
	if !ok {
		if r.Context().Err() == nil {
			h.Log.Error("registry", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		no = &refusal{http.StatusInternalServerError, "UNKNOWN", "the server failed; its log says why"}
		if errors.Is(err, syscall.ENOSPC) {
			no = &refusal{http.StatusServiceUnavailable, "UNAVAILABLE", "the disk of the server is full: make room where penstock doctor says, then push again"}
		}
	}
	no.write(w, r)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Path == "/v2" || r.URL.Path == "/v2/" {
		return h.base(w, r)
	}
	matched := false
	for _, v := range verbs {
		m := v.path.FindStringSubmatch(r.URL.Path)
		if m == nil || (v.path == blobPath && m[2] == "uploads") {
			continue
		}
		matched = true
		if v.method != r.Method {
			continue
		}
		c := &call{Request: r, w: w, target: find(r.Host, m[1]), name: m[1]}
		if len(m) > 2 {
			c.ref = m[2]
		}
		return h.admit(c, v)
	}
	if matched {
		return &refusal{http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported."}
	}
	return &refusal{http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry"}
}
