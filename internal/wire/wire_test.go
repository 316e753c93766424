package wire_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdkec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	sdkecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	sdks3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/api/sts"
	"github.com/penstock-ci/penstock/internal/authority"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/wire"
)

const (
	key    = "AKIAEXAMPLE"
	secret = "the secret"
)

// keys knows one access key, and one whose token has expired.
type keys struct{}

func (keys) Lookup(_ context.Context, id, token string) (string, op.Caller, error) {
	if id == "ASIAEXPIRED" {
		return "", op.Caller{}, &op.Error{Code: "ExpiredToken"}
	}
	if id != key || token != "" {
		return "", op.Caller{}, &op.Error{Code: "InvalidClientTokenId"}
	}
	return secret, op.Caller{ARN: "arn:aws:iam::100000000001:root"}, nil
}

// echo is a dispatcher that keeps what came and answers by operation.
type echo struct {
	mu      sync.Mutex
	in      any
	caller  op.Caller
	objects map[string][]byte
	parts   map[int32][]byte
}

func (e *echo) InvokeStream(_ context.Context, c op.Caller, service, name string, in any, body io.Reader) (any, io.ReadCloser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.in, e.caller = in, c
	switch name {
	case "GetCallerIdentity":
		return &sts.GetCallerIdentityOutput{Arn: &c.ARN, Account: new("100000000001"), UserId: new("id")}, nil, nil
	case "DescribeVpcs":
		return &ec2.DescribeVpcsOutput{Vpcs: []ec2.Vpc{{VpcId: new("vpc-1"), IsDefault: new(true), Tags: []ec2.Tag{{Key: new("Name"), Value: new("a<b")}}}}}, nil, nil
	case "ListClusters":
		return &ecs.ListClustersOutput{ClusterArns: []string{"arn:c"}}, nil, nil
	case "DescribeClusters":
		return nil, nil, ecs.ClusterNotFoundException("Cluster not found.")
	case "PutObject":
		b, err := io.ReadAll(body)
		if err != nil {
			return nil, nil, err
		}
		e.objects[*in.(*s3.PutObjectInput).Key] = b
		return &s3.PutObjectOutput{ETag: new(`"etag"`)}, nil, nil
	case "GetObject":
		b := e.objects[*in.(*s3.GetObjectInput).Key]
		return &s3.GetObjectOutput{ContentLength: new(int64(len(b))), Metadata: map[string]string{"a": "b"}}, io.NopCloser(bytes.NewReader(b)), nil
	case "CreateMultipartUpload":
		return &s3.CreateMultipartUploadOutput{Bucket: new("bucket"), Key: in.(*s3.CreateMultipartUploadInput).Key, UploadId: new("u")}, nil, nil
	case "UploadPart":
		b, err := io.ReadAll(body)
		if err != nil {
			return nil, nil, err
		}
		e.parts[*in.(*s3.UploadPartInput).PartNumber] = b
		return &s3.UploadPartOutput{ETag: new(`"part"`)}, nil, nil
	case "CompleteMultipartUpload":
		up := in.(*s3.CompleteMultipartUploadInput)
		var whole []byte
		for _, p := range up.MultipartUpload.Parts {
			whole = append(whole, e.parts[*p.PartNumber]...)
		}
		e.objects[*up.Key] = whole
		return &s3.CompleteMultipartUploadOutput{Bucket: up.Bucket, Key: up.Key, ETag: new(`"whole-2"`)}, nil, nil
	case "ListObjectsV2":
		return &s3.ListObjectsV2Output{Name: new("bucket"), KeyCount: new(int32(1)), Contents: []s3.Object{{Key: new("a b"), Size: new(int64(3)), LastModified: op.At(time.Unix(1700000000, 0)), ETag: new(`"e"`)}}}, nil, nil
	case "GetBucketLocation":
		return &s3.GetBucketLocationOutput{LocationConstraint: new("eu-west-1")}, nil, nil
	case "PutBucketPolicy":
		e.objects["policy"] = []byte(*in.(*s3.PutBucketPolicyInput).Policy)
		return &s3.PutBucketPolicyOutput{}, nil, nil
	case "GetBucketPolicy":
		return &s3.GetBucketPolicyOutput{Policy: new(string(e.objects["policy"]))}, nil, nil
	case "DeleteObjects":
		return &s3.DeleteObjectsOutput{Deleted: []s3.DeletedObject{{Key: in.(*s3.DeleteObjectsInput).Delete.Objects[0].Key}}}, nil, nil
	case "HeadObject":
		return nil, nil, &op.Error{Code: "NoSuchKey", Status: 404, Message: "gone"}
	}
	return nil, nil, errors.New("broken")
}

