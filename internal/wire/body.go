package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/op"
)

// What x-amz-content-sha256 may say other than a digest.
const (
	unsignedPayload             = "UNSIGNED-PAYLOAD"
	streamSigned                = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamSignedTrailer         = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamUnsignedTrailer       = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	contentSHA                  = "X-Amz-Content-Sha256"
	decodedLength               = "X-Amz-Decoded-Content-Length"
	badSHA                      = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
	missingSHA                  = "Missing required header for this request: x-amz-content-sha256"
	missingLength               = "You must provide the Content-Length HTTP header."
	maxDecoded            int64 = 5 << 30 // of one PUT, as on S3
)

// storagePayload is the payload hash that S3 clients sign.
func storagePayload(c *call) (string, *op.Error) {
	h := c.r.Header.Get(contentSHA)
	switch c.auth.scheme {
	case byURL:
		if q := c.query.Get(contentSHA); q != "" {
			return q, nil
		}
		return unsignedPayload, nil
	case byHeader:
	default:
		return unsignedPayload, nil
	}
	switch {
	case h == "":
		return "", badRequest("InvalidRequest", missingSHA)
	case isDigest(h), h == unsignedPayload, h == streamSigned, h == streamSignedTrailer, h == streamUnsignedTrailer:
		return h, nil
	case strings.HasPrefix(h, "STREAMING-AWS4-ECDSA"):
		return "", badRequest("NotImplemented", "Signature version 4A is not spoken here: "+h)
	}
	return "", badRequest("InvalidArgument", badSHA)
}

// body verifies a request's bytes while they are read: decoding, length, digest and
// checksum. Its last Read is io.EOF only if all is well.
type body struct {
	r        io.Reader
	chunks   *chunked // nil unless aws-chunked
	want     int64    // length, -1 unknown
	got      int64
	digest   string // hex, "" unless the payload's digest was signed
	sha      hash.Hash
	sum      *checksum
	verified bool
	err      error
}

// openBody makes the reader of an S3 request's body. s is nil where signatures are
// not verified; checked says whether checksum headers describe the body.
func openBody(r *http.Request, payload string, s *signer, checked bool) (*body, *op.Error) {
	b := &body{r: r.Body, want: r.ContentLength, sum: &checksum{}}
	if checked {
		sum, e := readChecksum(r.Header)
		if e != nil {
			return nil, e
		}
		b.sum = sum
	}
	streamed := strings.HasPrefix(payload, "STREAMING-")
	if !streamed && strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		streamed, s = true, nil // presigned, or unverified
	}
	switch {
	case streamed:
		n, err := strconv.ParseInt(r.Header.Get(decodedLength), 10, 64)
		if err != nil || n < 0 {
			return nil, &op.Error{Code: "MissingContentLength", Status: http.StatusLengthRequired, Message: missingLength}
		}
		if payload != streamSigned && payload != streamSignedTrailer {
			s = nil
		}
		b.want = n
		b.chunks = newChunked(r.Body, s, r.Header.Get("X-Amz-Trailer") != "")
		b.r = b.chunks
	case isDigest(payload):
		b.digest, b.sha = payload, sha256.New()
	}
	if b.want > maxDecoded {
		return nil, &op.Error{Code: "EntityTooLarge", Status: http.StatusBadRequest, Message: "Your proposed upload exceeds the maximum allowed size"}
	}
	return b, nil
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.got += int64(n)
	if b.sha != nil {
		b.sha.Write(p[:n])
	}
	b.sum.write(p[:n])
	var e *op.Error
	switch {
	case b.want >= 0 && b.got > b.want:
		b.err = errChunk
		return 0, b.err
	case err == io.EOF:
		b.err = b.end()
	case errors.Is(err, io.ErrUnexpectedEOF):
		b.err = errChunk
	case errors.As(err, &e):
		b.err = e
	case err != nil:
		b.err = fmt.Errorf("read the request's body: %w", err)
	}
	if b.err != nil && b.err != io.EOF {
		return 0, b.err
	}
	return n, b.err
}

// end judges the whole.
func (b *body) end() error {
	if b.want >= 0 && b.got != b.want {
		return errChunk
	}
	if b.sha != nil && hex.EncodeToString(b.sha.Sum(nil)) != b.digest {
		return &op.Error{Code: "XAmzContentSHA256Mismatch", Status: http.StatusBadRequest, Message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
			Fields: map[string]string{"ClientComputedContentSHA256": b.digest, "S3ComputedContentSHA256": hex.EncodeToString(b.sha.Sum(nil))}}
	}
	if b.sum.trailer {
		b.sum.want = b.chunks.trailers[checksumPrefix+strings.ToLower(b.sum.algorithm)]
	}
	if e := b.sum.verify(); e != nil {
		return e
	}
	b.verified = true
	return io.EOF
}

// Checksums are those that the client gave and that were found right: algorithm
// ("CRC32") → base64. It is empty before the end.
func (b *body) Checksums() map[string]string {
	if !b.verified || b.sum.algorithm == "" {
		return map[string]string{}
	}
	return map[string]string{b.sum.algorithm: b.sum.want}
}

// Size is how many bytes the client announced, -1 where it did not.
func (b *body) Size() int64 { return b.want }

// readWhole reads a body that is not a stream.
func readWhole(r io.Reader, limit int64) ([]byte, error) {
	all, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(all)) > limit {
		return nil, errTooLarge
	}
	return all, nil
}

var errTooLarge = errors.New("body above the limit")
