package s3

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// maxKeys is AWS's limit of a page.
const maxKeys = 1000

// listing is what the three lists of a bucket have in common.
type listing struct {
	bucket, prefix, delimiter, encoding, owner *string
	after                                      string // keys up to here, and common prefixes that hold it, are passed over
	limit                                      *int32
	all                                        bool // versions and markers, not only current objects
}

// listed is one page: rows and common prefixes together count against the limit.
type listed struct {
	rows      []store.Doc[Object]
	prefixes  []api.CommonPrefix
	last      string // the last key or common prefix of the page
	truncated bool
	limit     int32
}

func (s *Service) list(ctx context.Context, r store.Reader, l listing) (out listed, err error) {
	b, err := s.bucket(ctx, r, l.bucket, l.owner)
	if err != nil {
		return out, err
	}
	out.limit = min(op.Or(l.limit, maxKeys), maxKeys)
	if out.limit < 0 {
		return out, &op.Error{Code: "InvalidArgument", Message: "Argument maxKeys must be an integer between 0 and 2147483647"}
	}
	if out.limit == 0 {
		return out, nil
	}
	query := store.Query{Prefix: op.Val(l.prefix), Limit: maxKeys}
	for {
		docs, err := s.objects.List(ctx, r, within(b.Key), query)
		if err != nil {
			return out, err
		}
		for _, d := range docs {
			if out.take(l, d); out.truncated {
				return out, nil
			}
		}
		if len(docs) < query.Limit {
			return out, nil
		}
		query.After = docs[len(docs)-1].Cursor
	}
}

// take adds d to the page, as itself or as its common prefix.
func (out *listed) take(l listing, d store.Doc[Object]) {
	if d.Key <= l.after || !l.all && d.Value.Versions[0].Marker {
		return
	}
	name := d.Key
	delimiter := op.Val(l.delimiter)
	common := false
	if delimiter != "" {
		rest := d.Key[len(op.Val(l.prefix)):]
		if i := strings.Index(rest, delimiter); i >= 0 {
			name, common = d.Key[:len(op.Val(l.prefix))+i+len(delimiter)], true
			if name == out.last || name == l.after || strings.HasPrefix(l.after, name) {
				return
			}
		}
	}
	if len(out.rows)+len(out.prefixes) == int(out.limit) {
		out.truncated = true
		return
	}
	out.last = name
	if common {
		out.prefixes = append(out.prefixes, api.CommonPrefix{Prefix: encode(l.encoding, name)})
		return
	}
	out.rows = append(out.rows, d)
}

// encode percent-encodes names where the client asks for it: XML cannot hold them all.
func encode(encoding *string, s string) *string {
	if op.Val(encoding) == api.EncodingTypeUrl {
		s = strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%2F", "/")
	}
	return &s
}

func (s *Service) listObjectsV2(ctx context.Context, r store.Reader, _ op.Caller, in *api.ListObjectsV2Input) (*api.ListObjectsV2Output, error) {
	after := op.Val(in.StartAfter)
	if in.ContinuationToken != nil {
		raw, err := base64.RawURLEncoding.DecodeString(*in.ContinuationToken)
		if err != nil {
			return nil, &op.Error{Code: "InvalidArgument", Message: "The continuation token provided is incorrect"}
		}
		after = string(raw)
	}
	page, err := s.list(ctx, r, listing{bucket: in.Bucket, prefix: in.Prefix, delimiter: in.Delimiter, encoding: in.EncodingType, owner: in.ExpectedBucketOwner, after: after, limit: in.MaxKeys})
	if err != nil {
		return nil, err
	}
	out := &api.ListObjectsV2Output{
		Name: in.Bucket, Prefix: encode(in.EncodingType, op.Val(in.Prefix)), Delimiter: in.Delimiter, MaxKeys: &page.limit, EncodingType: in.EncodingType,
		ContinuationToken: in.ContinuationToken, StartAfter: in.StartAfter, IsTruncated: &page.truncated,
		CommonPrefixes: page.prefixes, Contents: contents(page.rows, in.EncodingType), KeyCount: new(int32(len(page.rows) + len(page.prefixes))),
	}
	if page.truncated {
		out.NextContinuationToken = new(base64.RawURLEncoding.EncodeToString([]byte(page.last)))
	}
	return out, nil
}

