// Package resolver is the DNS server of every VPC: it answers the names that
// Penstock owns and forwards the rest to the host's resolver. The data plane's
// process opens its sockets; the package itself opens only those to the
// host's resolver.
package resolver

import (
	"net/netip"
	"strings"

	"github.com/penstock-ci/penstock/internal/dataplane"
)

// Table is what the names of one snapshot resolve to.
type Table struct {
	everywhere map[string][]netip.Addr
	vpcs       map[string]vpc
}

type vpc struct {
	names map[string][]netip.Addr
	cidrs []netip.Prefix
}

// NewTable indexes the names of s.
func NewTable(s dataplane.Snapshot) *Table {
	t := &Table{everywhere: map[string][]netip.Addr{}, vpcs: map[string]vpc{}}
	for _, v := range s.VPCs {
		t.vpcs[v.ID] = vpc{map[string][]netip.Addr{}, v.CIDRs}
	}
	for _, n := range s.Names {
		name := strings.ToLower(strings.TrimSuffix(n.Name, "."))
		if n.VPC == "" {
			t.everywhere[name] = n.Addresses
		} else if v, ok := t.vpcs[n.VPC]; ok {
			v.names[name] = n.Addresses
		}
	}
	return t
}

// Kinds of answers.
const (
	forward = iota // not ours
	found
	missing // ours, and there is no such name
)

// resources are the zones in which each name stands for a resource: one that has
// no record does not exist, where any other AWS name is a service's.
var resources = []string{".elb.", ".rds."}

// lookup finds name, lower case and without its final dot.
func (t *Table) lookup(vpcID, name string) (addrs []netip.Addr, kind int) {
	v := t.vpcs[vpcID]
	if a, ok := v.names[name]; ok {
		return a, found
	}
	if a, ok := t.everywhere[name]; ok {
		return a, found
	}
	if a, ok := v.host(name); ok {
		return []netip.Addr{a}, found
	}
	service, ok := strings.CutSuffix(name, ".amazonaws.com")
	switch {
	case !ok && name != "amazonaws.com" && !strings.HasSuffix(name, ".internal"):
		return nil, forward
	case !ok:
		return nil, missing
	case isResource(service):
		return nil, missing
	}
	return []netip.Addr{dataplane.ServiceAddress}, found
}

// isResource tells name.region.elb from elasticloadbalancing.region.
func isResource(service string) bool {
	for _, zone := range resources {
		if strings.Contains(service+".", zone) {
			return true
		}
	}
	return false
}

// host answers the private names that follow from an address, as EC2's do:
// ip-10-0-1-5, ip-10-0-1-5.ec2.internal, ip-10-0-1-5.eu-west-1.compute.internal.
func (v vpc) host(name string) (netip.Addr, bool) {
	label, domain, _ := strings.Cut(name, ".")
	if domain != "" && domain != "ec2.internal" && !strings.HasSuffix(domain, ".compute.internal") {
		return netip.Addr{}, false
	}
	digits, ok := strings.CutPrefix(label, "ip-")
	if !ok {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(strings.ReplaceAll(digits, "-", "."))
	if err != nil || !a.Is4() || !v.owns(a) {
		return netip.Addr{}, false
	}
	return a, true
}

func (v vpc) owns(a netip.Addr) bool {
	for _, c := range v.cidrs {
		if c.Contains(a) {
			return true
		}
	}
	return false
}

// reverse is the name of an address of the VPC; ours tells whether the question
// is for a private address at all, which no resolver outside can answer.
func (t *Table) reverse(vpcID, name string) (host string, ours bool) {
	digits, ok := strings.CutSuffix(name, ".in-addr.arpa")
	if !ok {
		return "", false
	}
	p := strings.Split(digits, ".")
	if len(p) != 4 {
		return "", false
	}
	a, err := netip.ParseAddr(p[3] + "." + p[2] + "." + p[1] + "." + p[0])
	if err != nil {
		return "", false
	}
	if t.vpcs[vpcID].owns(a) {
		return "ip-" + strings.ReplaceAll(a.String(), ".", "-") + ".ec2.internal", true
	}
	return "", a.IsPrivate() || a.IsLinkLocalUnicast()
}
