package runner

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"
)

// keys are the session credentials of the build's role.
type keys struct {
	AccessKeyId, SecretAccessKey, Token string
	Expiration                          time.Time
}

// fetchKeys asks the address that the commands' AWS clients ask too.
func fetchKeys(ctx context.Context, h *http.Client, address string) (keys, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return keys{}, fmt.Errorf("credentials of the build's role: %w", err)
	}
	resp, err := h.Do(req)
	if err != nil {
		return keys{}, fmt.Errorf("credentials of the build's role: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return keys{}, fmt.Errorf("credentials of the build's role: %s", resp.Status)
	}
	var k keys
	if err := json.NewDecoder(resp.Body).Decode(&k); err != nil {
		return keys{}, fmt.Errorf("credentials of the build's role: %w", err)
	}
	return k, nil
}

const (
	amzDate         = "20060102T150405Z"
	unsignedPayload = "UNSIGNED-PAYLOAD" // bodies are streamed; TLS protects them
)

// sign puts a version 4 signature of service s3 on req.
func sign(req *http.Request, k keys, region string, now time.Time) {
	stamp := now.UTC().Format(amzDate)
	req.Header.Set("X-Amz-Date", stamp)
	req.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
	if k.Token != "" {
		req.Header.Set("X-Amz-Security-Token", k.Token)
	}
	headers := map[string]string{"host": req.URL.Host}
	for name, v := range req.Header {
		if l := strings.ToLower(name); strings.HasPrefix(l, "x-amz-") {
			headers[l] = strings.TrimSpace(strings.Join(v, ","))
		}
	}
	var names []string
	for n := range headers {
		names = append(names, n)
	}
	sort.Strings(names)
	var canonical strings.Builder
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", req.Method, req.URL.EscapedPath(), strings.ReplaceAll(req.URL.Query().Encode(), "+", "%20"))
	for _, n := range names {
		fmt.Fprintf(&canonical, "%s:%s\n", n, headers[n])
	}
	signed := strings.Join(names, ";")
	fmt.Fprintf(&canonical, "\n%s\n%s", signed, unsignedPayload)
	scope := stamp[:8] + "/" + region + "/s3/aws4_request"
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		k.AccessKeyId, scope, signed, signature(k.SecretAccessKey, scope, stamp, canonical.String())))
}

// signature of a canonical request.
func signature(secret, scope, stamp, canonical string) string {
	digest := sha256.Sum256([]byte(canonical))
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(digest[:])
	key := []byte("AWS4" + secret)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// escapeKey is an object's key as a path, each byte that S3 escapes escaped.
func escapeKey(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.QueryEscape(p), "+", "%20")
	}
	return strings.Join(parts, "/")
}
