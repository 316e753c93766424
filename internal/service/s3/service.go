package s3

import (
	"context"
	"errors"
	"log/slog"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Blobs is the store of bytes, with the rows that say who needs them.
type Blobs interface {
	blob.Store
	blob.Holds
}

// Deps are the abilities a Service borrows.
type Deps struct {
	DB     store.DB
	Blobs  Blobs
	Stream eventstream.Stream
	Guard  op.Guard
	Clock  clock.Clock
	Log    *slog.Logger
}

// Service is S3.
type Service struct {
	Deps
	buckets store.Collection[Bucket]
	objects store.Collection[Object]
	uploads store.Collection[Upload]
}

// New makes the service.
func New(d Deps) *Service {
	return &Service{
		Deps:    d,
		buckets: store.Define(store.Schema[Bucket]{Table: "s3_buckets", Number: 1, Index: map[string]func(Bucket) string{"account": func(b Bucket) string { return b.Account }}}),
		objects: store.Define(store.Schema[Object]{Table: "s3_objects", Number: 1}),
		uploads: store.Define(store.Schema[Upload]{Table: "s3_uploads", Number: 1}),
	}
}

// Tables are the service's collections.
func (s *Service) Tables() []store.Table { return []store.Table{s.buckets, s.objects, s.uploads} }

// Bucket names are unique over all accounts, so their rows share one scope; a
// bucket's objects and uploads have a scope of their own, which makes their lists
// walk one bucket.
var global = store.Scope{Account: "aws", Region: "global"}

func within(bucket string) store.Scope { return store.Scope{Account: "s3", Region: bucket} }

// bucket finds a bucket, and checks x-amz-expected-bucket-owner.
func (s *Service) bucket(ctx context.Context, r store.Reader, name, owner *string) (store.Doc[Bucket], error) {
	d, err := s.buckets.Get(ctx, r, global, op.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return d, &op.Error{Code: "NoSuchBucket", Status: 404, Message: "The specified bucket does not exist", Fields: map[string]string{"BucketName": op.Val(name)}}
	}
	if err == nil && owner != nil && *owner != d.Value.Account {
		return d, &op.Error{Code: "AccessDenied", Status: 403, Message: "Access Denied"}
	}
	return d, err
}

// Policy is the resource policy of a bucket or of an object's bucket, for the dispatcher.
func (s *Service) Policy(ctx context.Context, r store.Reader, resource string) (string, error) {
	name := bucketOf(resource)
	d, err := s.buckets.Get(ctx, r, global, name)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return d.Value.Policy, err
}
