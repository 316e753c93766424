package dataplane

import (
	"cmp"
	"net/netip"
	"slices"
)

// Snapshot is everything that the process does, whole.
type Snapshot struct {
	Number    uint64
	Origin    string         // the installation whose records these are: numbers are compared only within one
	Site      netip.AddrPort // the host's loopback port for all balancers; zero = none
	VPCs      []VPC
	Names     []Name
	Balancers []Balancer
	Listeners []Listener
	Pools     []Pool
}

// sort brings s into one order whatever the order of its records, so that equal
// records make equal bytes.
func (s *Snapshot) sort() {
	slices.SortFunc(s.VPCs, func(a, b VPC) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Names, func(a, b Name) int {
		return cmp.Or(cmp.Compare(a.VPC, b.VPC), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(s.Balancers, func(a, b Balancer) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Listeners, func(a, b Listener) int { return cmp.Compare(a.ID, b.ID) })
	for _, l := range s.Listeners {
		slices.SortStableFunc(l.Rules, func(a, b Rule) int { return cmp.Compare(a.order(), b.order()) })
	}
	slices.SortFunc(s.Pools, func(a, b Pool) int { return cmp.Compare(a.ID, b.ID) })
	for _, p := range s.Pools {
		slices.SortFunc(p.Targets, func(a, b Target) int { return a.Address.Compare(b.Address) })
	}
}

func (r Rule) order() int {
	if r.Priority == 0 {
		return 1 << 30
	}
	return r.Priority
}
