package wire

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// subresources go into the string to sign of signature version 2, with their
// values; other query parameters do not.
var subresources = []string{
	"accelerate", "acl", "cors", "delete", "encryption", "legal-hold", "lifecycle", "location", "logging", "notification", "object-lock", "partNumber", "policy",
	"policyStatus", "publicAccessBlock", "replication", "requestPayment", "response-cache-control", "response-content-disposition",
	"response-content-encoding", "response-content-language", "response-content-type", "response-expires", "restore", "retention", "tagging", "torrent",
	"uploadId", "uploads", "versionId", "versioning", "versions", "website",
}

// checkOld verifies a presigned URL of signature version 2, which `aws s3 presign`
// and boto3 still make for custom endpoints.
func checkOld(r *http.Request, a *authorization, secret string) *refusal {
	toSign := oldStringToSign(r, a)
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(toSign))
	want := base64.StdEncoding.EncodeToString(h.Sum(nil))
	if hmac.Equal([]byte(want), []byte(a.signature)) {
		return nil
	}
	return &refusal{kind: badSignature, fields: map[string]string{"AWSAccessKeyId": a.key, "StringToSign": toSign, "SignatureProvided": a.signature}}
}

func oldStringToSign(r *http.Request, a *authorization) string {
	var b strings.Builder
	for _, s := range []string{r.Method, r.Header.Get("Content-MD5"), r.Header.Get("Content-Type"), strconv.FormatInt(a.expires, 10)} {
		b.WriteString(s)
		b.WriteByte('\n')
	}
	b.WriteString(oldHeaders(r))
	path := rawPath(r)
	if bucket, ok := bucketOfHost(r.Host); ok {
		path = "/" + bucket + path
	}
	b.WriteString(path)
	q, _ := url.ParseQuery(r.URL.RawQuery) // what cannot be parsed is not signed either
	sep := byte('?')
	for _, name := range subresources {
		if !q.Has(name) {
			continue
		}
		b.WriteByte(sep)
		sep = '&'
		b.WriteString(name)
		if v := q.Get(name); v != "" {
			b.WriteString("=" + v)
		}
	}
	return b.String()
}

// oldHeaders are the x-amz- headers, and the token which presigning puts into the query.
func oldHeaders(r *http.Request) string {
	all := map[string]string{}
	for name, values := range r.Header {
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-") {
			all[n] = strings.Join(values, ",")
		}
	}
	for name, values := range r.URL.Query() {
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-") {
			all[n] = strings.Join(values, ",")
		}
	}
	names := make([]string, 0, len(all))
	for n := range all {
		names = append(names, n)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, n := range names {
		b.WriteString(n + ":" + strings.TrimSpace(all[n]) + "\n")
	}
	return b.String()
}
