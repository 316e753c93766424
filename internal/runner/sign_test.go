package runner

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/gitauth"
)

var signTime = time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)

// The signatures were made by botocore 1.43 of the same requests.
func TestSignaturesAreThoseOfBotocore(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, url string
		header      http.Header
		want        string
	}{
		"key with special characters": {http.MethodGet, "https://s3.us-east-1.amazonaws.com/bucket/" + escapeKey("a b/c+d(e)~f.zip") + "?versionId=v%2F1", nil, "c50fc479a1d83d225b77605091a421f1d6db120d46b41e299b69b153c39c8638"},
		"list":                        {http.MethodGet, "https://s3.us-east-1.amazonaws.com/bucket?list-type=2&prefix=a%2Fb%20c", nil, "09927b96cc89e5a1ff04a717e646c6cb197c43710e1153e93476823d5ea7e115"},
		"put with metadata":           {http.MethodPut, "https://s3.us-east-1.amazonaws.com/bucket/k", http.Header{"X-Amz-Meta-Codebuild-Buildarn": {"arn:x"}}, "99faa2a3cfbee710519bdaea5cb86ebd987806d660027aaefe76330f5700a8a6"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequest(tc.method, tc.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range tc.header {
				req.Header[k] = v
			}
			sign(req, keys{AccessKeyId: "AKIDEXAMPLE", SecretAccessKey: "secret", Token: "tok"}, "us-east-1", signTime)
			if _, got, _ := strings.Cut(req.Header.Get("Authorization"), "Signature="); got != tc.want {
				t.Errorf("%s", req.Header.Get("Authorization"))
			}
		})
	}
}

func TestGitPasswordIsWhatCodeCommitChecks(t *testing.T) {
	t.Parallel()
	const host, path = "git-codecommit.us-east-1.amazonaws.com", "/v1/repos/app"
	got := codeCommitPassword(keys{AccessKeyId: "A", SecretAccessKey: "secret"}, "us-east-1", host, path, signTime)
	if err := gitauth.Check(got, "secret", "us-east-1", host, path, signTime.Add(time.Minute)); err != nil {
		t.Error(err)
	}
}

func TestCredentialHelperLeavesOtherHostsAlone(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := gitCredential("get", strings.NewReader("protocol=https\nhost=github.com\npath=a/b\n"), &out); err != nil || out.Len() > 0 {
		t.Errorf("%v %q", err, out.String())
	}
}
