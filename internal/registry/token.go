package registry

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/op"
)

// TokenLife is how long a password of GetAuthorizationToken is good for.
const TokenLife = 12 * time.Hour

// User is the name that goes with a password.
const User = "AWS"

// Sealer is the keyring.
type Sealer interface {
	Seal(aad string, value []byte) ([]byte, error)
	Open(aad string, sealed []byte) ([]byte, error)
}

// Tokens makes and reads passwords. A password is its bearer's identity, sealed:
// there are no rows.
type Tokens struct {
	Keys  Sealer
	Clock clock.Clock
}

var (
	errToken   = errors.New("the password was not made by GetAuthorizationToken")
	errExpired = errors.New("the password has expired")
)

// place is what tokens are sealed for.
const place = "ecr authorization token"

type claims struct {
	Caller  op.Caller `json:"c"`
	Expires time.Time `json:"e"`
}

// Mint is a password that lets its bearer act as c.
func (t Tokens) Mint(c op.Caller, life time.Duration) (password string, expires time.Time, err error) {
	c.Key, c.RequestID, c.Origin = "", "", op.Origin{}
	expires = t.Clock.Now().Add(life)
	b, err := json.Marshal(claims{c, expires})
	if err != nil {
		return "", expires, fmt.Errorf("make registry password: %w", err)
	}
	sealed, err := t.Keys.Seal(place, b)
	if err != nil {
		return "", expires, fmt.Errorf("seal registry password: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), expires, nil
}

func (t Tokens) open(password string) (op.Caller, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(password)
	if err != nil {
		return op.Caller{}, errToken
	}
	b, err := t.Keys.Open(place, sealed)
	var k claims
	if err != nil || json.Unmarshal(b, &k) != nil {
		return op.Caller{}, errToken
	}
	if !t.Clock.Now().Before(k.Expires) {
		return op.Caller{}, errExpired
	}
	return k.Caller, nil
}
