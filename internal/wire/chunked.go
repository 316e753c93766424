package wire

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/op"
)

// chunked reads the aws-chunked encoding:
//
//	hex-size[;chunk-signature=64 hex digits] CRLF data CRLF … 0[;…] CRLF
//	[name:value CRLF …] [x-amz-trailer-signature:hex CRLF] CRLF
//
// With a signer every chunk's signature is verified before its end is given on.
type chunked struct {
	r        *bufio.Reader
	signer   *signer // nil: unsigned chunks
	previous string  // signature that the next one is chained to
	trailing bool    // a trailer is announced
	left     int64   // of the present chunk
	sig      string  // of the present chunk
	sum      hash.Hash
	open     bool // inside a chunk
	trailers map[string]string
	err      error
}

const (
	emptyHash  = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	maxLine    = 4 << 10 // of a chunk header or a trailer
	maxTrailer = 32
)

var errChunk = &op.Error{Code: "IncompleteBody", Status: 400, Message: "The request body terminated unexpectedly"}

func newChunked(r io.Reader, s *signer, trailing bool) *chunked {
	c := &chunked{r: bufio.NewReaderSize(r, 64<<10), signer: s, trailing: trailing, sum: sha256.New(), trailers: map[string]string{}}
	if s != nil {
		c.previous = s.auth.signature
	}
	return c
}

func (c *chunked) Read(b []byte) (int, error) {
	for c.err == nil && c.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	if int64(len(b)) > c.left {
		b = b[:c.left]
	}
	n, err := c.r.Read(b)
	c.left -= int64(n)
	if c.signer != nil {
		c.sum.Write(b[:n])
	}
	if err != nil {
		c.err = errChunk
		if n == 0 {
			return 0, c.err
		}
	}
	return n, nil
}

// next ends the present chunk and begins the following one, or ends the body.
func (c *chunked) next() error {
	if c.open {
		if line, err := c.line(); err != nil || line != "" {
			return errChunk
		}
		if err := c.checkChunk(); err != nil {
			return err
		}
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	size, ext, _ := strings.Cut(line, ";")
	n, perr := strconv.ParseInt(size, 16, 64)
	if perr != nil || n < 0 || len(size) > 15 || strings.ContainsAny(size, "+-_") {
		return errChunk
	}
	c.sig, _ = strings.CutPrefix(ext, "chunk-signature=")
	c.left, c.open = n, true
	c.sum.Reset()
	if n > 0 {
		return nil
	}
	if err := c.checkChunk(); err != nil {
		return err
	}
	return c.end()
}

func (c *chunked) checkChunk() error {
	if c.signer == nil {
		return nil
	}
	a := c.signer.auth
	want := hexMAC(c.signer.key, strings.Join([]string{"AWS4-HMAC-SHA256-PAYLOAD", a.stamp, c.signer.scope, c.previous, emptyHash, hex.EncodeToString(c.sum.Sum(nil))}, "\n"))
	if !hmac.Equal([]byte(want), []byte(c.sig)) {
		return &op.Error{Code: "SignatureDoesNotMatch", Status: 403, Message: rowOf(badSignature).s3Sentence}
	}
	c.previous = want
	return nil
}

// end reads the trailers. The final empty line may be missing without trailers: some
// clients leave it out.
func (c *chunked) end() error {
	var signed bytes.Buffer
	for range maxTrailer {
		line, err := c.line()
		if errors.Is(err, io.EOF) && signed.Len() == 0 && !c.trailing {
			return io.EOF
		}
		if err != nil {
			return errChunk
		}
		if line == "" {
			if c.trailing && c.signer != nil {
				return errChunk // the trailer's signature must come first
			}
			return io.EOF
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !ok:
			return &op.Error{Code: "MalformedTrailerError", Status: 400, Message: "The request contained trailing data that was not well-formed or did not conform to our published schema."}
		case name == "x-amz-trailer-signature":
			return c.checkTrailer(signed.Bytes(), value)
		}
		c.trailers[name] = value
		fmt.Fprintf(&signed, "%s:%s\n", name, value)
	}
	return errChunk
}

func (c *chunked) checkTrailer(signed []byte, sig string) error {
	if c.signer == nil {
		return io.EOF
	}
	sum := sha256.Sum256(signed)
	a := c.signer.auth
	want := hexMAC(c.signer.key, strings.Join([]string{"AWS4-HMAC-SHA256-TRAILER", a.stamp, c.signer.scope, c.previous, hex.EncodeToString(sum[:])}, "\n"))
	if !hmac.Equal([]byte(want), []byte(sig)) {
		return &op.Error{Code: "SignatureDoesNotMatch", Status: 403, Message: rowOf(badSignature).s3Sentence}
	}
	return io.EOF
}

// line reads up to CRLF. io.EOF means that nothing more came.
func (c *chunked) line() (string, error) {
	b, err := c.r.ReadSlice('\n')
	switch {
	case err == io.EOF && len(b) == 0:
		return "", io.EOF
	case err != nil || len(b) > maxLine || !bytes.HasSuffix(b, []byte("\r\n")):
		return "", errChunk
	}
	return string(b[:len(b)-2]), nil
}
