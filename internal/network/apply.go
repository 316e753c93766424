package network

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/internal/network/kernel"
)

// The hardware addresses of an uplink's two ends, locally administered: every
// uplink is a wire of its own, so all may use the same.
const (
	edgeMAC = "02:70:73:00:00:01"
	vpcMAC  = "02:70:73:00:00:02"
)

// routerSysctls make a namespace a router. New links inherit "default".
func routerSysctls(proxyARP string) [][2]string {
	return [][2]string{
		{"net/ipv6/conf/all/disable_ipv6", "1"}, {"net/ipv6/conf/default/disable_ipv6", "1"},
		{"net/ipv4/ip_forward", "1"},
		{"net/ipv4/conf/all/rp_filter", "0"}, {"net/ipv4/conf/default/rp_filter", "1"},
		{"net/ipv4/conf/default/proxy_arp", proxyARP},
		{"net/ipv4/conf/all/send_redirects", "0"}, {"net/ipv4/conf/default/send_redirects", "0"},
		{"net/ipv4/conf/all/accept_redirects", "0"}, {"net/ipv4/conf/default/accept_redirects", "0"},
	}
}

// files are the ids of our namespace files of a kind ("vpc-").
func (p *Plane) files(prefix string) (ids []string) {
	entries, err := os.ReadDir(p.netns())
	if err != nil {
		return nil // none was made yet
	}
	for _, e := range entries {
		if id, ok := strings.CutPrefix(e.Name(), prefix); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// applyVPC brings one VPC in force, if it is not.
func (p *Plane) applyVPC(v VPCPlan) error {
	p.mu.Lock()
	l := p.vpcs[v.ID]
	if l == nil {
		l = &live{}
		p.vpcs[v.ID] = l
	}
	p.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	text := v.String()
	if l.text == text {
		return nil
	}
	if err := p.makeVPC(l, v.ID); err != nil {
		return err
	}
	if err := p.fill(l, v); err != nil {
		return err
	}
	if !slices.Equal(l.plan.Publics, v.Publics) || !slices.Equal(l.plan.Locals, v.Locals) {
		p.remade.Store(true)
	}
	l.plan, l.text = v, text
	p.mu.Lock()
	for id, vpc := range p.owners {
		if vpc == v.ID {
			delete(p.owners, id)
			delete(p.ports, id)
		}
	}
	for _, port := range v.Ports {
		p.ports[port.Interface], p.owners[port.Interface] = port, v.ID
	}
	p.mu.Unlock()
	return p.own(l, v)
}

// makeVPC finds or makes the namespace with its uplink.
func (p *Plane) makeVPC(l *live, id string) error {
	path := p.place(id)
	if l.ns != nil {
		if inode, err := kernel.Inode(path); err == nil && inode == l.inode && l.ns.Index(uplink) != 0 {
			return nil
		}
		l.ns.Close()
		l.ns = nil
	}
	ns, _, err := kernel.Ensure(path, routerSysctls("1"))
	if err != nil {
		return err
	}
	p.remade.Store(true)
	if l.inode, err = kernel.Inode(path); err != nil {
		ns.Close()
		return err
	}
	l.ns = ns
	if _, err := ns.Up(loopback); err != nil {
		return err
	}
	far := linkOf("v", id)
	if ns.Index(uplink) == 0 {
		if err := p.edge.Delete(far); err != nil { // of a namespace that was lost
			return err
		}
		if err := ns.Connect(kernel.Cable{Name: uplink, Peer: far, MAC: vpcMAC, PeerMAC: edgeMAC, MTU: p.mtu}, p.edge); err != nil {
			return err
		}
	}
	// The rest is done to a found one, too: the server that made it may have been killed here.
	// The whole internet is behind the uplink: sources are checked by nftables, and nothing is proxied.
	if err := ns.Sysctl([2]string{"net/ipv4/conf/" + uplink + "/rp_filter", "0"}, [2]string{"net/ipv4/conf/" + uplink + "/proxy_arp", "0"}); err != nil {
		return err
	}
	near, err := ns.Up(uplink)
	if err != nil {
		return err
	}
	other, err := p.edge.Up(far)
	if err != nil {
		return err
	}
	return errors.Join(ns.Neighbour(near, upVia, edgeMAC), p.edge.Neighbour(other, downVia, vpcMAC))
}

// fill puts addresses, rules and routes of v in force, rules first, so that no new
// way is open before what guards it.
func (p *Plane) fill(l *live, v VPCPlan) error {
	locals := make([]netip.Prefix, len(v.Locals))
	for i, a := range v.Locals {
		locals[i] = netip.PrefixFrom(a, 32)
	}
	if err := l.ns.SetAddresses(loopback, locals); err != nil {
		return err
	}
	if err := l.ns.Replace(v.Filter); err != nil {
		return err
	}
	if err := l.ns.SetRules(v.Rules); err != nil {
		return err
	}
	if err := p.dropStale(l, v); err != nil {
		return err
	}
	return l.ns.SetRoutes(append(slices.Clone(v.Routes), p.attached.routes(v.ID)...))
}

// dropStale removes the links of interfaces that are no more, and what conntrack
// knows of their addresses.
func (p *Plane) dropStale(l *live, v VPCPlan) error {
	if v.ID == ServiceVPC {
		return nil // its links come and go with their pods
	}
	want := map[string]bool{}
	for _, port := range v.Ports {
		want[port.Link] = true
	}
	links, err := l.ns.Links()
	if err != nil {
		return err
	}
	for name := range links {
		if strings.HasPrefix(name, "e") && !want[name] {
			if err := l.ns.Delete(name); err != nil {
				return err
			}
		}
	}
	stale := map[netip.Addr]bool{}
	for _, old := range l.plan.Ports {
		if !slices.Contains(v.Ports, old) {
			stale[old.Address.Addr()] = true
		}
	}
	if len(stale) == 0 {
		return nil
	}
	return l.ns.ForgetFlows(stale)
}

// own makes the namespaces of interfaces that have one of their own, and
// attaches again the pods that a lost namespace had.
func (p *Plane) own(l *live, v VPCPlan) error {
	var errs []error
	for _, port := range v.Ports {
		if !port.IsOwn {
			continue
		}
		if err := p.ownNamespace(l, port); err != nil {
			errs = append(errs, fmt.Errorf("interface %s: %w", port.Interface, err))
		}
	}
	for _, a := range p.attached.of(v.ID) {
		if err := p.reattach(l, a); err != nil {
			// The pod may be ending just now; its owner will see.
			p.d.Log.Warn("a pod could not be attached again", "pod", a.Pod, "error", err)
		}
	}
	return errors.Join(errs...)
}

func (p *Plane) ownNamespace(l *live, port Port) error {
	path := Place{"eni", port.Interface}.Path(p.netns())
	ns, made, err := kernel.Ensure(path, [][2]string{
		{"net/ipv6/conf/all/disable_ipv6", "1"}, {"net/ipv6/conf/default/disable_ipv6", "1"},
	})
	if err != nil {
		return err
	}
	defer ns.Close()
	if made {
		p.remade.Store(true)
	}
	if !made && ns.Index("eth0") != 0 && l.ns.IsUp(port.Link) {
		return nil
	}
	if _, err := ns.Up(loopback); err != nil {
		return err
	}
	return p.wire(l, ns, port)
}
