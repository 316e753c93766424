package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"reflect"
	"testing"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/api/elbv2"
	"github.com/penstock-ci/penstock/api/s3"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func FuzzForm(f *testing.F) {
	f.Add("Filter.1.Name=x&Filter.1.Value.1=y&MaxResults=5", true)
	f.Add("Targets.member.2.Id=b&Targets.member.1.Id=a", false)
	f.Add("Tags.=1&Tags.1.=2&.=3&Tags.-1.Key=x&Tags.99999999999999999999.Key=y", false)
	f.Fuzz(func(t *testing.T, form string, isEC2 bool) {
		values, err := url.ParseQuery(form)
		if err != nil {
			return
		}
		d := formDecoder{&layouts{}, isEC2}
		_ = d.decode(values, &ec2.DescribeVpcsInput{}) // must only return
		_ = d.decode(values, &ec2.AuthorizeSecurityGroupIngressInput{})
		_ = d.decode(values, &elbv2.RegisterTargetsInput{})
	})
}

func FuzzXML(f *testing.F) {
	f.Add([]byte(`<Delete><Object><Key>a</Key></Object><Quiet>true</Quiet></Delete>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		l := &layouts{}
		_ = l.bindBody(body, reflect.ValueOf(&s3.DeleteObjectsInput{}).Elem()) // must only return
		_ = l.bindBody(body, reflect.ValueOf(&s3.PutBucketLifecycleConfigurationInput{}).Elem())
		_ = l.bindBody(body, reflect.ValueOf(&s3.PutBucketAclInput{}).Elem())
	})
}

func FuzzAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIA/20261126/us-east-1/ecs/aws4_request, SignedHeaders=host;x-amz-date, Signature="+digest(""), "", "/a//b/../c?x=1&x=0&y")
	f.Add("", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20261126%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20261126T000000Z&X-Amz-Expires=1&X-Amz-SignedHeaders=host&X-Amz-Signature=0", "/")
	f.Fuzz(func(t *testing.T, header, query, uri string) {
		r := &http.Request{Method: "GET", Header: http.Header{"Authorization": {header}, "X-Amz-Date": {"20261126T000000Z"}}, URL: &url.URL{RawQuery: query}, RequestURI: uri, Host: "h"}
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		a, refused := readAuth(r, q)
		if refused == nil {
			canonicalRequest(r, &a, emptyHash)
			oldStringToSign(r, &a)
		}
		splitPath(r)
	})
}
