package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/minio/crc64nvme"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// received is a body that lies in the blob store.
type received struct {
	piece     Piece
	md5       []byte
	checksums map[string]string
}

// receive stores a body. wire has checked its length, digest and checksums by the
// time that it ends; S3 itself adds a CRC64NVME where the client sent none.
func (s *Service) receive(ctx context.Context, body io.Reader, md5Header *string) (received, error) {
	if body == nil {
		body = http.NoBody
	}
	sum, crc := md5.New(), crc64nvme.New()
	digest, size, err := s.Blobs.Put(ctx, io.TeeReader(body, io.MultiWriter(sum, crc)), "")
	if err != nil {
		if refused, ok := errors.AsType[*op.Error](err); ok {
			return received{}, refused
		}
		return received{}, fmt.Errorf("store a body: %w", err)
	}
	r := received{piece: Piece{digest, size}, md5: sum.Sum(nil), checksums: map[string]string{}}
	if md5Header != nil {
		want, err := base64.StdEncoding.DecodeString(*md5Header)
		if err != nil || len(want) != md5.Size {
			return received{}, &op.Error{Code: "InvalidDigest", Message: "The Content-MD5 you specified was invalid."}
		}
		if !bytes.Equal(want, r.md5) {
			return received{}, &op.Error{Code: "BadDigest", Message: "The Content-MD5 you specified did not match what we received."}
		}
	}
	if c, ok := body.(interface{ Checksums() map[string]string }); ok {
		for name, value := range c.Checksums() {
			r.checksums[name] = value
		}
	}
	if len(r.checksums) == 0 {
		r.checksums["CRC64NVME"] = base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc.Sum64()))
	}
	return r, nil
}

func (s *Service) putObject(ctx context.Context, c op.Caller, in *api.PutObjectInput, body io.Reader) (*api.PutObjectOutput, io.ReadCloser, error) {
	if in.ObjectLockMode != nil || in.ObjectLockLegalHoldStatus != nil {
		return nil, nil, refused("Object lock")
	}
	if in.SSECustomerAlgorithm != nil {
		return nil, nil, refused("Server-side encryption with customer-provided keys")
	}
	if in.WriteOffsetBytes != nil {
		return nil, nil, refused("Appending to an object")
	}
	if err := checkACL(in.ACL, in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP); err != nil {
		return nil, nil, err
	}
	tags, err := parseTags(in.Tagging)
	if err != nil {
		return nil, nil, err
	}
	// Before the body is read: a missing bucket is told at once.
	if err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		if _, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return err
		}
		return s.mayTag(ctx, r, c, in.Bucket, in.Key, tags)
	}); err != nil {
		return nil, nil, err
	}
	got, err := s.receive(ctx, body, in.ContentMD5)
	if err != nil {
		return nil, nil, err
	}
	v := Version{
		Size: got.piece.Size, ETag: `"` + hex.EncodeToString(got.md5) + `"`, Pieces: []Piece{got.piece},
		Metadata: in.Metadata, Tags: tags, Checksums: got.checksums, ChecksumType: api.ChecksumTypeFullObject,
		Headers: Headers{
			ContentType: op.Or(in.ContentType, "binary/octet-stream"), CacheControl: op.Val(in.CacheControl), ContentDisposition: op.Val(in.ContentDisposition),
			ContentEncoding: op.Val(in.ContentEncoding), ContentLanguage: op.Val(in.ContentLanguage), Expires: op.Val(in.Expires),
			StorageClass: op.Val(in.StorageClass), Redirect: op.Val(in.WebsiteRedirectLocation),
			Encryption: op.Or(in.ServerSideEncryption, api.ServerSideEncryptionAes256), KMSKey: op.Val(in.SSEKMSKeyId),
		},
	}
	versioned, err := s.write(ctx, c, written{op.Val(in.Bucket), op.Val(in.Key), "PutObject", in.IfMatch, in.IfNoneMatch}, &v, nil)
	if err != nil {
		return nil, nil, err
	}
	out := &api.PutObjectOutput{ETag: &v.ETag, ServerSideEncryption: &v.Headers.Encryption, ChecksumType: &v.ChecksumType, VersionId: versioned}
	out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256 = sums(v.Checksums)
	return out, nil, nil
}

// written is where a version goes, on which conditions, and what the fact says.
type written struct {
	bucket, key, reason  string
	ifMatch, ifNoneMatch *string
}

// write adds v in one transaction with its fact; more is done in the same one. The
// version's id comes back where the bucket keeps versions.
func (s *Service) write(ctx context.Context, c op.Caller, w written, v *Version, more func(context.Context, store.Tx) error) (versioned *string, err error) {
	if len(w.key) > 1024 {
		return nil, &op.Error{Code: "KeyTooLongError", Message: "Your key is too long"}
	}
	err = s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		b, err := s.bucket(ctx, tx, &w.bucket, nil)
		if err != nil {
			return err
		}
		if err := s.precondition(ctx, tx, w); err != nil {
			return err
		}
		v.ID, v.Modified, versioned = "null", s.Clock.Now(), nil
		if b.Value.Versioning == api.BucketVersioningStatusEnabled {
			v.ID = ids.Lower(32, "")
			versioned = &v.ID
		}
		if more != nil {
			if err := more(ctx, tx); err != nil {
				return err
			}
		}
		if err := s.add(ctx, tx, w.bucket, w.key, *v); err != nil {
			return err
		}
		return s.tell(ctx, tx, c, b, fact{"Object Created", w.reason, w.key, *v})
	})
	return versioned, err
}

func (s *Service) precondition(ctx context.Context, tx store.Tx, w written) error {
	if w.ifMatch == nil && w.ifNoneMatch == nil {
		return nil
	}
	failed := &op.Error{Code: "PreconditionFailed", Status: 412, Message: "At least one of the pre-conditions you specified did not hold"}
	current, err := s.find(ctx, tx, w.bucket, w.key, nil)
	if missing, ok := errors.AsType[*op.Error](err); ok && missing.Code == "NoSuchKey" {
		if w.ifMatch != nil {
			return missing
		}
		return nil
	}
	if err != nil {
		return err
	}
	if w.ifNoneMatch != nil || *w.ifMatch != current.ETag && `"`+*w.ifMatch+`"` != current.ETag {
		return failed
	}
	return nil
}

// parseTags reads the x-amz-tagging header: a query string.
func parseTags(header *string) ([]api.Tag, error) {
	if header == nil {
		return nil, nil
	}
	values, err := url.ParseQuery(*header)
	if err != nil {
		return nil, &op.Error{Code: "InvalidArgument", Message: "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."}
	}
	var tags []api.Tag
	for k, v := range values {
		tags = append(tags, api.Tag{Key: &k, Value: &v[0]})
	}
	return tags, nil
}

// sums are the checksum members of an answer.
func sums(c map[string]string) (crc32, crc32c, crc64nvme, sha1, sha256 *string) {
	return op.Opt(c["CRC32"]), op.Opt(c["CRC32C"]), op.Opt(c["CRC64NVME"]), op.Opt(c["SHA1"]), op.Opt(c["SHA256"])
}

func refused(what string) *op.Error {
	return &op.Error{Code: "NotImplemented", Status: http.StatusNotImplemented, Message: what + " is not supported by Penstock. See docs/parity.md."}
}
