package wire

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// authorization is what a request says of its signature.
type authorization struct {
	scheme    scheme
	key       string // access key id
	date      string // of the scope: 20261126
	region    string
	service   string
	headers   []string // signed headers, lower case
	signature string
	token     string
	at        time.Time
	stamp     string // at, as sent
	expires   int64  // of presigned URLs: seconds from at; of version 2: epoch seconds
}

type scheme int

const (
	unsigned  scheme = iota
	byHeader         // Authorization: AWS4-HMAC-SHA256 …
	byURL            // X-Amz-Signature in the query
	byURLOld         // AWSAccessKeyId, Signature, Expires in the query: signature version 2
	otherAuth        // Basic, Bearer, a version that is not spoken
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	stampForm  = "20060102T150405Z"
	longestURL = 7 * 24 * 3600
)

// readAuth reads a request's authorization. A refusal comes with as much as could
// be read, so that the answer has the service's form.
func readAuth(r *http.Request, q url.Values) (authorization, *refusal) {
	switch h := r.Header.Get("Authorization"); {
	case strings.HasPrefix(h, algorithm):
		return readHeaderAuth(r, h)
	case h != "":
		return authorization{scheme: otherAuth}, nil
	}
	switch {
	case q.Has("X-Amz-Signature") || q.Has("X-Amz-Credential") || q.Has("X-Amz-Algorithm"):
		return readURLAuth(q)
	case q.Has("AWSAccessKeyId") || q.Has("Signature"):
		return readOldURLAuth(q)
	}
	return authorization{}, nil
}

func readHeaderAuth(r *http.Request, h string) (a authorization, f *refusal) {
	a.scheme = byHeader
	a.token = r.Header.Get("X-Amz-Security-Token")
	var signed, credential bool
	for part := range strings.SplitSeq(strings.TrimPrefix(h, algorithm), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			credential = a.scope(value)
		case "SignedHeaders":
			a.headers, signed = splitSigned(value), value != ""
		case "Signature":
			a.signature = value
		}
	}
	switch {
	case !credential:
		return a, &refusal{kind: malformedAuth, detail: "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, in the Authorization header"}
	case !signed:
		return a, &refusal{kind: malformedAuth, detail: "Authorization header requires 'SignedHeaders' parameter."}
	case !isDigest(a.signature):
		return a, &refusal{kind: malformedAuth, detail: "Authorization header requires 'Signature' parameter."}
	case !slices.Contains(a.headers, "host"):
		return a, &refusal{kind: malformedAuth, detail: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."}
	}
	if a.at, a.stamp = requestTime(r.Header); a.stamp == "" {
		return a, &refusal{kind: malformedAuth, detail: "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."}
	}
	if !strings.HasPrefix(a.at.Format(stampForm), a.date) {
		return a, &refusal{kind: badSignature, detail: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" + a.date + "' != '" + a.at.Format("20060102") + "'"}
	}
	return a, nil
}

// requestTime is the instant that the request was signed for, and the same as it
// goes into the string to sign.
func requestTime(h http.Header) (time.Time, string) {
	if s := h.Get("X-Amz-Date"); s != "" {
		if t, err := time.Parse(stampForm, s); err == nil {
			return t, s
		}
		return time.Time{}, ""
	}
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t, t.UTC().Format(stampForm)
	}
	return time.Time{}, ""
}

// scope reads KEY/DATE/REGION/SERVICE/aws4_request.
func (a *authorization) scope(credential string) bool {
	p := strings.Split(credential, "/")
	if len(p) != 5 || slices.Contains(p, "") || p[4] != "aws4_request" || len(p[1]) != 8 {
		return false
	}
	a.key, a.date, a.region, a.service = p[0], p[1], p[2], p[3]
	return true
}

func splitSigned(s string) []string { return strings.Split(strings.ToLower(s), ";") }

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

func readURLAuth(q url.Values) (a authorization, f *refusal) {
	a.scheme = byURL
	a.token = q.Get("X-Amz-Security-Token")
	good := a.scope(q.Get("X-Amz-Credential"))
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders"} {
		if q.Get(name) == "" {
			return a, &refusal{kind: badQueryAuth}
		}
	}
	expires := q.Get("X-Amz-Expires")
	if expires == "" && a.service == "s3" {
		return a, &refusal{kind: badQueryAuth}
	}
	a.headers, a.signature, a.stamp = splitSigned(q.Get("X-Amz-SignedHeaders")), q.Get("X-Amz-Signature"), q.Get("X-Amz-Date")
	var err error
	switch {
	case !good:
		return a, &refusal{kind: badQueryAuth, detail: "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."}
	case q.Get("X-Amz-Algorithm") != algorithm:
		return a, &refusal{kind: badQueryAuth, detail: "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\""}
	case !slices.Contains(a.headers, "host"):
		return a, &refusal{kind: badQueryAuth, detail: "X-Amz-SignedHeaders must contain host"}
	}
	if a.at, err = time.Parse(stampForm, a.stamp); err != nil || a.stamp[:8] != a.date {
		return a, &refusal{kind: badQueryAuth, detail: "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""}
	}
	a.expires = 15 * 60 // presigned STS calls need not say
	if expires != "" {
		if a.expires, err = strconv.ParseInt(expires, 10, 64); err != nil {
			return a, &refusal{kind: badQueryAuth, detail: "X-Amz-Expires should be a number"}
		}
	}
	switch {
	case a.expires < 0:
		return a, &refusal{kind: badQueryAuth, detail: "X-Amz-Expires must be non-negative"}
	case a.expires > longestURL:
		return a, &refusal{kind: badQueryAuth, detail: "X-Amz-Expires must be less than a week (in seconds) that is 604800 seconds"}
	}
	return a, nil
}

func readOldURLAuth(q url.Values) (a authorization, f *refusal) {
	a.scheme, a.service = byURLOld, "s3"
	a.key, a.signature, a.token = q.Get("AWSAccessKeyId"), q.Get("Signature"), q.Get("x-amz-security-token")
	var err error
	if a.expires, err = strconv.ParseInt(q.Get("Expires"), 10, 64); err != nil || a.key == "" || a.signature == "" {
		return a, &refusal{kind: badV2Auth}
	}
	return a, nil
}
