package s3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Upload is a row: a multipart upload under way. Its key is its id.
type Upload struct {
	Key      string
	Started  time.Time
	ACL      string `json:",omitzero"` // as it was asked for: policies look at it
	Headers  Headers
	Metadata map[string]string `json:",omitzero"`
	Tags     []api.Tag         `json:",omitzero"`
	Parts    map[int32]Part
}

// Part is an uploaded part.
type Part struct {
	Piece     Piece
	MD5       []byte
	Checksums map[string]string
	At        time.Time
}

// minPart is the least size of a part that is not the last.
const minPart = 5 << 20

func (s *Service) createMultipartUpload(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateMultipartUploadInput) (*api.CreateMultipartUploadOutput, error) {
	if err := checkACL(in.ACL, in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP); err != nil {
		return nil, err
	}
	b, err := s.bucket(ctx, tx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	tags, err := parseTags(in.Tagging)
	if err != nil {
		return nil, err
	}
	if err := s.mayTag(ctx, tx, c, in.Bucket, in.Key, tags); err != nil {
		return nil, err
	}
	id := ids.Lower(32, c.Key) + ids.Lower(32, "")
	u := Upload{Key: op.Val(in.Key), Started: s.Clock.Now(), ACL: op.Val(in.ACL), Metadata: in.Metadata, Tags: tags, Parts: map[int32]Part{}, Headers: Headers{
		ContentType: op.Or(in.ContentType, "binary/octet-stream"), CacheControl: op.Val(in.CacheControl), ContentDisposition: op.Val(in.ContentDisposition),
		ContentEncoding: op.Val(in.ContentEncoding), ContentLanguage: op.Val(in.ContentLanguage), Expires: op.Val(in.Expires),
		StorageClass: op.Val(in.StorageClass), Redirect: op.Val(in.WebsiteRedirectLocation),
		Encryption: op.Or(in.ServerSideEncryption, api.ServerSideEncryptionAes256), KMSKey: op.Val(in.SSEKMSKeyId),
	}}
	if _, err := s.uploads.Put(ctx, tx, within(b.Key), id, u, 0); err != nil {
		return nil, err
	}
	return &api.CreateMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key, UploadId: &id, ServerSideEncryption: &u.Headers.Encryption, ChecksumAlgorithm: in.ChecksumAlgorithm, ChecksumType: in.ChecksumType}, nil
}

func (s *Service) upload(ctx context.Context, r store.Reader, bucket, key, id *string) (store.Doc[Upload], error) {
	d, err := s.uploads.Get(ctx, r, within(op.Val(bucket)), op.Val(id))
	if errors.Is(err, store.ErrNotFound) || err == nil && d.Value.Key != op.Val(key) {
		return d, &op.Error{Code: "NoSuchUpload", Status: 404, Message: "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.", Fields: map[string]string{"UploadId": op.Val(id)}}
	}
	return d, err
}

func (s *Service) uploadPart(ctx context.Context, _ op.Caller, in *api.UploadPartInput, body io.Reader) (*api.UploadPartOutput, io.ReadCloser, error) {
	got, err := s.receive(ctx, body, in.ContentMD5)
	if err != nil {
		return nil, nil, err
	}
	part := Part{got.piece, got.md5, got.checksums, s.Clock.Now()}
	if err := s.keep(ctx, in.Bucket, in.Key, in.UploadId, op.Val(in.PartNumber), part); err != nil {
		return nil, nil, err
	}
	out := &api.UploadPartOutput{ETag: new(part.etag()), ServerSideEncryption: new(api.ServerSideEncryptionAes256)}
	out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256 = sums(part.Checksums)
	return out, nil, nil
}

