package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Claims is what temporary credentials say about their bearer.
type Claims struct {
	AccessKeyID string            `json:"k"`
	Account     string            `json:"a"`
	ARN         string            `json:"n"`           // of the session, or of the user or root
	PrincipalID string            `json:"p"`           // AROA…:session, AIDA…
	RoleARN     string            `json:"r,omitzero"`  // "" for GetSessionToken
	Policies    []string          `json:"s,omitempty"` // session policies
	Tags        map[string]string `json:"t,omitempty"`
	IssuedAt    int64             `json:"i"`
	ExpiresAt   int64             `json:"e"`
}

// Credentials are an access key with its secret; Token and Expires are set for
// temporary ones.
type Credentials struct {
	AccessKeyID, Secret, Token string
	Expires                    time.Time
}

// String keeps the secret out of logs and messages.
func (c Credentials) String() string { return c.AccessKeyID + " [redacted]" }

// RoleSession are the claims of a session of role.
func RoleSession(r Role, session string) Claims {
	return Claims{
		Account: r.Account, RoleARN: r.ARN(), PrincipalID: r.ID + ":" + session,
		ARN: "arn:aws:sts::" + r.Account + ":assumed-role/" + r.Name + "/" + session,
	}
}

// Mint makes temporary credentials that bear the claims until ttl from now.
func (k *Keyring) Mint(c Claims, now time.Time, ttl time.Duration) (Credentials, error) {
	c.AccessKeyID = ids.Unique("ASIA", "")[:20]
	c.IssuedAt, c.ExpiresAt = now.Unix(), now.Add(ttl).Unix()
	b, err := json.Marshal(c)
	if err != nil {
		return Credentials{}, fmt.Errorf("session token: %w", err)
	}
	m := k.newest()
	sealed := seal(m.token, m.header(), b, nil)
	return Credentials{
		AccessKeyID: c.AccessKeyID, Secret: m.sessionSecret(c.AccessKeyID),
		Token: base64.StdEncoding.EncodeToString(sealed), Expires: time.Unix(c.ExpiresAt, 0).UTC(),
	}, nil
}

// sessionSecret is 40 characters derived from the key id.
func (m *masterKey) sessionSecret(accessKeyID string) string {
	h := hmac.New(sha256.New, m.secret)
	h.Write([]byte(accessKeyID))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))[:40]
}

// OpenToken reads a session token; ok is false for one that is not ours.
func (k *Keyring) OpenToken(token string) (c Claims, secret string, ok bool) {
	sealed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token))
	if err != nil {
		return c, "", false
	}
	m, rest, err := k.find(sealed)
	if err != nil {
		return c, "", false
	}
	b, err := open(m.token, rest, nil)
	if err != nil || json.Unmarshal(b, &c) != nil {
		return c, "", false
	}
	return c, m.sessionSecret(c.AccessKeyID), true
}

// Caller is who bears the claims.
func (c Claims) Caller() op.Caller {
	return op.Caller{
		Scope: store.Scope{Account: c.Account}, ARN: c.ARN, PrincipalID: c.PrincipalID, AccessKeyID: c.AccessKeyID,
		Session: &op.Session{RoleARN: c.RoleARN, Policies: c.Policies, Tags: c.Tags, IssuedAt: c.IssuedAt},
	}
}
