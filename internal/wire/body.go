package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// Payload hashes that are no digests.
const (
	unsignedPayload = "UNSIGNED-PAYLOAD"
	signedChunks    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// payloadHash is what the client has signed of the body.
func (c *call) payloadHash(streams bool) (string, *refusal) {
	if c.protocol != model.RESTXML {
		sum := sha256.Sum256(c.body)
		return hex.EncodeToString(sum[:]), nil
	}
	h := c.r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case h == "" && c.auth.scheme == byHeader:
		return "", &refusal{kind: badInput, detail: "Missing required header for this request: x-amz-content-sha256"}
	case h == "":
		return unsignedPayload, nil
	case h == unsignedPayload, h == signedChunks, h == signedTrailer, h == unsignedTrailer, isDigest(h):
		return h, nil
	}
	return "", &refusal{kind: badInput, detail: "The value of x-amz-content-sha256 is not a digest, UNSIGNED-PAYLOAD or one of the streaming forms spoken here: " + h}
}

// body is a request's body on its way to a service: unchunked, and verified at its
// end, so that the last Read answers an *op.Error in place of io.EOF where it is not
// what the client said.
type body struct {
	r        io.Reader
	chunks   *chunked
	checksum *checksum
	digest   hash.Hash
	want     string // hex digest
	size     int64
	left     int64 // of the announced length; -1 where none is
	err      error
}

func newBody(c *call, s *signer, payload string, streams bool) (*body, error) {
	sum, refused := readChecksum(c.r.Header)
	if refused != nil {
		return nil, refused
	}
	b := &body{r: c.r.Body, checksum: sum, left: c.r.ContentLength}
	if !streams {
		b.r, b.left = bytes.NewReader(c.body), int64(len(c.body))
	}
	switch {
	case strings.HasPrefix(payload, "STREAMING-"):
		if payload == unsignedTrailer {
			s = nil
		}
		b.chunks = newChunked(b.r, s, payload != signedChunks && c.r.Header.Get("X-Amz-Trailer") != "")
		b.r = b.chunks
		b.left = -1
		if v := c.r.Header.Get("X-Amz-Decoded-Content-Length"); v != "" {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n < 0 {
				return nil, badRequest("InvalidArgument", "The value of x-amz-decoded-content-length is not a length")
			}
			b.left = n
		}
	case isDigest(payload):
		b.digest, b.want = sha256.New(), payload
	}
	return b, nil
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.size += int64(n)
	b.checksum.write(p[:n])
	if b.digest != nil {
		b.digest.Write(p[:n])
	}
	switch {
	case err == nil:
	case err == io.EOF:
		if refused := b.verify(); refused != nil {
			err = refused
		}
	case err == io.ErrUnexpectedEOF:
		err = errChunk
	}
	b.err = err
	return n, err
}

func (b *body) verify() *op.Error {
	if b.left >= 0 && b.size != b.left {
		return &op.Error{Code: "IncompleteBody", Status: http.StatusBadRequest, Message: "You did not provide the number of bytes specified by the Content-Length HTTP header"}
	}
	if b.digest != nil {
		if got := hex.EncodeToString(b.digest.Sum(nil)); got != b.want {
			return &op.Error{Code: "XAmzContentSHA256Mismatch", Status: http.StatusBadRequest, Message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
				Fields: map[string]string{"ClientComputedContentSHA256": b.want, "S3ComputedContentSHA256": got}}
		}
	}
	if b.checksum.trailer {
		b.checksum.want = b.chunks.trailers[checksumPrefix+strings.ToLower(b.checksum.algorithm)]
	}
	return b.checksum.verify()
}

// Checksums are the verified ones, by algorithm, after the end.
func (b *body) Checksums() map[string]string {
	if b.checksum.algorithm == "" {
		return nil
	}
	return map[string]string{b.checksum.algorithm: b.checksum.want}
}
