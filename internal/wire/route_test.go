package wire

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/api/s3"
)

func TestStorageRequestsFindTheirOperation(t *testing.T) {
	t.Parallel()
	routes := newRestRoutes(s3.API)
	for request, want := range map[string]string{
		"GET /":                                 "ListBuckets",
		"PUT /b":                                "CreateBucket",
		"PUT /b/":                               "CreateBucket",
		"HEAD /b":                               "HeadBucket",
		"DELETE /b":                             "DeleteBucket",
		"GET /b":                                "ListObjects",
		"GET /b?prefix=x&delimiter=/":           "ListObjects",
		"GET /b?list-type=2":                    "ListObjectsV2",
		"GET /b/?list-type=2&prefix=":           "ListObjectsV2",
		"GET /b?versions":                       "ListObjectVersions",
		"GET /b?uploads":                        "ListMultipartUploads",
		"GET /b?location":                       "GetBucketLocation",
		"GET /b?policy":                         "GetBucketPolicy",
		"GET /b?policyStatus":                   "GetBucketPolicyStatus",
		"GET /b?analytics&id=1":                 "GetBucketAnalyticsConfiguration",
		"POST /b?delete":                        "DeleteObjects",
		"GET /b/k":                              "GetObject",
		"GET /b/k?x-id=GetObject":               "GetObject",
		"GET /b/k?versionId=1":                  "GetObject",
		"GET /b/k/":                             "GetObject",
		"GET /b//k":                             "GetObject",
		"HEAD /b/k":                             "HeadObject",
		"PUT /b/k":                              "PutObject",
		"PUT /b/k?x-id=PutObject":               "PutObject",
		"PUT /b/k?partNumber=1&uploadId=u":      "UploadPart",
		"POST /b/k?uploads":                     "CreateMultipartUpload",
		"POST /b/k?uploadId=u":                  "CompleteMultipartUpload",
		"GET /b/k?uploadId=u":                   "ListParts",
		"DELETE /b/k?uploadId=u":                "AbortMultipartUpload",
		"DELETE /b/k":                           "DeleteObject",
		"GET /b/k?tagging":                      "GetObjectTagging",
		"GET /b/k?attributes":                   "GetObjectAttributes",
		"copy PUT /b/k":                         "CopyObject",
		"copy PUT /b/k?partNumber=1&uploadId=u": "UploadPartCopy",
	} {
		plain, copied := strings.CutPrefix(request, "copy ")
		method, target, _ := strings.Cut(plain, " ")
		r := httptest.NewRequest(method, target, nil)
		r.Host = "127.0.0.1:4566"
		if copied {
			r.Header.Set("X-Amz-Copy-Source", "b/o")
		}
		_, depth := splitPath(r)
		o := routes.find(method, depth, r.URL.Query(), r.Header)
		if o == nil || o.Name != want {
			t.Errorf("%s is taken for %+v, want %s", request, o, want)
		}
	}
}

func TestBucketsAreFoundInHostNames(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"app.s3.amazonaws.com":               "app",
		"app.s3.eu-west-1.amazonaws.com:443": "app",
		"a.b.s3-eu-west-1.amazonaws.com":     "a.b",
		"app.localhost:4566":                 "app",
		"s3.eu-west-1.amazonaws.com":         "",
		"s3.amazonaws.com":                   "",
		"localhost:4566":                     "",
		"127.0.0.1:4566":                     "",
		"[::1]:4566":                         "",
		"ecs.us-east-1.amazonaws.com":        "",
		"1.dkr.ecr.us-east-1.amazonaws.com":  "",
	} {
		if got, ok := bucketOfHost(host); got != want || ok != (want != "") {
			t.Errorf("%s: bucket %q, %v; want %q", host, got, ok, want)
		}
	}
}
