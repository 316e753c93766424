package ecs

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"

	"github.com/penstock-ci/penstock/internal/ids"
)

// digits is a decimal number of n ≤ 19 digits derived from seed, as in
// "ecs-svc/6218331459871023844".
func digits(n int, seed string) string {
	if seed == "" {
		seed = ids.Hex(64, "")
	}
	h := sha256.Sum256([]byte("digits\x00" + seed))
	d := strconv.FormatUint(binary.BigEndian.Uint64(h[:8])%9e18+1e18, 10)
	return d[:n]
}

// deploymentID is the id of a deployment, and of what AWS calls its task set.
func deploymentID(seed string) string { return "ecs-svc/" + digits(19, seed) }
