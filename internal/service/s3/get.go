package s3

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) getObject(ctx context.Context, _ op.Caller, in *api.GetObjectInput, _ io.Reader) (*api.GetObjectOutput, io.ReadCloser, error) {
	v, versioned, err := s.read(ctx, wanted{in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince})
	if err != nil {
		return nil, nil, err
	}
	from, n, ranged, err := span(op.Val(in.Range), v.Size)
	if err != nil {
		return nil, nil, err
	}
	out := &api.GetObjectOutput{
		AcceptRanges: new("bytes"), ContentLength: &n, ETag: &v.ETag, LastModified: op.At(v.Modified), VersionId: versioned, Metadata: v.Metadata,
		ContentType: pick(in.ResponseContentType, v.Headers.ContentType), CacheControl: pick(in.ResponseCacheControl, v.Headers.CacheControl),
		ContentDisposition: pick(in.ResponseContentDisposition, v.Headers.ContentDisposition), ContentEncoding: pick(in.ResponseContentEncoding, v.Headers.ContentEncoding),
		ContentLanguage: pick(in.ResponseContentLanguage, v.Headers.ContentLanguage), Expires: op.Opt(v.Headers.Expires),
		StorageClass: storageClass(v), WebsiteRedirectLocation: op.Opt(v.Headers.Redirect),
		ServerSideEncryption: op.Opt(v.Headers.Encryption), SSEKMSKeyId: op.Opt(v.Headers.KMSKey), TagCount: count(len(v.Tags)),
	}
	if ranged {
		out.ContentRange = new(fmt.Sprintf("bytes %d-%d/%d", from, from+n-1, v.Size))
	} else if op.Val(in.ChecksumMode) == api.ChecksumModeEnabled {
		out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256 = sums(v.Checksums)
		out.ChecksumType = op.Opt(v.ChecksumType)
	}
	return out, s.body(ctx, v, from, n), nil
}

func (s *Service) headObject(ctx context.Context, _ op.Caller, in *api.HeadObjectInput, _ io.Reader) (*api.HeadObjectOutput, io.ReadCloser, error) {
	v, versioned, err := s.read(ctx, wanted{in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince})
	if err != nil {
		return nil, nil, err
	}
	from, n, ranged, err := span(op.Val(in.Range), v.Size)
	if err != nil {
		return nil, nil, err
	}
	out := &api.HeadObjectOutput{
		AcceptRanges: new("bytes"), ContentLength: &n, ETag: &v.ETag, LastModified: op.At(v.Modified), VersionId: versioned, Metadata: v.Metadata,
		ContentType: op.Opt(v.Headers.ContentType), CacheControl: op.Opt(v.Headers.CacheControl), ContentDisposition: op.Opt(v.Headers.ContentDisposition),
		ContentEncoding: op.Opt(v.Headers.ContentEncoding), ContentLanguage: op.Opt(v.Headers.ContentLanguage), Expires: op.Opt(v.Headers.Expires),
		StorageClass: storageClass(v), WebsiteRedirectLocation: op.Opt(v.Headers.Redirect),
		ServerSideEncryption: op.Opt(v.Headers.Encryption), SSEKMSKeyId: op.Opt(v.Headers.KMSKey),
	}
	if ranged {
		out.ContentRange = new(fmt.Sprintf("bytes %d-%d/%d", from, from+n-1, v.Size))
	}
	if in.PartNumber != nil {
		out.PartsCount = count(v.Parts)
	}
	if op.Val(in.ChecksumMode) == api.ChecksumModeEnabled {
		out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256 = sums(v.Checksums)
		out.ChecksumType = op.Opt(v.ChecksumType)
	}
	return out, nil, nil
}

// wanted is which version a reader asks for, and on which conditions.
type wanted struct {
	bucket, key, version, owner *string
	ifMatch, ifNoneMatch        *string
	since, until                *op.Time
}

