package s3

import (
	"context"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) getObjectTagging(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetObjectTaggingInput) (*api.GetObjectTaggingOutput, error) {
	if _, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner); err != nil {
		return nil, err
	}
	v, err := s.find(ctx, r, op.Val(in.Bucket), op.Val(in.Key), in.VersionId)
	if v.Tags == nil {
		v.Tags = []api.Tag{}
	}
	return &api.GetObjectTaggingOutput{TagSet: v.Tags}, err
}

func (s *Service) putObjectTagging(ctx context.Context, tx store.Tx, _ op.Caller, in *api.PutObjectTaggingInput) (*api.PutObjectTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, malformed()
	}
	if len(in.Tagging.TagSet) > 10 {
		return nil, &op.Error{Code: "BadRequest", Message: "Object tags cannot be greater than 10"}
	}
	return &api.PutObjectTaggingOutput{}, s.retag(ctx, tx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.VersionId, in.Tagging.TagSet)
}

func (s *Service) deleteObjectTagging(ctx context.Context, tx store.Tx, _ op.Caller, in *api.DeleteObjectTaggingInput) (*api.DeleteObjectTaggingOutput, error) {
	return &api.DeleteObjectTaggingOutput{}, s.retag(ctx, tx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.VersionId, nil)
}

func (s *Service) retag(ctx context.Context, tx store.Tx, bucket, owner, key, version *string, tags []api.Tag) error {
	b, err := s.bucket(ctx, tx, bucket, owner)
	if err != nil {
		return err
	}
	v, err := s.find(ctx, tx, b.Key, op.Val(key), version)
	if err != nil {
		return err
	}
	d, err := s.objects.Get(ctx, tx, within(b.Key), op.Val(key))
	if err != nil {
		return err
	}
	for i := range d.Value.Versions {
		if d.Value.Versions[i].ID == v.ID {
			d.Value.Versions[i].Tags = tags
		}
	}
	_, err = s.objects.Put(ctx, tx, within(b.Key), d.Key, d.Value, d.Version)
	return err
}

// mayTag asks for the permission that a write with tags needs beside its own.
func (s *Service) mayTag(ctx context.Context, r store.Reader, c op.Caller, bucket, key *string, tags []api.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	return s.Guard.Allow(ctx, r, c, "s3:PutObjectTagging", objectARN(bucket, key)[0], nil)
}
