package s3

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strings"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// source reads x-amz-copy-source: [/]bucket/key[?versionId=…], percent-encoded.
func source(header *string) (bucket, key string, version *string, err error) {
	path, query, _ := strings.Cut(strings.TrimPrefix(op.Val(header), "/"), "?versionId=")
	if query != "" {
		version = &query
	}
	path, err = url.PathUnescape(path)
	bucket, key, ok := strings.Cut(path, "/")
	if err != nil || !ok || key == "" {
		return "", "", nil, &op.Error{Code: "InvalidArgument", Message: "Copy Source must mention the source bucket and key: sourcebucket/sourcekey", Fields: map[string]string{"ArgumentName": "x-amz-copy-source"}}
	}
	return bucket, key, version, nil
}

// fetch finds the version to copy, which the caller must be allowed to read.
func (s *Service) fetch(ctx context.Context, c op.Caller, header *string, w wanted) (v Version, bucket, key string, err error) {
	bucket, key, version, err := source(header)
	if err != nil {
		return v, "", "", err
	}
	action := "s3:GetObject"
	if version != nil {
		action = "s3:GetObjectVersion"
	}
	if err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		tags, err := s.tagsOf(ctx, r, &bucket, &key, version)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		keys := make(map[string]string, len(tags))
		for k, v := range tags {
			keys[existingTag+k] = v
		}
		return s.Guard.Allow(ctx, r, c, action, objectARN(&bucket, &key)[0], keys)
	}); err != nil {
		return v, "", "", err
	}
	w.bucket, w.key, w.version = &bucket, &key, version
	v, _, err = s.read(ctx, w)
	return v, bucket, key, err
}

func (s *Service) copyObject(ctx context.Context, c op.Caller, in *api.CopyObjectInput, _ io.Reader) (*api.CopyObjectOutput, io.ReadCloser, error) {
	if err := checkACL(in.ACL, in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP); err != nil {
		return nil, nil, err
	}
	v, bucket, key, err := s.fetch(ctx, c, in.CopySource, wanted{
		owner: in.ExpectedSourceBucketOwner, ifMatch: in.CopySourceIfMatch, ifNoneMatch: in.CopySourceIfNoneMatch,
		since: in.CopySourceIfModifiedSince, until: in.CopySourceIfUnmodifiedSince,
	})
	if err != nil {
		return nil, nil, err
	}
	from := v.ID
	replace := op.Val(in.MetadataDirective) == api.MetadataDirectiveReplace
	if bucket == op.Val(in.Bucket) && key == op.Val(in.Key) && !replace && in.StorageClass == nil && in.ServerSideEncryption == nil && in.WebsiteRedirectLocation == nil {
		return nil, nil, api.InvalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if replace {
		v.Metadata = in.Metadata
		v.Headers = Headers{
			ContentType: op.Or(in.ContentType, "binary/octet-stream"), CacheControl: op.Val(in.CacheControl), ContentDisposition: op.Val(in.ContentDisposition),
			ContentEncoding: op.Val(in.ContentEncoding), ContentLanguage: op.Val(in.ContentLanguage), Expires: op.Val(in.Expires),
		}
	}
	if op.Val(in.TaggingDirective) == api.TaggingDirectiveReplace {
		if v.Tags, err = parseTags(in.Tagging); err != nil {
			return nil, nil, err
		}
	}
	if err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		return s.mayTag(ctx, r, c, in.Bucket, in.Key, v.Tags)
	}); err != nil {
		return nil, nil, err
	}
	v.Headers.StorageClass = op.Or(in.StorageClass, v.Headers.StorageClass)
	v.Headers.Redirect = op.Val(in.WebsiteRedirectLocation)
	v.Headers.Encryption, v.Headers.KMSKey = op.Or(in.ServerSideEncryption, api.ServerSideEncryptionAes256), op.Val(in.SSEKMSKeyId)
	versioned, err := s.write(ctx, c, written{op.Val(in.Bucket), op.Val(in.Key), "CopyObject", in.IfMatch, in.IfNoneMatch}, &v, nil)
	if err != nil {
		return nil, nil, err
	}
	result := &api.CopyObjectResult{ETag: &v.ETag, LastModified: op.At(v.Modified), ChecksumType: op.Opt(v.ChecksumType)}
	result.ChecksumCRC32, result.ChecksumCRC32C, result.ChecksumCRC64NVME, result.ChecksumSHA1, result.ChecksumSHA256 = sums(v.Checksums)
	out := &api.CopyObjectOutput{CopyObjectResult: result, VersionId: versioned, ServerSideEncryption: op.Opt(v.Headers.Encryption)}
	if from != "null" {
		out.CopySourceVersionId = &from
	}
	return out, nil, nil
}
