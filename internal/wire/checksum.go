package wire

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"net/http"
	"strings"

	"github.com/minio/crc64nvme"

	"github.com/penstock-ci/penstock/internal/op"
)

// sums are the checksum algorithms of S3, by the end of their header's name.
func newSum(algorithm string) hash.Hash {
	switch algorithm {
	case "CRC32":
		return crc32.NewIEEE()
	case "CRC32C":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "SHA1":
		return sha1.New()
	case "SHA256":
		return sha256.New()
	case "CRC64NVME":
		return crc64nvme.New()
	}
	return nil
}

const checksumPrefix = "x-amz-checksum-"

// checksum is what a request says of its body, and what is computed while it is read.
type checksum struct {
	algorithm string // "" without one
	want      string // base64; "" until the trailer is read
	trailer   bool
	sum       hash.Hash
	wantMD5   []byte
	md5       hash.Hash
}

// readChecksum reads the checksum headers of a request.
func readChecksum(h http.Header) (*checksum, *op.Error) {
	c := &checksum{}
	for name := range h {
		alg, ok := strings.CutPrefix(strings.ToLower(name), checksumPrefix)
		if alg = strings.ToUpper(alg); !ok || newSum(alg) == nil {
			continue // x-amz-checksum-mode, -type, -algorithm
		}
		if c.algorithm != "" {
			return nil, badRequest("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		c.algorithm, c.want = alg, h.Get(name)
	}
	if alg, ok := strings.CutPrefix(strings.ToLower(h.Get("X-Amz-Trailer")), checksumPrefix); ok {
		alg = strings.ToUpper(alg)
		switch {
		case newSum(alg) == nil:
			return nil, badRequest("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
		case c.algorithm != "":
			return nil, badRequest("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		c.algorithm, c.trailer = alg, true
	}
	if c.algorithm != "" {
		c.sum = newSum(c.algorithm)
		if e := c.wellFormed(); !c.trailer && e != nil {
			return nil, e
		}
	}
	if v := h.Get("Content-MD5"); v != "" {
		b, err := base64.StdEncoding.DecodeString(v)
		if err != nil || len(b) != md5.Size {
			return nil, badRequest("InvalidDigest", "The Content-MD5 you specified was invalid.")
		}
		c.wantMD5, c.md5 = b, md5.New()
	}
	return c, nil
}

// wellFormed refuses a value that the algorithm cannot have. A multipart object's
// composite checksum ("…-3") describes no body and is left to the service.
func (c *checksum) wellFormed() *op.Error {
	b, err := base64.StdEncoding.DecodeString(c.want)
	if err != nil || len(b) != c.sum.Size() {
		return badRequest("InvalidRequest", fmt.Sprintf("Value for %s%s header is invalid.", checksumPrefix, strings.ToLower(c.algorithm)))
	}
	return nil
}

func (c *checksum) write(b []byte) {
	if c.sum != nil {
		c.sum.Write(b)
	}
	if c.md5 != nil {
		c.md5.Write(b)
	}
}

// isEmpty tells whether the request says nothing of its body.
func (c *checksum) isEmpty() bool { return c.algorithm == "" && c.md5 == nil }

// verify compares at the body's end.
func (c *checksum) verify() *op.Error {
	if c.sum != nil {
		if e := c.wellFormed(); e != nil {
			return e
		}
		if base64.StdEncoding.EncodeToString(c.sum.Sum(nil)) != c.want {
			return badRequest("BadDigest", fmt.Sprintf("The %s you specified did not match the calculated checksum.", c.algorithm))
		}
	}
	if c.md5 != nil && string(c.md5.Sum(nil)) != string(c.wantMD5) {
		return badRequest("BadDigest", "The Content-MD5 you specified did not match what we received.")
	}
	return nil
}

func badRequest(code, message string) *op.Error {
	return &op.Error{Code: code, Status: http.StatusBadRequest, Message: message}
}
