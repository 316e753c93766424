package balance

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"net/http"

	"github.com/penstock-ci/penstock/internal/dataplane"
)

// Cookies by which a client keeps its target and its target group.
const (
	targetCookie = "AWSALB"
	groupCookie  = "AWSALBTG"
)

// share chooses a pool by weight, or the one that the client's cookie names.
func share(f dataplane.Forward, r *http.Request, h *hop) string {
	if f.Sticky > 0 {
		if c, err := r.Cookie(groupCookie); err == nil {
			if id := open(c.Value); weighted(f, id) {
				return id
			}
		}
	}
	id := draw(f.Pools)
	if f.Sticky > 0 && id != "" {
		h.cookies = append(h.cookies, cookie(groupCookie, id, f.Sticky))
	}
	return id
}

func weighted(f dataplane.Forward, id string) bool {
	for _, p := range f.Pools {
		if p.Pool == id && p.Weight > 0 {
			return true
		}
	}
	return false
}

func draw(pools []dataplane.Share) string {
	if len(pools) == 1 && pools[0].Weight > 0 {
		return pools[0].Pool
	}
	sum := 0
	for _, p := range pools {
		sum += p.Weight
	}
	if sum == 0 {
		return ""
	}
	n := rand.IntN(sum)
	for _, p := range pools {
		if n -= p.Weight; n < 0 {
			return p.Pool
		}
	}
	return ""
}

// want reads the target that the client's cookie names.
func want(h *hop, r *http.Request) {
	if h.pool.sticky() == 0 {
		return
	}
	if c, err := r.Cookie(targetCookie); err == nil {
		h.wanted = open(c.Value)
	}
}

// stick gives the client the cookie of the target that answered.
func stick(h *hop, t *target) {
	if s := h.pool.sticky(); s > 0 {
		h.cookies = append(h.cookies, cookie(targetCookie, t.addr.String(), s))
	}
}

func (p *pool) sticky() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spec.Sticky
}

func cookie(name, value string, seconds int) *http.Cookie {
	b, _ := json.Marshal(value) // a string always can be
	return &http.Cookie{Name: name, Value: base64.RawURLEncoding.EncodeToString(b), Path: "/", MaxAge: seconds}
}

func open(value string) (s string) {
	if b, err := base64.RawURLEncoding.DecodeString(value); err == nil {
		_ = json.Unmarshal(b, &s) // a cookie that is not ours names nothing
	}
	return s
}
