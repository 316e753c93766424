package s3_test

import (
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/s3"
)

// enforced is the bench's buckets behind IAM's real policies.
func enforced(t *testing.T, b bench) *dispatchtest.Enforced {
	t.Helper()
	e := dispatchtest.Enforce(t, b.DB)
	deps := b.deps
	deps.Guard = e
	e.Serve(t, s3.New(deps))
	return e
}

func TestConditionKeysOfRequestsDecide(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(t, "from", "text")
	e := enforced(t, b)
	bucket, prefix, slash := new("bucket"), new("home/"), new("/")
	sse := new(api.ServerSideEncryptionAes256)
	begun, err := op.Call(t.Context(), b, b.Root(), api.CreateMultipartUpload, &api.CreateMultipartUploadInput{Bucket: bucket, Key: new("large"), ServerSideEncryption: sse, ACL: new("private")})
	if err != nil {
		t.Fatal(err)
	}
	part := &api.UploadPartInput{Bucket: bucket, Key: new("large"), UploadId: begun.UploadId, PartNumber: new(int32(1))}
	put := &api.PutObjectInput{Bucket: bucket, Key: new("k"), ACL: new("private"), ServerSideEncryption: sse, StorageClass: new("STANDARD")}
	for _, tc := range []struct {
		key, value string
		call       func(op.Caller) error
	}{
		{"s3:prefix", "home/", dispatchtest.Asking(t, e, api.ListObjectsV2, &api.ListObjectsV2Input{Bucket: bucket, Prefix: prefix})},
		{"s3:prefix", "", dispatchtest.Asking(t, e, api.ListObjectsV2, &api.ListObjectsV2Input{Bucket: bucket, Prefix: new("")})},
		{"s3:prefix", "home/", dispatchtest.Asking(t, e, api.ListObjects, &api.ListObjectsInput{Bucket: bucket, Prefix: prefix})},
		{"s3:prefix", "home/", dispatchtest.Asking(t, e, api.ListObjectVersions, &api.ListObjectVersionsInput{Bucket: bucket, Prefix: prefix})},
		{"s3:prefix", "home/", dispatchtest.Asking(t, e, api.ListMultipartUploads, &api.ListMultipartUploadsInput{Bucket: bucket, Prefix: prefix})},
		{"s3:delimiter", "/", dispatchtest.Asking(t, e, api.ListObjectsV2, &api.ListObjectsV2Input{Bucket: bucket, Delimiter: slash})},
		{"s3:max-keys", "7", dispatchtest.Asking(t, e, api.ListObjectsV2, &api.ListObjectsV2Input{Bucket: bucket, MaxKeys: new(int32(7))})},
		{"s3:x-amz-acl", "private", dispatchtest.Asking(t, e, api.PutObject, put)},
		{"s3:x-amz-server-side-encryption", "AES256", dispatchtest.Asking(t, e, api.PutObject, put)},
		{"s3:x-amz-storage-class", "STANDARD", dispatchtest.Asking(t, e, api.PutObject, put)},
		{"s3:x-amz-server-side-encryption", "AES256", dispatchtest.Asking(t, e, api.UploadPart, part)},
		{"s3:x-amz-acl", "private", dispatchtest.Asking(t, e, api.UploadPart, part)},
		{"aws:ResourceAccount", dispatchtest.Account, dispatchtest.Asking(t, e, api.PutObject, put)},
		{"s3:ResourceAccount", dispatchtest.Account, dispatchtest.Asking(t, e, api.HeadBucket, &api.HeadBucketInput{Bucket: bucket})},
	} {
		e.Decides(t, tc.key, tc.value, tc.call)
	}
	onlyFrom := e.May(t, `{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"s3:PutObject","Resource":"*","Condition":{"StringNotLike":{"s3:x-amz-copy-source":"bucket/fr*"}}}`)
	if err := dispatchtest.Asking(t, e, api.CopyObject, &api.CopyObjectInput{Bucket: bucket, Key: new("to"), CopySource: new("/bucket/from")})(onlyFrom); err != nil {
		t.Errorf("a copy from where it may: %v", err)
	}
	if err := dispatchtest.Asking(t, e, api.CopyObject, &api.CopyObjectInput{Bucket: bucket, Key: new("to"), CopySource: new("bucket/k")})(onlyFrom); !dispatchtest.IsDenied(err) {
		t.Errorf("a copy from elsewhere: got %v, want it to be denied", err)
	}
}

