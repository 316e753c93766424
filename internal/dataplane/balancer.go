package dataplane

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/penstock-ci/penstock/internal/network"
)

// Balancer is a load balancer: where its listeners open and how it treats
// connections.
type Balancer struct {
	ID         string // its ARN
	VPC        string
	Fronts     []Front    // one per interface
	Hosts      []string   // names by which the host's one loopback port tells it apart, from its own to AWS's DNS name; none = not reachable from the host
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
	ClientPort   bool          // routing.http.xff_client_port.enabled
}

// SiteDomain is what follows a balancer's name on the host's one loopback port.
const SiteDomain = ".elb.localhost"

// URLs are where the host reaches b's listener: by name on the one port of site,
// then by the loopback address of its own. Other ports than the one that the
// bare name leads to go in front of the name.
func (b Balancer) URLs(l Listener, primary bool, site netip.AddrPort) (out []string) {
	if len(b.Hosts) == 0 {
		return nil
	}
	if l.Protocol == HTTP && site.IsValid() {
		host := b.Hosts[0] + SiteDomain
		if !primary {
			host = strconv.Itoa(int(l.Port)) + "." + host
		}
		out = append(out, "http://"+host+":"+strconv.Itoa(int(site.Port())))
	}
	if b.Loopback.IsValid() {
		scheme := "tcp://"
		if l.Protocol == HTTP {
			scheme = "http://"
		}
		out = append(out, scheme+netip.AddrPortFrom(b.Loopback, l.Port).String())
	}
	return out
}

// Primary is the listener that b's bare name leads to: port 80, else the lowest.
func Primary(ls []Listener) (best Listener, ok bool) {
	for _, l := range ls {
		if l.Protocol == HTTP && (!ok || l.Port == 80 || best.Port != 80 && l.Port < best.Port) {
			best, ok = l, true
		}
	}
	return best, ok
}

// Reach is how the host reaches a balancer.
type Reach struct {
	Name, DNSName string
	URLs          []string
}

// Reach finds the balancer that is named, by name, ARN or host name; found is false
// where there is none that the host reaches.
func (s Snapshot) Reach(name string) (r Reach, found bool) {
	for _, b := range s.Balancers {
		if len(b.Hosts) == 0 || b.ID != name && !slices.Contains(b.Hosts, name) {
			continue
		}
		var ls []Listener
		for _, l := range s.Listeners {
			if l.Balancer == b.ID {
				ls = append(ls, l)
			}
		}
		r = Reach{Name: b.Hosts[0], DNSName: b.Hosts[len(b.Hosts)-1]}
		primary, _ := Primary(ls)
		for _, l := range ls {
			r.URLs = append(r.URLs, b.URLs(l, l.ID == primary.ID, s.Site)...)
		}
		return r, true
	}
	return r, false
}
