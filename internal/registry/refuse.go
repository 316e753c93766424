package registry

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/penstock-ci/penstock/internal/blob"
)

// refusal is an answer in the protocol's form.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func (r *refusal) write(w http.ResponseWriter, q *http.Request) {
	body, err := json.Marshal(map[string]any{"errors": []map[string]string{{"code": r.code, "message": r.message}}})
	if err != nil {
		panic(err) // strings
	}
	if r.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="https://`+q.Host+`/",service="ecr.amazonaws.com"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(r.status)
	if q.Method != http.MethodHead {
		w.Write(body) // a client that is gone does not read it
	}
}

// refuse gives the records' errors the protocol's form.
func refuse(c *call, err error) error {
	invalid, isInvalid := errors.AsType[*ManifestError](err)
	missing, lacks := errors.AsType[*MissingError](err)
	switch {
	case err == nil:
		return nil
	case isInvalid:
		return &refusal{http.StatusBadRequest, "MANIFEST_INVALID", invalid.Reason}
	case lacks && missing.Manifest:
		return &refusal{http.StatusNotFound, "MANIFEST_UNKNOWN", "Image with digest '" + string(missing.Digest) + "' was not found in the repository"}
	case lacks:
		return &refusal{http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN", "Layer with digest '" + string(missing.Digest) + "' was not found in the repository"}
	case errors.Is(err, ErrTagImmutable):
		return &refusal{http.StatusBadRequest, "TAG_INVALID", "The image tag '" + c.ref + "' already exists in the '" + c.repository + "' repository and cannot be overwritten because the tag is immutable."}
	case errors.Is(err, ErrTag):
		return &refusal{http.StatusBadRequest, "TAG_INVALID", "'" + c.ref + "' is not a tag"}
	case errors.Is(err, blob.ErrDigest), errors.Is(err, blob.ErrMalformed):
		return &refusal{http.StatusBadRequest, "DIGEST_INVALID", err.Error()}
	case errors.Is(err, ErrNoUpload):
		return &refusal{http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "There is no such upload: begin it again"}
	case errors.Is(err, ErrRange):
		return &refusal{http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", err.Error()}
	}
	return err
}