type bench struct {
	*echo
	address string
	roots   *x509.CertPool
	bundle  string // the same as a file, for clients that are other programs
	server  *wire.Server
}

func setup(t *testing.T) *bench {
	t.Helper()
	ca, err := authority.Open(t.TempDir(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{echo: &echo{objects: map[string][]byte{}, parts: map[int32][]byte{}}, roots: x509.NewCertPool()}
	b.roots.AppendCertsFromPEM(ca.Bundle())
	b.bundle = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(b.bundle, ca.Bundle(), 0o600); err != nil {
		t.Fatal(err)
	}
	s := wire.New(wire.Config{
		Services: []*model.Service{ec2.API, ecs.API, s3.API, sts.API}, Credentials: keys{}, Dispatch: b.echo,
		Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Certificates: ca.Certificate, Region: "us-east-1",
	})
	b.server = s
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.address = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := errors.Join(s.Shutdown(ctx), <-done); err != nil {
			t.Error(err)
		}
	})
	return b
}

// config is a client's, over scheme, with a secret that may be wrong.
func (b *bench) config(t *testing.T, scheme, secret string) aws.Config {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: b.roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(scheme + "://" + b.address), Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		HTTPClient: &http.Client{Transport: transport}, RetryMaxAttempts: 1,
	}
}

func storage(cfg aws.Config) *sdks3.Client {
	return sdks3.NewFromConfig(cfg, func(o *sdks3.Options) { o.UsePathStyle = true })
}

func TestEveryProtocolRoundTripsWithTheOfficialClient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, scheme := range []string{"http", "https"} {
		cfg := b.config(t, scheme, secret)
		who, err := sdksts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sdksts.GetCallerIdentityInput{})
		if err != nil || *who.Arn != "arn:aws:iam::100000000001:root" {
			t.Fatalf("%s query: %v, %v", scheme, who, err)
		}
		if b.caller.Region != "eu-west-1" || b.caller.Origin.TLS != (scheme == "https") {
			t.Errorf("%s caller = %+v", scheme, b.caller)
		}
		vpcs, err := sdkec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), &sdkec2.DescribeVpcsInput{VpcIds: []string{"vpc-1"}, Filters: []ec2types.Filter{{Name: new("tag:Name"), Values: []string{"x", "y"}}}})
		if err != nil || *vpcs.Vpcs[0].Tags[0].Value != "a<b" || !*vpcs.Vpcs[0].IsDefault {
			t.Fatalf("%s ec2: %v, %v", scheme, vpcs, err)
		}
		if in := b.in.(*ec2.DescribeVpcsInput); in.VpcIds[0] != "vpc-1" || in.Filters[0].Values[1] != "y" {
			t.Errorf("%s ec2 input = %+v", scheme, in)
		}
		clusters, err := sdkecs.NewFromConfig(cfg).ListClusters(t.Context(), &sdkecs.ListClustersInput{MaxResults: aws.Int32(5)})
		if err != nil || clusters.ClusterArns[0] != "arn:c" || *b.in.(*ecs.ListClustersInput).MaxResults != 5 {
			t.Fatalf("%s json: %v, %v", scheme, clusters, err)
		}
		objects(t, b, storage(cfg), scheme)
	}
}

// objects go out as the client streams them: over TLS in chunks with a trailer.
func objects(t *testing.T, b *bench, client *sdks3.Client, scheme string) {
	t.Helper()
	const name = "a//b c+ü"
	content := strings.Repeat("0123456789", 20000)
	_, err := client.PutObject(t.Context(), &sdks3.PutObjectInput{Bucket: new("bucket"), Key: aws.String(name), Body: strings.NewReader(content), Metadata: map[string]string{"K": "v"}})
	if err != nil || string(b.objects[name]) != content {
		t.Fatalf("%s put: %d bytes, %v", scheme, len(b.objects[name]), err)
	}
	if in := b.in.(*s3.PutObjectInput); in.Metadata["k"] != "v" || in.ContentEncoding != nil {
		t.Errorf("%s put input: metadata %v, encoding %v", scheme, in.Metadata, in.ContentEncoding)
	}
	got, err := client.GetObject(t.Context(), &sdks3.GetObjectInput{Bucket: new("bucket"), Key: aws.String(name)})
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := io.ReadAll(got.Body); err != nil || string(raw) != content || got.Metadata["a"] != "b" {
		t.Errorf("%s get: %d bytes, %v", scheme, len(raw), err)
	}
	del, err := client.DeleteObjects(t.Context(), &sdks3.DeleteObjectsInput{Bucket: new("bucket"), Delete: &s3types.Delete{Objects: []s3types.ObjectIdentifier{{Key: aws.String(name)}}}})
	if err != nil || *del.Deleted[0].Key != name {
		t.Errorf("%s delete: %v, %v", scheme, del, err)
	}
	var missing *s3types.NotFound
	if _, err := client.HeadObject(t.Context(), &sdks3.HeadObjectInput{Bucket: new("bucket"), Key: new("none")}); !errors.As(err, &missing) {
		t.Errorf("%s head of a missing key: %v", scheme, err)
	}
}

