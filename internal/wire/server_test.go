package wire_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/penstock-ci/penstock/internal/splice"
)

func TestSplicedConnectionsKeepTheirOrigin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.server.ServeSpliced(l) }()
	dial := func(context.Context, string, string) (net.Conn, error) {
		c, err := net.Dial("unix", path)
		if err != nil {
			return nil, err
		}
		return c, splice.Write(c, splice.Header{Kind: splice.API, VPC: "vpc-7", Source: netip.MustParseAddrPort("10.0.0.9:1234")})
	}
	transport := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: b.roots}}
	defer transport.CloseIdleConnections()
	d := dialects()["json"]
	for _, scheme := range []string{"http", "https"} {
		r := d.request(t, b, aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, time.Now())
		r.URL.Scheme = scheme
		res, err := (&http.Client{Transport: transport}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if o := b.caller.Origin; res.StatusCode != 200 || o.VPC != "vpc-7" || o.Address != netip.MustParseAddr("10.0.0.9") || o.TLS != (scheme == "https") {
			t.Errorf("%s: %s from %+v", scheme, res.Status, o)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
}

// A client that waits for 100-continue sends no body before the signature was found
// right, and none at all where it is wrong.
func TestBodiesAreAskedForOnlyAfterTheSignature(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, tc := range map[string]struct{ secret, want string }{
		"right": {secret, "HTTP/1.1 100 Continue"},
		"wrong": {"wrong", "HTTP/1.1 403 Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest("PUT", "http://"+b.address+"/bucket/key", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
			if err := signer.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: tc.secret}, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now()); err != nil {
				t.Fatal(err)
			}
			c, err := net.Dial("tcp", b.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "PUT /bucket/key HTTP/1.1\r\nHost: %s\r\nContent-Length: 5\r\nExpect: 100-continue\r\n", b.address)
			if err := r.Header.Write(c); err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, "\r\n")
			line, err := bufio.NewReader(c).ReadString('\n')
			if err != nil || strings.TrimSpace(line) != tc.want {
				t.Errorf("answered %q, %v; want %q", line, err, tc.want)
			}
		})
	}
}

func TestPresignedURLsRunOutAndAreChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	presign := func(age time.Duration, expires string) string {
		r, err := http.NewRequest("GET", "http://"+b.address+"/bucket/k?X-Amz-Expires="+expires, nil)
		if err != nil {
			t.Fatal(err)
		}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		u, _, err := signer.PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now().Add(-age))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	without := func(u, name string) string { return strings.Replace(u, name+"=", "X-Other=", 1) }
	future := fmt.Sprint(time.Now().Add(time.Hour).Unix())
	for name, tc := range map[string]struct {
		url  string
		want answer
		says string
	}{
		"good":            {presign(0, "60"), answer{200, ""}, ""},
		"run out":         {presign(2*time.Minute, "60"), answer{403, "AccessDenied"}, "Request has expired"},
		"too long":        {presign(0, "604801"), answer{400, "AuthorizationQueryParametersError"}, "604800"},
		"no date":         {without(presign(0, "60"), "X-Amz-Date"), answer{400, "AuthorizationQueryParametersError"}, "X-Amz-Date"},
		"changed":         {presign(0, "60") + "&versionId=1", answer{403, "SignatureDoesNotMatch"}, "CanonicalRequest"},
		"old form, bad":   {"http://" + b.address + "/bucket/k?AWSAccessKeyId=" + key + "&Signature=bad&Expires=" + future, answer{403, "SignatureDoesNotMatch"}, "StringToSign"},
		"old form, stale": {"http://" + b.address + "/bucket/k?AWSAccessKeyId=" + key + "&Signature=bad&Expires=1000", answer{403, "AccessDenied"}, "Request has expired"},
		"old form, half":  {"http://" + b.address + "/bucket/k?AWSAccessKeyId=" + key + "&Signature=bad", answer{403, "AccessDenied"}, "requires the Signature, Expires and AWSAccessKeyId"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest("GET", tc.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			status, code, body := dialects()["s3"].refused(t, r)
			if got := (answer{status, code}); got != tc.want || !strings.Contains(body, tc.says) {
				t.Errorf("answered %v, want %v and %q\n%s", got, tc.want, tc.says, body)
			}
		})
	}
}

func TestOversizedBodiesAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r, err := http.NewRequest("POST", "http://"+b.address+"/", strings.NewReader(strings.Repeat(" ", 100<<10)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.ListClusters")
	status, code, body := dialects()["json"].refused(t, r)
	if got := (answer{status, code}); got != (answer{413, "RequestEntityTooLargeException"}) {
		t.Errorf("answered %v: %s", got, body)
	}
}
