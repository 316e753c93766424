package s3

import (
	"context"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the account that owns a bucket: S3's ARNs do not
// name it.
func (s *Service) Described() []op.Described {
	return []op.Described{{Names: []string{"aws:ResourceAccount", "s3:ResourceAccount"}, Read: func(ctx context.Context, r store.Reader, a arn.ARN) (map[string][]string, error) {
		d, err := s.buckets.Get(ctx, r, global, bucketOf(a.String()))
		owner := []string{d.Value.Account}
		return map[string][]string{"aws:ResourceAccount": owner, "s3:ResourceAccount": owner}, err
	}}}
}

const existingTag = "s3:ExistingObjectTag/"

// tagKeys let policies ask for the tags of the version that an operation names.
func tagKeys[I any](s *Service, of func(*I) (bucket, key, version *string)) op.Lookup {
	return op.LookupOf(func(ctx context.Context, r store.Reader, _ op.Caller, in *I) (map[string][]string, error) {
		bucket, key, version := of(in)
		tags, err := s.tagsOf(ctx, r, bucket, key, version)
		return op.ResourceTags(tags, existingTag), err
	}, existingTag)
}

// tagsOf are the tags of a version, store.ErrNotFound where there is none.
func (s *Service) tagsOf(ctx context.Context, r store.Reader, bucket, key, version *string) (map[string]string, error) {
	d, err := s.objects.Get(ctx, r, within(op.Val(bucket)), op.Val(key))
	if err != nil {
		return nil, err
	}
	for _, v := range d.Value.Versions { // newest first
		if version != nil && v.ID != *version {
			continue
		}
		tags := make(map[string]string, len(v.Tags))
		for _, t := range v.Tags {
			tags[op.Val(t.Key)] = op.Val(t.Value)
		}
		return tags, nil
	}
	return nil, store.ErrNotFound
}

// uploadKeys let policies ask what a multipart upload was begun with, on each of its
// parts and its end: those are s3:PutObject, too, and do not say it again.
func uploadKeys[I any](s *Service, of func(*I) (bucket, id *string)) op.Lookup {
	return op.LookupOf(func(ctx context.Context, r store.Reader, _ op.Caller, in *I) (map[string][]string, error) {
		bucket, id := of(in)
		d, err := s.uploads.Get(ctx, r, within(op.Val(bucket)), op.Val(id))
		keys := map[string][]string{}
		for name, v := range map[string]string{
			keyACL: d.Value.ACL, keyEncryption: d.Value.Headers.Encryption, keyKMS: d.Value.Headers.KMSKey, keyClass: d.Value.Headers.StorageClass,
		} {
			if v != "" {
				keys[name] = []string{v}
			}
		}
		return keys, err
	}, keyACL, keyEncryption, keyKMS, keyClass)
}