func (s *Service) uploadPartCopy(ctx context.Context, c op.Caller, in *api.UploadPartCopyInput, _ io.Reader) (*api.UploadPartCopyOutput, io.ReadCloser, error) {
	v, _, _, err := s.fetch(ctx, c, in.CopySource, wanted{
		owner: in.ExpectedSourceBucketOwner, ifMatch: in.CopySourceIfMatch, ifNoneMatch: in.CopySourceIfNoneMatch,
		since: in.CopySourceIfModifiedSince, until: in.CopySourceIfUnmodifiedSince,
	})
	if err != nil {
		return nil, nil, err
	}
	from, n, _, err := span(op.Val(in.CopySourceRange), v.Size)
	if err != nil {
		return nil, nil, err
	}
	body := s.body(ctx, v, from, n)
	got, err := s.receive(ctx, body, nil)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, nil, err
	}
	part := Part{got.piece, got.md5, got.checksums, s.Clock.Now()}
	if err := s.keep(ctx, in.Bucket, in.Key, in.UploadId, op.Val(in.PartNumber), part); err != nil {
		return nil, nil, err
	}
	return &api.UploadPartCopyOutput{CopyPartResult: &api.CopyPartResult{ETag: new(part.etag()), LastModified: op.At(part.At)}}, nil, nil
}

func (p Part) etag() string { return `"` + hex.EncodeToString(p.MD5) + `"` }

// keep adds the part to the upload, in place of one of the same number.
func (s *Service) keep(ctx context.Context, bucket, key, id *string, number int32, p Part) error {
	if number < 1 || number > 10000 {
		return &op.Error{Code: "InvalidArgument", Message: "Part number must be an integer between 1 and 10000, inclusive", Fields: map[string]string{"ArgumentName": "partNumber"}}
	}
	return s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := s.upload(ctx, tx, bucket, key, id)
		if err != nil {
			return err
		}
		if old, ok := d.Value.Parts[number]; ok && old.Piece.Digest != p.Piece.Digest {
			if err := s.Blobs.Release(ctx, tx, old.Piece.Digest, partHolder(*bucket, *id, number)); err != nil {
				return err
			}
		}
		if err := s.Blobs.Hold(ctx, tx, p.Piece.Digest, partHolder(*bucket, *id, number)); err != nil {
			return err
		}
		d.Value.Parts[number] = p
		_, err = s.uploads.Put(ctx, tx, within(*bucket), *id, d.Value, d.Version)
		return err
	})
}

func partHolder(bucket, id string, number int32) string {
	return fmt.Sprintf("s3-upload/%s/%s/%d", bucket, id, number)
}

func (s *Service) completeMultipartUpload(ctx context.Context, c op.Caller, in *api.CompleteMultipartUploadInput, _ io.Reader) (*api.CompleteMultipartUploadOutput, io.ReadCloser, error) {
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, nil, &op.Error{Code: "MalformedXML", Message: "The XML you provided was not well-formed or did not validate against our published schema"}
	}
	var u store.Doc[Upload]
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		if _, err = s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return err
		}
		u, err = s.upload(ctx, r, in.Bucket, in.Key, in.UploadId)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	v, err := assemble(u.Value, in.MultipartUpload.Parts)
	if err != nil {
		return nil, nil, err
	}
	versioned, err := s.write(ctx, c, written{op.Val(in.Bucket), op.Val(in.Key), "CompleteMultipartUpload", in.IfMatch, in.IfNoneMatch}, &v, func(ctx context.Context, tx store.Tx) error {
		now, err := s.upload(ctx, tx, in.Bucket, in.Key, in.UploadId)
		if err != nil {
			return err
		}
		if now.Version != u.Version {
			return &op.Error{Code: "OperationAborted", Status: 409, Message: "A conflicting conditional operation is currently in progress against this resource. Please try again."}
		}
		return s.dropUpload(ctx, tx, now)
	})
	if err != nil {
		return nil, nil, err
	}
	return &api.CompleteMultipartUploadOutput{
		Bucket: in.Bucket, Key: in.Key, ETag: &v.ETag, VersionId: versioned, ServerSideEncryption: &v.Headers.Encryption,
		Location: new("/" + op.Val(in.Bucket) + "/" + op.Val(in.Key)),
	}, nil, nil
}

