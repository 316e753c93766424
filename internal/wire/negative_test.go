package wire_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// dialect is how one protocol is spoken in these tests.
type dialect struct {
	service, target, body, path, method string
	code                                *regexp.Regexp
}

var (
	xmlCode  = regexp.MustCompile(`<Code>([^<]*)</Code>`)
	jsonCode = regexp.MustCompile(`"__type":"([^"]*)"`)
)

func dialects() map[string]dialect {
	return map[string]dialect{
		"json":  {service: "ecs", target: "AmazonEC2ContainerServiceV20141113.ListClusters", body: "{}", path: "/", method: "POST", code: jsonCode},
		"query": {service: "sts", body: "Action=GetCallerIdentity&Version=2011-06-15", path: "/", method: "POST", code: xmlCode},
		"ec2":   {service: "ec2", body: "Action=DescribeVpcs&Version=2016-11-15", path: "/", method: "POST", code: xmlCode},
		"s3":    {service: "s3", path: "/bucket/key", method: "GET", code: xmlCode},
	}
}

// request makes a signed request; damage changes it afterwards.
func (d dialect) request(t *testing.T, b *bench, creds aws.Credentials, at time.Time) *http.Request {
	t.Helper()
	r, err := http.NewRequest(d.method, "http://"+b.address+d.path, strings.NewReader(d.body))
	if err != nil {
		t.Fatal(err)
	}
	if d.target != "" {
		r.Header.Set("X-Amz-Target", d.target)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	} else if d.body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	sum := sha256.Sum256([]byte(d.body))
	payload := hex.EncodeToString(sum[:])
	if d.service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", payload)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = d.service == "s3" })
	if err := signer.SignHTTP(context.Background(), creds, r, payload, d.service, "us-east-1", at); err != nil {
		t.Fatal(err)
	}
	return r
}

// refused sends r and gives the status and the code of its refusal.
func (d dialect) refused(t *testing.T, r *http.Request) (int, string, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Date") == "" || res.Header.Get("X-Amzn-Requestid") == "" {
		t.Errorf("headers without Date or request id: %v", res.Header)
	}
	if m := d.code.FindSubmatch(body); m != nil {
		return res.StatusCode, string(m[1]), string(body)
	}
	return res.StatusCode, "", string(body)
}

type answer struct {
	status int
	code   string
}

func TestBadSignaturesAreRefusedAsOnAWS(t *testing.T) {
	t.Parallel()
	b := setup(t)
	good := aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}
	cut := func(r *http.Request) { r.Header.Del("Authorization") }
	for name, tc := range map[string]struct {
		creds  aws.Credentials
		late   time.Duration
		damage func(*http.Request)
		want   map[string]answer
	}{
		"no signature": {good, 0, cut, map[string]answer{
			"json": {400, "MissingAuthenticationTokenException"}, "query": {403, "MissingAuthenticationToken"}, "ec2": {401, "AuthFailure"}, "s3": {403, "AccessDenied"},
		}},
		"a malformed header": {good, 0, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/aws4_request", "", 1))
		}, map[string]answer{
			"json": {400, "IncompleteSignatureException"}, "query": {400, "IncompleteSignature"}, "ec2": {401, "AuthFailure"}, "s3": {400, "AuthorizationHeaderMalformed"},
		}},
		"an unknown key": {aws.Credentials{AccessKeyID: "AKIANOBODY", SecretAccessKey: secret}, 0, nil, map[string]answer{
			"json": {400, "UnrecognizedClientException"}, "query": {403, "InvalidClientTokenId"}, "ec2": {401, "AuthFailure"}, "s3": {403, "InvalidAccessKeyId"},
		}},
		"a token of another key": {aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: "another"}, 0, nil, map[string]answer{
			"json": {400, "UnrecognizedClientException"}, "query": {403, "InvalidClientTokenId"}, "ec2": {401, "AuthFailure"}, "s3": {400, "InvalidToken"},
		}},
		"an expired token": {aws.Credentials{AccessKeyID: "ASIAEXPIRED", SecretAccessKey: secret, SessionToken: "old"}, 0, nil, map[string]answer{
			"json": {400, "ExpiredTokenException"}, "query": {403, "ExpiredToken"}, "ec2": {400, "RequestExpired"}, "s3": {400, "ExpiredToken"},
		}},
		"a wrong secret": {aws.Credentials{AccessKeyID: key, SecretAccessKey: "wrong"}, 0, nil, map[string]answer{
			"json": {400, "InvalidSignatureException"}, "query": {403, "SignatureDoesNotMatch"}, "ec2": {401, "AuthFailure"}, "s3": {403, "SignatureDoesNotMatch"},
		}},
		"a query added later": {good, 0, func(r *http.Request) { r.URL.RawQuery = "x=y" }, map[string]answer{
			"json": {400, "InvalidSignatureException"}, "query": {403, "SignatureDoesNotMatch"}, "ec2": {401, "AuthFailure"}, "s3": {403, "SignatureDoesNotMatch"},
		}},
		"a time too early": {good, -time.Hour, nil, map[string]answer{
			"json": {400, "InvalidSignatureException"}, "query": {403, "SignatureDoesNotMatch"}, "ec2": {400, "RequestExpired"}, "s3": {403, "RequestTimeTooSkewed"},
		}},
		"a time too late": {good, time.Hour, nil, map[string]answer{
			"json": {400, "InvalidSignatureException"}, "query": {403, "SignatureDoesNotMatch"}, "ec2": {400, "RequestExpired"}, "s3": {403, "RequestTimeTooSkewed"},
		}},
		"another operation than signed": {good, 0, func(r *http.Request) {
			if r.Method == "POST" {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(`Action=AssumeRole&Version=2011-06-15`)), 36
			} else {
				r.Method = "DELETE"
			}
		}, map[string]answer{
			"json": {400, "InvalidSignatureException"}, "query": {403, "SignatureDoesNotMatch"}, "ec2": {401, "AuthFailure"}, "s3": {403, "SignatureDoesNotMatch"},
		}},
	} {
		for protocol, d := range dialects() {
			t.Run(name+" in "+protocol, func(t *testing.T) {
				t.Parallel()
				r := d.request(t, b, tc.creds, time.Now().Add(tc.late))
				if tc.damage != nil {
					tc.damage(r)
				}
				status, code, body := d.refused(t, r)
				if got := (answer{status, code}); got != tc.want[protocol] {
					t.Errorf("answered %v, want %v\n%s", got, tc.want[protocol], body)
				}
			})
		}
	}
}

func TestUnsignedAmzHeadersAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := dialects()["s3"]
	r := d.request(t, b, aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, time.Now())
	r.Header.Set("X-Amz-Acl", "public-read")
	status, code, body := d.refused(t, r)
	if status != 403 || code != "AccessDenied" || !strings.Contains(body, "<HeadersNotSigned>x-amz-acl</HeadersNotSigned>") {
		t.Errorf("answered %d %s: %s", status, code, body)
	}
}

func TestUnknownOperationsAreRefusedByName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	creds := aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}
	for name, tc := range map[string]struct {
		d    dialect
		want answer
		says string
	}{
		"an operation of ECS that is not done": {dialect{service: "ecs", target: "AmazonEC2ContainerServiceV20141113.SubmitTaskStateChange", body: "{}", path: "/", method: "POST", code: jsonCode}, answer{400, "UnknownOperationException"}, "ecs:SubmitTaskStateChange"},
		"an operation that ECS never had":      {dialect{service: "ecs", target: "AmazonEC2ContainerServiceV20141113.Fly", body: "{}", path: "/", method: "POST", code: jsonCode}, answer{400, "UnknownOperationException"}, "Fly"},
		"a JSON service that is not here":      {dialect{service: "kms", target: "TrentService.CreateKey", body: "{}", path: "/", method: "POST", code: jsonCode}, answer{400, "UnknownOperationException"}, "kms"},
		"a query service that is not here":     {dialect{service: "sns", body: "Action=CreateTopic&Version=2010-03-31", path: "/", method: "POST", code: xmlCode}, answer{400, "InvalidAction"}, "sns"},
		"an action of EC2 that is not done":    {dialect{service: "ec2", body: "Action=RunInstances&Version=2016-11-15", path: "/", method: "POST", code: xmlCode}, answer{400, "InvalidAction"}, "ec2:RunInstances"},
		"an action that EC2 never had":         {dialect{service: "ec2", body: "Action=Fly&Version=2016-11-15", path: "/", method: "POST", code: xmlCode}, answer{400, "InvalidAction"}, "The action Fly is not valid for this web service."},
		"an operation of S3 that is not done":  {dialect{service: "s3", path: "/bucket?analytics&id=1", method: "GET", code: xmlCode}, answer{400, "NotImplemented"}, "s3:GetBucketAnalyticsConfiguration"},
		"no action":                            {dialect{service: "sts", body: "Version=2011-06-15", path: "/", method: "POST", code: xmlCode}, answer{400, "MissingAction"}, "Action"},
		"a body that is no JSON":               {dialect{service: "ecs", target: "AmazonEC2ContainerServiceV20141113.ListClusters", body: "{", path: "/", method: "POST", code: jsonCode}, answer{400, "SerializationException"}, "JSON"},
		"a list where a text belongs":          {dialect{service: "ecs", target: "AmazonEC2ContainerServiceV20141113.ListServices", body: `{"cluster":[1]}`, path: "/", method: "POST", code: jsonCode}, answer{400, "SerializationException"}, "cluster"},
		"a text where a number belongs":        {dialect{service: "ec2", body: "Action=DescribeVpcs&Version=2016-11-15&MaxResults=many", path: "/", method: "POST", code: xmlCode}, answer{400, "InvalidParameterValue"}, "many"},
		"XML that is none":                     {dialect{service: "s3", path: "/bucket?tagging", body: "<Tagging>", method: "PUT", code: xmlCode}, answer{400, "MalformedXML"}, "well-formed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, code, body := tc.d.refused(t, tc.d.request(t, b, creds, time.Now()))
			if got := (answer{status, code}); got != tc.want || !strings.Contains(body, tc.says) {
				t.Errorf("answered %v, want %v and %q\n%s", got, tc.want, tc.says, body)
			}
		})
	}
}
