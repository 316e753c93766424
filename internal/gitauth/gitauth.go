// Package gitauth is the password of AWS CodeCommit's credential helper: a
// signature (AWS Signature Version 4 over the pseudo-method GIT) by an access key,
// which Git sends as a Basic password. The helper makes it, the server checks it.
package gitauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

const stamp = "20060102T150405"

// Life is how long the server takes a password after its instant: as long as a
// slow clone's later requests may need, which is what AWS grants.
const Life = 15 * time.Minute

// Password signs path ("/v1/repos/NAME") on host, which is without port.
func Password(secret, region, host, path string, at time.Time) string {
	at = at.UTC()
	return at.Format(stamp) + "Z" + signature(secret, region, host, path, at)
}

// Check is nil if password is of the secret for host and path and not older than Life.
func Check(password, secret, region, host, path string, now time.Time) error {
	if len(password) < len(stamp)+1 || password[len(stamp)] != 'Z' {
		return fmt.Errorf("the password is not a signature of the credential helper")
	}
	at, err := time.Parse(stamp, password[:len(stamp)])
	if err != nil {
		return fmt.Errorf("the password's instant: %w", err)
	}
	if d := now.Sub(at); d > Life || d < -Life {
		return fmt.Errorf("the password of %s has expired", at.Format(time.RFC3339))
	}
	want := signature(secret, region, host, path, at)
	if !hmac.Equal([]byte(password[len(stamp)+1:]), []byte(want)) {
		return fmt.Errorf("the password's signature does not match")
	}
	return nil
}

func signature(secret, region, host, path string, at time.Time) string {
	canonical := "GIT\n" + path + "\n\nhost:" + host + "\n\nhost\n"
	day := at.Format("20060102")
	hash := sha256.Sum256([]byte(canonical))
	toSign := "AWS4-HMAC-SHA256\n" + at.Format(stamp) + "\n" + day + "/" + region + "/codecommit/aws4_request\n" + hex.EncodeToString(hash[:])
	key := []byte("AWS4" + secret)
	for _, part := range []string{day, region, "codecommit", "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}