// read finds the version and holds it against the conditions. Its id comes back
// where the bucket keeps versions.
func (s *Service) read(ctx context.Context, w wanted) (v Version, versioned *string, err error) {
	err = s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		b, err := s.bucket(ctx, r, w.bucket, w.owner)
		if err != nil {
			return err
		}
		if v, err = s.find(ctx, r, b.Key, op.Val(w.key), w.version); err != nil {
			return err
		}
		if b.Value.Versioning != "" {
			versioned = &v.ID
		}
		return nil
	})
	if err != nil {
		return v, nil, err
	}
	modified := v.Modified.Truncate(time.Second)
	switch {
	case w.ifMatch != nil && !matches(*w.ifMatch, v.ETag),
		w.ifMatch == nil && w.until != nil && modified.After(w.until.Time):
		return v, nil, &op.Error{Code: "PreconditionFailed", Status: http.StatusPreconditionFailed, Message: "At least one of the pre-conditions you specified did not hold"}
	case w.ifNoneMatch != nil && matches(*w.ifNoneMatch, v.ETag),
		w.ifNoneMatch == nil && w.since != nil && !modified.After(w.since.Time):
		return v, nil, &op.Error{Code: "NotModified", Status: http.StatusNotModified, Message: "Not Modified"}
	}
	return v, versioned, nil
}

// matches compares an ETag with a list of them.
func matches(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || one == etag || `"`+one+`"` == etag {
			return true
		}
	}
	return false
}

// span is the part of size bytes that a Range header asks for. A header that is
// not one range of bytes is ignored, as HTTP wants.
func span(header string, size int64) (from, n int64, ranged bool, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	unsatisfiable := &op.Error{Code: "InvalidRange", Status: http.StatusRequestedRangeNotSatisfiable, Message: "The requested range is not satisfiable",
		Fields: map[string]string{"ActualObjectSize": strconv.FormatInt(size, 10), "RangeRequested": header}}
	if first == "" { // the last so many bytes
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil {
			return 0, size, false, nil
		}
		if n = min(n, size); n <= 0 {
			return 0, 0, false, unsatisfiable
		}
		return size - n, n, true, nil
	}
	from, err = strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 {
		return 0, size, false, nil
	}
	end := size - 1
	if last != "" {
		if end, err = strconv.ParseInt(last, 10, 64); err != nil || end < from {
			return 0, size, false, nil
		}
	}
	if from >= size {
		return 0, 0, false, unsatisfiable
	}
	return from, min(end, size-1) - from + 1, true, nil
}

// body reads n bytes of v from the pieces, opening each as it is reached.
func (s *Service) body(ctx context.Context, v Version, from, n int64) io.ReadCloser {
	return &pieces{ctx: ctx, blobs: s.Blobs, rest: v.Pieces, skip: from, left: n}
}

type pieces struct {
	ctx   context.Context
	blobs Blobs
	rest  []Piece
	skip  int64
	left  int64
	open  io.ReadCloser
}

func (p *pieces) Read(b []byte) (int, error) {
	for {
		if p.left == 0 {
			return 0, io.EOF
		}
		if p.open == nil {
			if err := p.next(); err != nil {
				return 0, err
			}
		}
		if int64(len(b)) > p.left {
			b = b[:p.left]
		}
		n, err := p.open.Read(b)
		p.left -= int64(n)
		if err == io.EOF {
			if err := p.Close(); err != nil {
				return n, err
			}
			if n == 0 {
				continue
			}
			return n, nil
		}
		return n, err
	}
}

func (p *pieces) next() error {
	for len(p.rest) > 0 && p.skip >= p.rest[0].Size {
		p.skip -= p.rest[0].Size
		p.rest = p.rest[1:]
	}
	if len(p.rest) == 0 {
		return io.ErrUnexpectedEOF
	}
	piece := p.rest[0]
	open, err := p.blobs.Open(p.ctx, piece.Digest, p.skip, piece.Size-p.skip)
	if err != nil {
		return fmt.Errorf("open an object's bytes: %w", err)
	}
	p.open, p.rest, p.skip = open, p.rest[1:], 0
	return nil
}

func (p *pieces) Close() error {
	if p.open == nil {
		return nil
	}
	err := p.open.Close()
	p.open = nil
	return err
}

func storageClass(v Version) *string {
	if v.Headers.StorageClass == api.StorageClassStandard {
		return nil // AWS omits the header for it
	}
	return op.Opt(v.Headers.StorageClass)
}

// pick is what the request overrides, else what is stored.
func pick(override *string, stored string) *string {
	if override != nil {
		return override
	}
	return op.Opt(stored)
}

func count(n int) *int32 {
	if n == 0 {
		return nil
	}
	return new(int32(n))
}