// assemble is the version that the named parts make.
func assemble(u Upload, parts []api.CompletedPart) (Version, error) {
	v := Version{Headers: u.Headers, Metadata: u.Metadata, Tags: u.Tags, Parts: len(parts)}
	if !slices.IsSortedFunc(parts, func(a, b api.CompletedPart) int { return int(op.Val(a.PartNumber) - op.Val(b.PartNumber)) }) {
		return v, &op.Error{Code: "InvalidPartOrder", Message: "The list of parts was not in ascending order. Parts must be ordered by part number."}
	}
	all := md5.New()
	for i, want := range parts {
		number := op.Val(want.PartNumber)
		p, ok := u.Parts[number]
		if !ok || strings.Trim(op.Val(want.ETag), `"`) != hex.EncodeToString(p.MD5) {
			return v, &op.Error{Code: "InvalidPart", Message: "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."}
		}
		if p.Piece.Size < minPart && i < len(parts)-1 {
			return v, &op.Error{Code: "EntityTooSmall", Message: "Your proposed upload is smaller than the minimum allowed size"}
		}
		all.Write(p.MD5)
		v.Size += p.Piece.Size
		v.Pieces = append(v.Pieces, p.Piece)
	}
	v.ETag = fmt.Sprintf(`"%x-%d"`, all.Sum(nil), len(parts))
	return v, nil
}

func (s *Service) abortMultipartUpload(ctx context.Context, tx store.Tx, _ op.Caller, in *api.AbortMultipartUploadInput) (*api.AbortMultipartUploadOutput, error) {
	d, err := s.upload(ctx, tx, in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	return &api.AbortMultipartUploadOutput{}, s.dropUpload(ctx, tx, d)
}

func (s *Service) dropUpload(ctx context.Context, tx store.Tx, d store.Doc[Upload]) error {
	for number, p := range d.Value.Parts {
		if err := s.Blobs.Release(ctx, tx, p.Piece.Digest, partHolder(d.Scope.Region, d.Key, number)); err != nil {
			return err
		}
	}
	return s.uploads.Delete(ctx, tx, d.Scope, d.Key, d.Version)
}

func (s *Service) listParts(ctx context.Context, r store.Reader, c op.Caller, in *api.ListPartsInput) (*api.ListPartsOutput, error) {
	d, err := s.upload(ctx, r, in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	limit := min(op.Or(in.MaxParts, maxKeys), maxKeys)
	out := &api.ListPartsOutput{Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId, MaxParts: &limit, IsTruncated: new(false), Owner: owner(c.Account), StorageClass: new(api.StorageClassStandard)}
	for _, number := range slices.Sorted(maps.Keys(d.Value.Parts)) {
		if number <= op.Val(in.PartNumberMarker) {
			continue
		}
		if len(out.Parts) == int(limit) {
			out.IsTruncated, out.NextPartNumberMarker = new(true), out.Parts[len(out.Parts)-1].PartNumber
			break
		}
		p := d.Value.Parts[number]
		part := api.Part{PartNumber: &number, ETag: new(p.etag()), Size: &p.Piece.Size, LastModified: op.At(p.At)}
		part.ChecksumCRC32, part.ChecksumCRC32C, part.ChecksumCRC64NVME, part.ChecksumSHA1, part.ChecksumSHA256 = sums(p.Checksums)
		out.Parts = append(out.Parts, part)
	}
	return out, nil
}

func (s *Service) listMultipartUploads(ctx context.Context, r store.Reader, c op.Caller, in *api.ListMultipartUploadsInput) (*api.ListMultipartUploadsOutput, error) {
	b, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	docs, err := s.uploads.List(ctx, r, within(b.Key), store.Query{})
	if err != nil {
		return nil, err
	}
	out := &api.ListMultipartUploadsOutput{Bucket: in.Bucket, Prefix: in.Prefix, MaxUploads: new(int32(maxKeys)), IsTruncated: new(false), KeyMarker: new(""), UploadIdMarker: new("")}
	for _, d := range docs {
		if strings.HasPrefix(d.Value.Key, op.Val(in.Prefix)) {
			out.Uploads = append(out.Uploads, api.MultipartUpload{UploadId: &d.Key, Key: &d.Value.Key, Initiated: op.At(d.Value.Started), Owner: owner(c.Account), StorageClass: new(api.StorageClassStandard)})
		}
	}
	return out, nil
}
