package network

import (
	"context"
	"net/netip"

	"github.com/penstock-ci/penstock/internal/store"
)

// Network is what the data plane must know of a VPC: where its resolver lies and
// as whom its packets come to the edge.
type Network struct {
	ID      string
	CIDRs   []netip.Prefix
	Sources []netip.Addr
}

// Networks are all VPCs at one commit, the service namespace among them.
func (r *Records) Networks(ctx context.Context, rd store.Reader) ([]Network, error) {
	s, err := r.State(ctx, rd)
	if err != nil {
		return nil, err
	}
	out := []Network{{ID: ServiceVPC, CIDRs: []netip.Prefix{ServiceCIDR}, Sources: []netip.Addr{servicePublic}}}
	for _, v := range s.VPCs {
		out = append(out, Network{ID: v.ID, CIDRs: v.CIDRs, Sources: newWorld(s, v).publics()})
	}
	return out, nil
}
