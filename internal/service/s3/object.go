package s3

import (
	"context"
	"errors"
	"time"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Object is a row: all versions of one key, newest first.
type Object struct{ Versions []Version }

// Version is one version of an object, or a delete marker.
type Version struct {
	ID           string // "null" in a bucket without versioning
	Marker       bool
	Modified     time.Time
	Size         int64
	ETag         string // quoted
	Pieces       []Piece
	Headers      Headers
	Metadata     map[string]string `json:",omitzero"`
	Tags         []api.Tag         `json:",omitzero"`
	Checksums    map[string]string `json:",omitzero"` // "CRC32" → base64
	ChecksumType string            `json:",omitzero"`
	Parts        int               `json:",omitzero"` // of a multipart upload
}

// Piece is a run of a version's bytes.
type Piece struct {
	Digest blob.Digest
	Size   int64
}

// Headers are given back as they were sent.
type Headers struct {
	ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, Expires string `json:",omitzero"`
	StorageClass, Redirect, Encryption, KMSKey                                               string `json:",omitzero"`
}

// holder names a version as the owner of its bytes.
func holder(bucket, key, version string) string { return "s3/" + bucket + "/" + key + "#" + version }

// hold names the pieces of v as needed.
func (s *Service) hold(ctx context.Context, tx store.Tx, bucket, key string, v Version) error {
	for _, p := range v.Pieces {
		if err := s.Blobs.Hold(ctx, tx, p.Digest, holder(bucket, key, v.ID)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) release(ctx context.Context, tx store.Tx, bucket, key string, v Version) error {
	for _, p := range v.Pieces {
		err := s.Blobs.Release(ctx, tx, p.Digest, holder(bucket, key, v.ID))
		if err != nil && !errors.Is(err, store.ErrNotFound) { // two equal pieces have one hold
			return err
		}
	}
	return nil
}

// find is the version that a reader asked for.
func (s *Service) find(ctx context.Context, r store.Reader, bucket, key string, version *string) (Version, error) {
	d, err := s.objects.Get(ctx, r, within(bucket), key)
	if errors.Is(err, store.ErrNotFound) {
		return Version{}, noSuchKey(key)
	}
	if err != nil {
		return Version{}, err
	}
	if version == nil {
		if d.Value.Versions[0].Marker {
			e := noSuchKey(key)
			return d.Value.Versions[0], e
		}
		return d.Value.Versions[0], nil
	}
	for _, v := range d.Value.Versions {
		if v.ID != *version {
			continue
		}
		if v.Marker {
			return v, &op.Error{Code: "MethodNotAllowed", Status: 405, Message: "The specified method is not allowed against this resource.", Fields: map[string]string{"Method": "GET", "ResourceType": "DeleteMarker"}}
		}
		return v, nil
	}
	return Version{}, &op.Error{Code: "NoSuchVersion", Status: 404, Message: "The specified version does not exist.", Fields: map[string]string{"Key": key, "VersionId": *version}}
}

func noSuchKey(key string) *op.Error {
	return &op.Error{Code: "NoSuchKey", Status: 404, Message: "The specified key does not exist.", Fields: map[string]string{"Key": key}}
}

// add puts v in front of the key's versions, in place of the null version where
// the bucket keeps no others.
func (s *Service) add(ctx context.Context, tx store.Tx, bucket, key string, v Version) error {
	d, err := s.objects.Get(ctx, tx, within(bucket), key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	kept := []Version{v}
	for _, old := range d.Value.Versions {
		if v.ID == "null" && old.ID == "null" {
			if err := s.release(ctx, tx, bucket, key, old); err != nil {
				return err
			}
			continue
		}
		kept = append(kept, old)
	}
	if err := s.hold(ctx, tx, bucket, key, v); err != nil {
		return err
	}
	_, err = s.objects.Put(ctx, tx, within(bucket), key, Object{kept}, d.Version)
	return err
}

// remove takes one version away, for good.
func (s *Service) remove(ctx context.Context, tx store.Tx, bucket, key, version string) (removed Version, err error) {
	d, err := s.objects.Get(ctx, tx, within(bucket), key)
	if errors.Is(err, store.ErrNotFound) {
		return Version{}, nil
	}
	if err != nil {
		return Version{}, err
	}
	var kept []Version
	for _, v := range d.Value.Versions {
		if v.ID != version {
			kept = append(kept, v)
			continue
		}
		removed = v
		if err := s.release(ctx, tx, bucket, key, v); err != nil {
			return v, err
		}
	}
	if len(kept) == 0 {
		return removed, s.objects.Delete(ctx, tx, within(bucket), key, d.Version)
	}
	_, err = s.objects.Put(ctx, tx, within(bucket), key, Object{kept}, d.Version)
	return removed, err
}
