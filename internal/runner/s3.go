package runner

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
)

// objects is the object store as the build's role sees it, over the network of
// the build: a private subnet without a way to S3 has no way here either.
type objects struct {
	http        *http.Client
	clock       clock.Clock
	base        string // https://s3.REGION.amazonaws.com
	region      string
	credentials string
	keys        keys
}

// storeError is S3's answer to a refused request.
type storeError struct{ Code, Message string }

func (e *storeError) Error() string { return e.Code + ": " + e.Message }

// keysMargin is how long credentials must still live to be used for a transfer.
const keysMargin = 5 * time.Minute

// tries of one request: connections are cut when the server restarts.
const tries = 8

func (o *objects) do(ctx context.Context, make func() (*http.Request, error)) (*http.Response, error) {
	var last error
	for i, pause := 0, firstPause; i < tries; i, pause = i+1, min(2*pause, lastPause) {
		if i > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-o.clock.After(pause):
			}
		}
		now := o.clock.Now()
		if o.keys.AccessKeyId == "" || !o.keys.Expiration.IsZero() && o.keys.Expiration.Sub(now) < keysMargin {
			if o.keys, last = fetchKeys(ctx, o.http, o.credentials); last != nil {
				continue
			}
		}
		req, err := make()
		if err != nil {
			return nil, err
		}
		sign(req, o.keys, o.region, now)
		resp, err := o.http.Do(req)
		if err != nil {
			last = err
			continue
		}
		if resp.StatusCode < 300 {
			return resp, nil
		}
		last = refusal(resp)
		if resp.StatusCode < 500 {
			return nil, last
		}
	}
	return nil, last
}

func refusal(resp *http.Response) error {
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // what there is of it
	var e struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	if xml.Unmarshal(b, &e) == nil && e.Code != "" {
		return &storeError{e.Code, e.Message}
	}
	return &storeError{strings.ReplaceAll(http.StatusText(resp.StatusCode), " ", ""), resp.Status}
}

// get opens an object; version "" is the latest. The second result is its version.
func (o *objects) get(ctx context.Context, bucket, key, version string) (io.ReadCloser, string, error) {
	resp, err := o.do(ctx, func() (*http.Request, error) {
		u := o.base + "/" + bucket + "/" + escapeKey(key)
		if version != "" {
			u += "?versionId=" + url.QueryEscape(version)
		}
		return http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	})
	if err != nil {
		return nil, "", err
	}
	return resp.Body, resp.Header.Get("X-Amz-Version-Id"), nil
}

// put stores an object of size bytes; open gives its content from the beginning.
func (o *objects) put(ctx context.Context, bucket, key string, size int64, header http.Header, open func() (io.ReadCloser, error)) error {
	resp, err := o.do(ctx, func() (*http.Request, error) {
		body, err := open()
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, o.base+"/"+bucket+"/"+escapeKey(key), body)
		if err != nil {
			return nil, err
		}
		req.ContentLength = size
		if size == 0 {
			body.Close()
			req.Body = http.NoBody
		}
		for k, v := range header {
			req.Header[k] = v
		}
		return req, nil
	})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// object is one of a list.
type object struct {
	key      string
	modified time.Time
}

// list names the objects below prefix.
func (o *objects) list(ctx context.Context, bucket, prefix string) ([]object, error) {
	var all []object
	for token := ""; ; {
		q := url.Values{"list-type": {"2"}, "prefix": {prefix}}
		if token != "" {
			q.Set("continuation-token", token)
		}
		resp, err := o.do(ctx, func() (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, o.base+"/"+bucket+"?"+strings.ReplaceAll(q.Encode(), "+", "%20"), nil)
		})
		if err != nil {
			return nil, err
		}
		var page struct {
			Contents []struct {
				Key      string    `xml:"Key"`
				Modified time.Time `xml:"LastModified"`
			} `xml:"Contents"`
			Next string `xml:"NextContinuationToken"`
		}
		err = xml.NewDecoder(resp.Body).Decode(&page)
		resp.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("list s3://%s/%s: %w", bucket, prefix, err)
		}
		for _, c := range page.Contents {
			all = append(all, object{c.Key, c.Modified})
		}
		if token = page.Next; token == "" {
			return all, nil
		}
	}
}