func (s *Service) listObjects(ctx context.Context, r store.Reader, _ op.Caller, in *api.ListObjectsInput) (*api.ListObjectsOutput, error) {
	page, err := s.list(ctx, r, listing{bucket: in.Bucket, prefix: in.Prefix, delimiter: in.Delimiter, encoding: in.EncodingType, owner: in.ExpectedBucketOwner, after: op.Val(in.Marker), limit: in.MaxKeys})
	if err != nil {
		return nil, err
	}
	out := &api.ListObjectsOutput{
		Name: in.Bucket, Prefix: encode(in.EncodingType, op.Val(in.Prefix)), Marker: new(op.Val(in.Marker)), Delimiter: in.Delimiter, MaxKeys: &page.limit,
		EncodingType: in.EncodingType, IsTruncated: &page.truncated, CommonPrefixes: page.prefixes, Contents: contents(page.rows, in.EncodingType),
	}
	if page.truncated {
		out.NextMarker = encode(in.EncodingType, page.last)
	}
	return out, nil
}

func contents(rows []store.Doc[Object], encoding *string) (out []api.Object) {
	for _, d := range rows {
		v := d.Value.Versions[0]
		out = append(out, api.Object{
			Key: encode(encoding, d.Key), LastModified: op.At(v.Modified), ETag: &v.ETag, Size: &v.Size,
			StorageClass: class(v), ChecksumAlgorithm: algorithms(v), ChecksumType: op.Opt(v.ChecksumType),
		})
	}
	return out
}

func class(v Version) *string {
	if v.Headers.StorageClass == "" {
		return new(api.StorageClassStandard)
	}
	return &v.Headers.StorageClass
}

func algorithms(v Version) (names []string) {
	for name := range v.Checksums {
		names = append(names, name)
	}
	return names
}

func (s *Service) listObjectVersions(ctx context.Context, r store.Reader, c op.Caller, in *api.ListObjectVersionsInput) (*api.ListObjectVersionsOutput, error) {
	// A page ends between keys, never within one: its size is that of the keys.
	page, err := s.list(ctx, r, listing{bucket: in.Bucket, prefix: in.Prefix, delimiter: in.Delimiter, encoding: in.EncodingType, owner: in.ExpectedBucketOwner, after: op.Val(in.KeyMarker), limit: in.MaxKeys, all: true})
	if err != nil {
		return nil, err
	}
	out := &api.ListObjectVersionsOutput{
		Name: in.Bucket, Prefix: encode(in.EncodingType, op.Val(in.Prefix)), Delimiter: in.Delimiter, MaxKeys: &page.limit, EncodingType: in.EncodingType,
		KeyMarker: new(op.Val(in.KeyMarker)), VersionIdMarker: new(op.Val(in.VersionIdMarker)), IsTruncated: &page.truncated, CommonPrefixes: page.prefixes,
	}
	if page.truncated {
		out.NextKeyMarker = encode(in.EncodingType, page.last)
	}
	for _, d := range page.rows {
		for i, v := range d.Value.Versions {
			key, latest := encode(in.EncodingType, d.Key), i == 0
			if v.Marker {
				out.DeleteMarkers = append(out.DeleteMarkers, api.DeleteMarkerEntry{Key: key, VersionId: &v.ID, IsLatest: &latest, LastModified: op.At(v.Modified), Owner: owner(c.Account)})
				continue
			}
			out.Versions = append(out.Versions, api.ObjectVersion{
				Key: key, VersionId: &v.ID, IsLatest: &latest, LastModified: op.At(v.Modified), ETag: &v.ETag, Size: &v.Size, StorageClass: class(v),
				Owner: owner(c.Account), ChecksumAlgorithm: algorithms(v), ChecksumType: op.Opt(v.ChecksumType),
			})
		}
	}
	return out, nil
}
