package dataplane

import (
	"net/netip"
	"time"
)

// Pool is a target group.
type Pool struct {
	ID       string // its ARN
	Balancer string // whose interfaces dial its targets; "" = in use by none, so not checked
	Protocol string // HTTP, TCP
	Check    Check
	Sticky   int  // seconds of the AWSALB cookie; 0 = not
	Least    bool // least_outstanding_requests instead of round_robin
	Targets  []Target
}

// Check says how the health of a target is found.
type Check struct {
	Protocol  string // HTTP, TCP
	Port      uint16 // 0 = the target's own (traffic-port)
	Path      string
	Codes     string // AWS's matcher: "200", "200,202", "200-299"
	Interval  time.Duration
	Timeout   time.Duration
	Healthy   int // passes in a row that bring an unhealthy one back; a new one needs one
	Unhealthy int // failures in a row
}

// Target is one address of a pool.
type Target struct {
	Address netip.AddrPort
	Drain   bool // no new requests; those in flight may end
	// Wave names the rollout that registered it. Within a pool requests go to
	// the newest wave as soon as it has as many healthy targets as the one
	// before, so that a client does not meet old and new in turns. Targets
	// without a wave share all requests, as on AWS.
	Wave       string
	Registered time.Time
}
