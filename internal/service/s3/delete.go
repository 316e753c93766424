package s3

import (
	"context"
	"errors"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) deleteObject(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteObjectInput) (*api.DeleteObjectOutput, error) {
	d, err := s.drop(ctx, tx, c, in.Bucket, in.ExpectedBucketOwner, op.Val(in.Key), in.VersionId)
	if err != nil {
		return nil, err
	}
	return &api.DeleteObjectOutput{DeleteMarker: d.marker, VersionId: d.version}, nil
}

func (s *Service) deleteObjects(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteObjectsInput) (*api.DeleteObjectsOutput, error) {
	if in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > 1000 {
		return nil, &op.Error{Code: "MalformedXML", Message: "The XML you provided was not well-formed or did not validate against our published schema"}
	}
	out := &api.DeleteObjectsOutput{}
	for _, o := range in.Delete.Objects {
		d, err := s.drop(ctx, tx, c, in.Bucket, in.ExpectedBucketOwner, op.Val(o.Key), o.VersionId)
		if refused, ok := errors.AsType[*op.Error](err); ok && refused.Code != "NoSuchBucket" {
			out.Errors = append(out.Errors, api.Error{Key: o.Key, VersionId: o.VersionId, Code: &refused.Code, Message: &refused.Message})
			continue
		}
		if err != nil {
			return nil, err
		}
		if op.Val(in.Delete.Quiet) {
			continue
		}
		deleted := api.DeletedObject{Key: o.Key, VersionId: o.VersionId, DeleteMarker: d.marker}
		if d.marker != nil {
			deleted.DeleteMarkerVersionId = d.version
		}
		out.Deleted = append(out.Deleted, deleted)
	}
	return out, nil
}

// dropped is what a deletion did: made or removed a marker, of which version.
type dropped struct {
	marker  *bool
	version *string
}

// drop removes a version for good, or hides the key behind a delete marker.
func (s *Service) drop(ctx context.Context, tx store.Tx, c op.Caller, bucket, owner *string, key string, version *string) (dropped, error) {
	b, err := s.bucket(ctx, tx, bucket, owner)
	if err != nil {
		return dropped{}, err
	}
	if version != nil {
		v, err := s.remove(ctx, tx, b.Key, key, *version)
		if err != nil || v.ID == "" {
			return dropped{version: version}, err
		}
		d := dropped{version: version}
		if v.Marker {
			d.marker = new(true)
		}
		return d, s.tell(ctx, tx, c, b, fact{"Object Deleted", "DeleteObject", key, v})
	}
	if b.Value.Versioning == "" {
		v, err := s.remove(ctx, tx, b.Key, key, "null")
		if err != nil || v.ID == "" {
			return dropped{}, err
		}
		return dropped{}, s.tell(ctx, tx, c, b, fact{"Object Deleted", "DeleteObject", key, v})
	}
	marker := Version{ID: "null", Marker: true, Modified: s.Clock.Now()}
	if b.Value.Versioning == api.BucketVersioningStatusEnabled {
		marker.ID = ids.Lower(32, "")
	}
	if err := s.add(ctx, tx, b.Key, key, marker); err != nil {
		return dropped{}, err
	}
	return dropped{new(true), &marker.ID}, s.tell(ctx, tx, c, b, fact{"Object Deleted", "DeleteObject", key, marker})
}
