package wire

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// How far a request's time may lie from ours.
const (
	skew        = 5 * time.Minute
	storageSkew = 15 * time.Minute
)

// verifier checks signatures.
type verifier struct {
	creds Credentials
	clock clock.Clock
	mu    sync.Mutex
	keys  map[keyID][]byte // derived signing keys: deriving is four HMACs
}

type keyID struct{ secret, date, region, service string }

// maxKeys bounds the cache; a key is used for one day in one region.
const maxKeys = 1024

func newVerifier(creds Credentials, clock clock.Clock) *verifier {
	return &verifier{creds: creds, clock: clock, keys: map[keyID][]byte{}}
}

// signer is a verified signature, as chunks of a stream are chained to it.
type signer struct {
	key   []byte
	auth  *authorization
	scope string
}

// check verifies a request's signature. payload is the hash that goes into the
// canonical request. An error that is neither nil nor a refusal is a failure.
func (v *verifier) check(ctx context.Context, c *call, payload string) (op.Caller, *signer, *refusal, error) {
	a := &c.auth
	switch a.scheme {
	case unsigned, otherAuth:
		return op.Caller{}, nil, &refusal{kind: noAuth}, nil
	}
	if f := v.inTime(a, c); f != nil {
		return op.Caller{}, nil, f, nil
	}
	secret, caller, err := v.creds.Lookup(ctx, a.key, a.token)
	if f, err := lookupRefusal(a, err); f != nil || err != nil {
		return op.Caller{}, nil, f, err
	}
	if a.scheme == byURLOld {
		return caller, nil, checkOld(c.r, a, secret), nil
	}
	if c.protocol == model.RESTXML {
		if f := unsignedAmz(c.r, a); f != nil {
			return op.Caller{}, nil, f, nil
		}
	}
	canonical := canonicalRequest(c.r, a, payload)
	s := &signer{key: v.signingKey(secret, a), auth: a, scope: strings.Join([]string{a.date, a.region, a.service, "aws4_request"}, "/")}
	sum := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{algorithm, a.stamp, s.scope, hex.EncodeToString(sum[:])}, "\n")
	if !hmac.Equal([]byte(hexMAC(s.key, toSign)), []byte(a.signature)) {
		return op.Caller{}, nil, &refusal{kind: badSignature, fields: map[string]string{
			"AWSAccessKeyId": a.key, "StringToSign": toSign, "SignatureProvided": a.signature, "CanonicalRequest": canonical,
		}}, nil
	}
	return caller, s, nil, nil
}

// lookupRefusal sorts what Lookup says.
func lookupRefusal(a *authorization, err error) (*refusal, error) {
	var e *op.Error
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &e):
		return nil, fmt.Errorf("look up access key %s: %w", a.key, err)
	case strings.HasPrefix(e.Code, "ExpiredToken"):
		return &refusal{kind: expiredToken}, nil
	case a.token != "":
		return &refusal{kind: badToken}, nil
	}
	return &refusal{kind: unknownKey, fields: map[string]string{"AWSAccessKeyId": a.key}}, nil
}

func (v *verifier) signingKey(secret string, a *authorization) []byte {
	id := keyID{secret, a.date, a.region, a.service}
	v.mu.Lock()
	defer v.mu.Unlock()
	if k, ok := v.keys[id]; ok {
		return k
	}
	if len(v.keys) >= maxKeys {
		clear(v.keys)
	}
	k := []byte("AWS4" + secret)
	for _, part := range []string{a.date, a.region, a.service, "aws4_request"} {
		k = mac(k, part)
	}
	v.keys[id] = k
	return k
}

// inTime refuses requests signed too long ago or ahead, and URLs that ran out.
func (v *verifier) inTime(a *authorization, c *call) *refusal {
	now := v.clock.Now().UTC()
	if a.scheme == byURLOld {
		return outdated(now, time.Unix(a.expires, 0).UTC(), nil)
	}
	if a.scheme == byURL {
		if a.at.After(now.Add(storageSkew)) {
			return &refusal{kind: expiredURL, detail: "Request is not valid yet"}
		}
		return outdated(now, a.at.Add(time.Duration(a.expires)*time.Second), map[string]string{"X-Amz-Expires": fmt.Sprint(a.expires)})
	}
	allowed := skew
	if c.protocol == model.RESTXML {
		allowed = storageSkew
	}
	minutes := int(allowed / time.Minute)
	var detail string
	switch {
	case a.at.Before(now.Add(-allowed)):
		detail = fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %d min.)", a.stamp, now.Add(-allowed).Format(stampForm), now.Format(stampForm), minutes)
	case a.at.After(now.Add(allowed)):
		detail = fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %d min.)", a.stamp, now.Add(allowed).Format(stampForm), now.Format(stampForm), minutes)
	default:
		return nil
	}
	if c.protocol == model.RESTXML {
		return &refusal{kind: expiredSignature, fields: map[string]string{
			"RequestTime": a.stamp, "ServerTime": now.Format(time.RFC3339), "MaxAllowedSkewMilliseconds": fmt.Sprint(allowed.Milliseconds()),
		}}
	}
	return &refusal{kind: expiredSignature, detail: detail}
}

func outdated(now, until time.Time, fields map[string]string) *refusal {
	if !now.After(until) {
		return nil
	}
	if fields == nil {
		fields = map[string]string{}
	}
	fields["Expires"], fields["ServerTime"] = until.Format(time.RFC3339), now.Format(time.RFC3339)
	return &refusal{kind: expiredURL, fields: fields}
}

// unsignedAmz refuses x-amz- headers that are not under the signature: S3 acts on
// them, so that a presigned URL would grant more than its maker meant.
func unsignedAmz(r *http.Request, a *authorization) *refusal {
	var loose []string
	for name := range r.Header {
		n := strings.ToLower(name)
		if strings.HasPrefix(n, "x-amz-") && !slices.Contains(a.headers, n) && !(a.scheme == byURL && n == "x-amz-content-sha256") {
			loose = append(loose, n)
		}
	}
	if len(loose) == 0 {
		return nil
	}
	slices.Sort(loose)
	return &refusal{kind: unsignedHeaders, fields: map[string]string{"HeadersNotSigned": strings.Join(loose, ", ")}}
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func hexMAC(key []byte, s string) string { return hex.EncodeToString(mac(key, s)) }