func TestPresignedURLGivesTheObject(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.objects["k"] = []byte("body")
	url, err := sdks3.NewPresignClient(storage(b.config(t, "http", secret))).PresignGetObject(t.Context(), &sdks3.GetObjectInput{Bucket: new("bucket"), Key: new("k")})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]int{url.URL: 200, strings.Replace(url.URL, "/k?", "/other?", 1): 403} {
		res, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s answered %s, want %d", address, res.Status, want)
		}
	}
}

func TestRefusalsHaveTheProtocolsOwnForm(t *testing.T) {
	t.Parallel()
	b := setup(t)
	wrong := b.config(t, "http", "another secret")
	good := b.config(t, "http", secret)
	code := func(err error) string {
		var e smithy.APIError
		if errors.As(err, &e) {
			return e.ErrorCode()
		}
		return "no API error: " + err.Error()
	}
	for name, tc := range map[string]struct {
		want string
		call func() error
	}{
		"query, wrong secret": {"SignatureDoesNotMatch", func() error {
			_, err := sdksts.NewFromConfig(wrong).GetCallerIdentity(t.Context(), &sdksts.GetCallerIdentityInput{})
			return err
		}},
		"ec2, wrong secret": {"AuthFailure", func() error {
			_, err := sdkec2.NewFromConfig(wrong).DescribeVpcs(t.Context(), &sdkec2.DescribeVpcsInput{})
			return err
		}},
		"json, wrong secret": {"InvalidSignatureException", func() error {
			_, err := sdkecs.NewFromConfig(wrong).ListClusters(t.Context(), &sdkecs.ListClustersInput{})
			return err
		}},
		"s3, wrong secret": {"SignatureDoesNotMatch", func() error {
			_, err := storage(wrong).GetObject(t.Context(), &sdks3.GetObjectInput{Bucket: new("b"), Key: new("k")})
			return err
		}},
		"json, the service's own error": {"ClusterNotFoundException", func() error {
			_, err := sdkecs.NewFromConfig(good).DescribeClusters(t.Context(), &sdkecs.DescribeClustersInput{})
			return err
		}},
		"json, a failure": {"InternalFailure", func() error {
			_, err := sdkecs.NewFromConfig(good).ListServices(t.Context(), &sdkecs.ListServicesInput{})
			return err
		}},
		"json, an operation that is not generated": {"UnknownOperationException", func() error {
			_, err := sdkecs.NewFromConfig(good).SubmitTaskStateChange(t.Context(), &sdkecs.SubmitTaskStateChangeInput{})
			return err
		}},
		"ec2, an operation that is not generated": {"InvalidAction", func() error {
			_, err := sdkec2.NewFromConfig(good).DescribeSpotPriceHistory(t.Context(), &sdkec2.DescribeSpotPriceHistoryInput{})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := code(tc.call()); got != tc.want {
				t.Errorf("refused as %s, want %s", got, tc.want)
			}
		})
	}
}

func TestDamagedBodyIsNotTaken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cfg := b.config(t, "http", secret)
	cfg.HTTPClient = &http.Client{Transport: damaging{}}
	_, err := storage(cfg).PutObject(t.Context(), &sdks3.PutObjectInput{Bucket: new("b"), Key: new("k"), Body: strings.NewReader("0123456789")})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "XAmzContentSHA256Mismatch" {
		t.Errorf("a changed body was answered by %v", err)
	}
	if _, ok := b.objects["k"]; ok {
		t.Error("the changed body was kept")
	}
}

// damaging changes one byte of every body on the way.
type damaging struct{}

func (damaging) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		raw[0] ^= 1
		r.Body = io.NopCloser(bytes.NewReader(raw))
	}
	return http.DefaultTransport.RoundTrip(r)
}
