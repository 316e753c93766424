package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"slices"

	"github.com/penstock-ci/penstock/internal/blob"
)

// Media types of the manifests that are kept.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	ociIndex       = "application/vnd.oci.image.index.v1+json"
)

// maxManifest is AWS's limit of a manifest's size.
const maxManifest = 4 << 20

type manifest struct{ Body []byte }

type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       blob.Digest       `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// document is any of the four kinds of manifest.
type document struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        *descriptor       `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Manifests     []descriptor      `json:"manifests"`
	Subject       *descriptor       `json:"subject"`
	Annotations   map[string]string `json:"annotations"`
}

// ManifestError says why bytes are no manifest that the registry takes.
type ManifestError struct{ Reason string }

func (e *ManifestError) Error() string { return e.Reason }

func malformed(format string, args ...any) error {
	return &ManifestError{fmt.Sprintf(format, args...)}
}

// parse reads a manifest. mediaType "" is what the body says.
func parse(body []byte, mediaType string) (Image, error) {
	var d document
	if len(body) > maxManifest {
		return Image{}, malformed("the manifest has %d bytes, at most %d are accepted", len(body), maxManifest)
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return Image{}, malformed("the manifest is not JSON: %v", err)
	}
	if t, _, err := mime.ParseMediaType(mediaType); err == nil {
		mediaType = t
	}
	if mediaType == "" || mediaType == "application/json" {
		mediaType = d.kind()
	}
	if d.MediaType != "" && d.MediaType != mediaType {
		return Image{}, malformed("the manifest says that it is %s, and was sent as %s", d.MediaType, mediaType)
	}
	sum := sha256.Sum256(body)
	i := Image{Digest: blob.Digest("sha256:" + hex.EncodeToString(sum[:])), MediaType: mediaType, ArtifactType: d.ArtifactType}
	if d.SchemaVersion != 2 {
		return Image{}, malformed("schema version %d of manifests is not supported: 2 is", d.SchemaVersion)
	}
	if d.Subject != nil {
		i.Subject = d.Subject.Digest
	}
	switch mediaType {
	case dockerManifest, ociManifest:
		return i, i.fill(d)
	case dockerList, ociIndex:
		for _, m := range d.Manifests {
			i.Children = append(i.Children, m.Digest)
		}
	default:
		return Image{}, malformed("manifests of the type %q are not supported", mediaType)
	}
	return i, check(i.Children)
}

// kind of a document whose type nobody said.
func (d document) kind() string {
	switch {
	case d.MediaType != "":
		return d.MediaType
	case d.Manifests != nil:
		return ociIndex
	case d.Config != nil && d.Config.MediaType == "application/vnd.docker.container.image.v1+json":
		return dockerManifest
	}
	return ociManifest
}

// fill takes the bytes that an image of one platform needs.
func (i *Image) fill(d document) error {
	if d.Config == nil {
		return malformed("the manifest has no config")
	}
	if i.ArtifactType == "" && d.Config.MediaType != "application/vnd.oci.image.config.v1+json" {
		i.ArtifactType = d.Config.MediaType
	}
	for _, l := range append([]descriptor{*d.Config}, d.Layers...) {
		if len(l.URLs) > 0 { // foreign layers stay where their owner keeps them
			continue
		}
		i.Size += l.Size
		if !slices.Contains(i.Blobs, l.Digest) {
			i.Blobs = append(i.Blobs, l.Digest)
		}
	}
	return check(i.Blobs)
}

func check(all []blob.Digest) error {
	for _, d := range all {
		if !d.Valid() {
			return malformed("the manifest names %q, which is no sha256 digest", d)
		}
	}
	return nil
}
