package dataplane

import (
	"net/netip"
	"time"

	"github.com/penstock-ci/penstock/internal/network"
)

// Balancer is a load balancer: where its listeners open and how it treats
// connections.
type Balancer struct {
	ID         string // its ARN
	VPC        string
	Fronts     []Front    // one per interface
	Hosts      []string   // names by which the host's one loopback port tells it apart; none = not reachable from the host
	Loopback   netip.Addr // an address of its own on the host, best effort
	Attributes BalancerAttributes
}

// Front is an interface of a balancer.
type Front struct {
	Place   network.Place
	Address netip.Addr
}

// BalancerAttributes are those of AWS's load balancer attributes that change what happens to requests.
type BalancerAttributes struct {
	Idle         time.Duration // of a connection without bytes; 0 = 60 s
	ForwardedFor string        // append (default), preserve, remove
	KeepHost     bool          // routing.http.preserve_host_header.enabled: leave out the port that AWS leaves out, or keep as sent
	ClientPort   bool          // routing.http.xff_client_port.enabled
	DropInvalid  bool          // routing.http.drop_invalid_header_fields.enabled
}
