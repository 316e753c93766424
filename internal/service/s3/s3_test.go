package s3_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/s3"
)

type bench struct {
	*dispatchtest.Dispatcher
	deps s3.Deps
}

func setup(t *testing.T) bench {
	t.Helper()
	deps := s3.Deps{Stream: eventstream.New(clock.System{}), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)}
	b := bench{Dispatcher: dispatchtest.New(t, s3.New(deps).Tables())}
	disk, err := blob.OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deps.DB, deps.Guard, deps.Blobs = b.DB, b.Dispatcher, blob.NewKeeper(disk, b.DB, clock.System{})
	b.deps = deps
	b.Add(t, s3.New(deps).Handlers()...)
	if _, err := op.Call(t.Context(), b, b.Root(), api.CreateBucket, &api.CreateBucketInput{Bucket: new("bucket")}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b bench) put(t *testing.T, key, body string) *api.PutObjectOutput {
	t.Helper()
	out, _, err := op.CallStream(t.Context(), b, b.Root(), api.PutObject, &api.PutObjectInput{Bucket: new("bucket"), Key: &key}, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (b bench) get(t *testing.T, in api.GetObjectInput) (string, error) {
	t.Helper()
	in.Bucket = new("bucket")
	_, body, err := op.CallStream(t.Context(), b, b.Root(), api.GetObject, &in, nil)
	if err != nil {
		return "", err
	}
	raw, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(raw), nil
}

func (b bench) version(t *testing.T, status string) {
	t.Helper()
	_, err := op.Call(t.Context(), b, b.Root(), api.PutBucketVersioning, &api.PutBucketVersioningInput{Bucket: new("bucket"), VersioningConfiguration: &api.VersioningConfiguration{Status: &status}})
	if err != nil {
		t.Fatal(err)
	}
}

func code(err error) string {
	if e, ok := errors.AsType[*op.Error](err); ok {
		return e.Code
	}
	return ""
}

func TestObjectIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	out := b.put(t, "a//b ü", "hello")
	if *out.ETag != `"5d41402abc4b2a76b9719d911017c592"` || out.VersionId != nil {
		t.Errorf("PutObject = %+v", out)
	}
	if got, err := b.get(t, api.GetObjectInput{Key: new("a//b ü")}); err != nil || got != "hello" {
		t.Errorf("GetObject = %q, %v", got, err)
	}
	if _, err := b.get(t, api.GetObjectInput{Key: new("a/b ü")}); code(err) != "NoSuchKey" {
		t.Errorf("another key: %v", err)
	}
	for want, in := range map[string]api.GetObjectInput{
		"ell": {Range: new("bytes=1-3")}, "lo": {Range: new("bytes=-2")}, "llo": {Range: new("bytes=2-99")}, "hello": {Range: new("lines=1")},
		"InvalidRange": {Range: new("bytes=5-")}, "NotModified": {IfNoneMatch: out.ETag}, "PreconditionFailed": {IfMatch: new("x")},
	} {
		in.Key = new("a//b ü")
		if got, err := b.get(t, in); got+code(err) != want {
			t.Errorf("%s: %q, %v", want, got, err)
		}
	}
}

func TestVersionsAndMarkers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(t, "k", "null version")
	b.version(t, "Enabled")
	second := b.put(t, "k", "second")
	del, err := op.Call(t.Context(), b, b.Root(), api.DeleteObject, &api.DeleteObjectInput{Bucket: new("bucket"), Key: new("k")})
	if err != nil || !op.Val(del.DeleteMarker) {
		t.Fatalf("DeleteObject = %+v, %v", del, err)
	}
	if _, err := b.get(t, api.GetObjectInput{Key: new("k")}); code(err) != "NoSuchKey" {
		t.Errorf("a marked key: %v", err)
	}
	if _, err := b.get(t, api.GetObjectInput{Key: new("k"), VersionId: del.VersionId}); code(err) != "MethodNotAllowed" {
		t.Errorf("the marker itself: %v", err)
	}
	if got, err := b.get(t, api.GetObjectInput{Key: new("k"), VersionId: second.VersionId}); err != nil || got != "second" {
		t.Errorf("the second version: %q, %v", got, err)
	}
	if _, err := op.Call(t.Context(), b, b.Root(), api.DeleteObject, &api.DeleteObjectInput{Bucket: new("bucket"), Key: new("k"), VersionId: del.VersionId}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.get(t, api.GetObjectInput{Key: new("k")}); err != nil || got != "second" {
		t.Errorf("without the marker: %q, %v", got, err)
	}
	if got, err := b.get(t, api.GetObjectInput{Key: new("k"), VersionId: new("null")}); err != nil || got != "null version" {
		t.Errorf("the null version: %q, %v", got, err)
	}
	if _, err := op.Call(t.Context(), b, b.Root(), api.DeleteBucket, &api.DeleteBucketInput{Bucket: new("bucket")}); code(err) != "BucketNotEmpty" {
		t.Errorf("DeleteBucket: %v", err)
	}
}

func TestListsPageByKeyAndPrefix(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, key := range []string{"a", "b/1", "b/2", "c/1", "d"} {
		b.put(t, key, key)
	}
	var got []string
	var token *string
	for {
		out, err := op.Call(t.Context(), b, b.Root(), api.ListObjectsV2, &api.ListObjectsV2Input{Bucket: new("bucket"), Delimiter: new("/"), MaxKeys: new(int32(2)), ContinuationToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out.Contents {
			got = append(got, *o.Key)
		}
		for _, p := range out.CommonPrefixes {
			got = append(got, *p.Prefix)
		}
		if token = out.NextContinuationToken; token == nil {
			break
		}
	}
	if want := []string{"a", "b/", "d", "c/"}; !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
}

func TestMultipartUploadIsTheConcatenation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made, err := op.Call(t.Context(), b, b.Root(), api.CreateMultipartUpload, &api.CreateMultipartUploadInput{Bucket: new("bucket"), Key: new("big")})
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.Repeat([]byte("x"), 5<<20)
	complete := &api.CompleteMultipartUploadInput{Bucket: new("bucket"), Key: new("big"), UploadId: made.UploadId, MultipartUpload: &api.CompletedMultipartUpload{}}
	for i, body := range [][]byte{first, []byte("end")} {
		number := int32(i + 1)
		out, _, err := op.CallStream(t.Context(), b, b.Root(), api.UploadPart, &api.UploadPartInput{Bucket: new("bucket"), Key: new("big"), UploadId: made.UploadId, PartNumber: &number}, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		complete.MultipartUpload.Parts = append(complete.MultipartUpload.Parts, api.CompletedPart{PartNumber: &number, ETag: out.ETag})
	}
	slices.Reverse(complete.MultipartUpload.Parts)
	if _, _, err := op.CallStream(t.Context(), b, b.Root(), api.CompleteMultipartUpload, complete, nil); code(err) != "InvalidPartOrder" {
		t.Errorf("wrong order: %v", err)
	}
	slices.Reverse(complete.MultipartUpload.Parts)
	out, _, err := op.CallStream(t.Context(), b, b.Root(), api.CompleteMultipartUpload, complete, nil)
	if err != nil || !strings.HasSuffix(*out.ETag, `-2"`) {
		t.Fatalf("CompleteMultipartUpload = %+v, %v", out, err)
	}
	if got, err := b.get(t, api.GetObjectInput{Key: new("big")}); err != nil || got != string(first)+"end" {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if got, err := b.get(t, api.GetObjectInput{Key: new("big"), Range: new("bytes=5242879-5242881")}); err != nil || got != "xen" {
		t.Errorf("a range over both parts: %q, %v", got, err)
	}
	if _, _, err := op.CallStream(t.Context(), b, b.Root(), api.CompleteMultipartUpload, complete, nil); code(err) != "NoSuchUpload" {
		t.Errorf("completed twice: %v", err)
	}
}

func TestCopyNeedsTheSource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(t, "from", "bytes")
	if _, _, err := op.CallStream(t.Context(), b, b.Root(), api.CopyObject, &api.CopyObjectInput{Bucket: new("bucket"), Key: new("to"), CopySource: new("bucket/from")}, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := b.get(t, api.GetObjectInput{Key: new("to")}); err != nil || got != "bytes" {
		t.Errorf("the copy: %q, %v", got, err)
	}
	if _, _, err := op.CallStream(t.Context(), b, b.Root(), api.CopyObject, &api.CopyObjectInput{Bucket: new("bucket"), Key: new("from"), CopySource: new("/bucket/from")}, nil); code(err) != "InvalidRequest" {
		t.Errorf("a copy onto itself: %v", err)
	}
}

func FuzzListing(f *testing.F) {
	f.Add("bytes=0-1", "b/k?versionId=1", "a=b&c")
	f.Fuzz(func(t *testing.T, header, source, tags string) { s3.Parse(header, source, tags) })
}

func TestAccessControlListsThatGiveToOthersAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, in := range map[string]api.PutObjectInput{
		"":                               {ACL: new("bucket-owner-full-control")},
		"AccessControlListNotSupported":  {ACL: new("public-read")},
		"AccessControlListNotSupported ": {GrantRead: new(`uri="http://acs.amazonaws.com/groups/global/AllUsers"`)},
	} {
		in.Bucket, in.Key = new("bucket"), new("k")
		_, _, err := op.CallStream(t.Context(), b, b.Root(), api.PutObject, &in, strings.NewReader("x"))
		if code(err) != strings.TrimSpace(name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
	upload := &api.CreateMultipartUploadInput{Bucket: new("bucket"), Key: new("k"), ACL: new("public-read-write")}
	if _, err := op.Call(t.Context(), b, b.Root(), api.CreateMultipartUpload, upload); code(err) != "AccessControlListNotSupported" {
		t.Errorf("a multipart upload: %v", err)
	}
}
