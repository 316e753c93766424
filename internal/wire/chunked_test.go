package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/op"
)

// published is the example of AWS's page "Signature calculations for the
// Authorization header: transferring payload in multiple chunks".
func published(t *testing.T) *signer {
	t.Helper()
	a := &authorization{
		key: "AKIAIOSFODNN7EXAMPLE", date: "20130524", region: "us-east-1", service: "s3", stamp: "20130524T000000Z",
		signature: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
	}
	v := newVerifier(nil, clock.System{})
	return &signer{key: v.signingKey("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", a), auth: a, scope: "20130524/us-east-1/s3/aws4_request"}
}

func publishedBody() string {
	return "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
}

func code(err error) string {
	var e *op.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

func TestSignedChunksOfAWSsExampleAreAccepted(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]io.Reader{"at once": strings.NewReader(publishedBody()), "byte by byte": iotest.OneByteReader(strings.NewReader(publishedBody()))} {
		got, err := io.ReadAll(newChunked(r, published(t), false))
		if err != nil || len(got) != 66560 || strings.Trim(string(got), "a") != "" {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestDamagedChunksAreRefused(t *testing.T) {
	t.Parallel()
	good := publishedBody()
	for name, tc := range map[string]struct{ body, want string }{
		"a changed byte":       {strings.Replace(good, "aaaa", "abaa", 1), "SignatureDoesNotMatch"},
		"chunks in wrong size": {strings.Replace(good, "10000;", "0fffe;", 1), "IncompleteBody"},
		"no last chunk":        {good[:len(good)-90], "IncompleteBody"},
		"cut in the middle":    {good[:1000], "IncompleteBody"},
		"no size":              {"x\r\n", "IncompleteBody"},
		"a negative size":      {"-1\r\n", "IncompleteBody"},
		"an unsigned end":      {strings.Replace(good, "0;chunk-signature=b6c6", "0;chunk-signature=b6c7", 1), "SignatureDoesNotMatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := io.ReadAll(newChunked(strings.NewReader(tc.body), published(t), false)); code(err) != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// signChunks is a client of the signed form with a trailer.
func signChunks(s *signer, chunks []string, trailer string) string {
	var b bytes.Buffer
	previous := s.auth.signature
	for _, c := range append(chunks, "") {
		previous = hexMAC(s.key, strings.Join([]string{"AWS4-HMAC-SHA256-PAYLOAD", s.auth.stamp, s.scope, previous, emptyHash, digest(c)}, "\n"))
		fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n", len(c), previous)
		if c != "" {
			b.WriteString(c + "\r\n")
		}
	}
	sig := hexMAC(s.key, strings.Join([]string{"AWS4-HMAC-SHA256-TRAILER", s.auth.stamp, s.scope, previous, digest(trailer + "\n")}, "\n"))
	fmt.Fprintf(&b, "%s\r\nx-amz-trailer-signature:%s\r\n\r\n", trailer, sig)
	return b.String()
}

func TestSignedTrailerIsVerified(t *testing.T) {
	t.Parallel()
	s := published(t)
	good := signChunks(s, []string{"hello ", "world"}, "x-amz-checksum-crc32:DUoRhQ==")
	c := newChunked(strings.NewReader(good), s, true)
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "hello world" || c.trailers["x-amz-checksum-crc32"] != "DUoRhQ==" {
		t.Errorf("%q, %v, trailers %v", got, err, c.trailers)
	}
	for name, bad := range map[string]string{
		"another checksum": strings.Replace(good, "DUoR", "DUoS", 1),
		"no signature":     good[:strings.Index(good, "x-amz-trailer-signature")] + "\r\n",
	} {
		if _, err := io.ReadAll(newChunked(strings.NewReader(bad), s, true)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestUnsignedTrailerIsRead(t *testing.T) {
	t.Parallel()
	c := newChunked(strings.NewReader("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"), nil, true)
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "hello" || c.trailers["x-amz-checksum-crc32"] != "NhCmhg==" {
		t.Errorf("%q, %v, trailers %v", got, err, c.trailers)
	}
}

func FuzzChunked(f *testing.F) {
	f.Add([]byte(publishedBody()[:200]), true)
	f.Add([]byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"), false)
	f.Add([]byte("ffffffffffffffff\r\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, trailing bool) {
		got, err := io.ReadAll(newChunked(bytes.NewReader(b), nil, trailing))
		if err == nil && len(got) > len(b) {
			t.Fatalf("%d bytes out of %d", len(got), len(b))
		}
	})
}
