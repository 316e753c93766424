// Package ids makes identifiers in AWS's forms. An id made by an internal change is
// derived from the change's key, so that a repeat makes the same one.
package ids

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

const (
	lower = "abcdefghijklmnopqrstuvwxyz0123456789"
	upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// bytes derives n ≤ 32 bytes from seed and purpose, or takes random ones for an empty seed.
func bytes(seed, purpose string, n int) []byte {
	if seed == "" {
		b := make([]byte, n)
		rand.Read(b) // never fails: crypto/rand crashes the program instead
		return b
	}
	h := sha256.Sum256([]byte(purpose + "\x00" + seed))
	return h[:n]
}

// UUID is a version 4 UUID. seed "" is random.
func UUID(seed string) string {
	b := bytes(seed, "uuid", 16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// Resource is an EC2 id: prefix, dash, 17 hex digits ("vpc-0a1b…").
func Resource(prefix, seed string) string {
	return prefix + "-" + hex.EncodeToString(bytes(seed, prefix, 9))[:17]
}

// Hex is n ≤ 64 hex digits, as in ECS task ids (32) and load-balancer ids (16).
func Hex(n int, seed string) string { return hex.EncodeToString(bytes(seed, "hex", 32))[:n] }

// Lower is n ≤ 32 lower-case letters and digits.
func Lower(n int, seed string) string { return pick(lower, n, bytes(seed, "lower", 32)) }

// Unique is an IAM unique id: prefix (AIDA, AROA, AKIA, ASIA …) and 17 upper-case characters.
func Unique(prefix, seed string) string { return prefix + pick(upper, 17, bytes(seed, prefix, 32)) }

func pick(alphabet string, n int, b []byte) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(out)
}