// Tags decide who may read: who may only put objects does not say which they have.
func TestTagsOnAWriteNeedTheirOwnPermission(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bucket, tags := new("bucket"), new("class=open")
	if _, _, err := op.CallStream(t.Context(), b, b.Root(), api.PutObject, &api.PutObjectInput{Bucket: bucket, Key: new("tagged"), Tagging: tags}, strings.NewReader("text")); err != nil {
		t.Fatal(err)
	}
	e := enforced(t, b)
	for name, ask := range map[string]func(op.Caller) error{
		"PutObject":             dispatchtest.Asking(t, e, api.PutObject, &api.PutObjectInput{Bucket: bucket, Key: new("a"), Tagging: tags}),
		"CreateMultipartUpload": dispatchtest.Asking(t, e, api.CreateMultipartUpload, &api.CreateMultipartUploadInput{Bucket: bucket, Key: new("b"), Tagging: tags}),
		"CopyObject, replacing": dispatchtest.Asking(t, e, api.CopyObject, &api.CopyObjectInput{Bucket: bucket, Key: new("c"), CopySource: new("bucket/tagged"), TaggingDirective: new("REPLACE"), Tagging: tags}),
		"CopyObject, keeping":   dispatchtest.Asking(t, e, api.CopyObject, &api.CopyObjectInput{Bucket: bucket, Key: new("d"), CopySource: new("bucket/tagged")}),
	} {
		if err := ask(e.May(t, `{"Effect":"Allow","Action":["s3:PutObject","s3:GetObject"],"Resource":"*"}`)); !dispatchtest.IsDenied(err) {
			t.Errorf("%s without s3:PutObjectTagging: %v, want it to be denied", name, err)
		}
		if err := ask(e.May(t, `{"Effect":"Allow","Action":["s3:PutObject","s3:GetObject","s3:PutObjectTagging"],"Resource":"*"}`)); dispatchtest.IsDenied(err) {
			t.Errorf("%s with s3:PutObjectTagging: %v", name, err)
		}
	}
}

func TestTagsOfAnObjectDecideOverEveryWayToReadIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bucket, key := new("bucket"), new("plan")
	put := func(tags string) *string {
		out, _, err := op.CallStream(t.Context(), b, b.Root(), api.PutObject, &api.PutObjectInput{Bucket: bucket, Key: key, Tagging: &tags}, strings.NewReader("text"))
		if err != nil {
			t.Fatal(err)
		}
		return out.VersionId
	}
	if _, err := op.Call(t.Context(), b, b.Root(), api.PutBucketVersioning, &api.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &api.VersioningConfiguration{Status: new("Enabled")}}); err != nil {
		t.Fatal(err)
	}
	secret, open := put("class=secret"), put("class=open")
	e := enforced(t, b)
	e.Decides(t, "s3:ExistingObjectTag/class", "open", dispatchtest.Asking(t, e, api.GetObject, &api.GetObjectInput{Bucket: bucket, Key: key}))
	e.Decides(t, "s3:ExistingObjectTag/class", "secret", dispatchtest.Asking(t, e, api.GetObject, &api.GetObjectInput{Bucket: bucket, Key: key, VersionId: secret}))
	e.Decides(t, "s3:ExistingObjectTag/class", "open", dispatchtest.Asking(t, e, api.HeadObject, &api.HeadObjectInput{Bucket: bucket, Key: key, VersionId: open}))
	e.Decides(t, "s3:ExistingObjectTag/class", "secret", dispatchtest.Asking(t, e, api.GetObjectTagging, &api.GetObjectTaggingInput{Bucket: bucket, Key: key, VersionId: secret}))

	spy := e.May(t, dispatchtest.All, `{"Effect":"Deny","Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":"*","Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"secret"}}}`)
	copied := &api.CopyObjectInput{Bucket: bucket, Key: new("copy"), CopySource: new("bucket/plan?versionId=" + *secret)}
	if err := dispatchtest.Asking(t, e, api.CopyObject, copied)(spy); !dispatchtest.IsDenied(err) {
		t.Errorf("a copy of a secret: got %v, want it to be denied", err)
	}
	copied.CopySource = new("bucket/plan")
	if err := dispatchtest.Asking(t, e, api.CopyObject, copied)(spy); err != nil {
		t.Errorf("a copy of what is open: %v", err)
	}
}
