package network

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/penstock-ci/penstock/internal/network/kernel"
)

// AttachPod gives the namespace at path netns its eth0. Interface "": an address
// in the service namespace. Attaching what is attached already changes nothing; an
// interface that is attached elsewhere moves.
func (p *Plane) AttachPod(ctx context.Context, interfaceID, pod, netns, tag string) (netip.Addr, error) {
	l, port, err := p.locate(ctx, interfaceID, pod)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("attach pod %s: %w", pod, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone || l.ns == nil {
		return netip.Addr{}, fmt.Errorf("attach pod %s: the network of interface %s was deleted", pod, interfaceID)
	}
	inode, err := kernel.Inode(netns)
	if err != nil {
		p.attached.release(Attachment{Interface: interfaceID, Pod: pod, Address: port.Address.Addr()})
		return netip.Addr{}, fmt.Errorf("attach pod %s: %w", pod, err)
	}
	a := Attachment{Interface: interfaceID, Pod: pod, NetNS: netns, Tag: tag, VPC: l.plan.ID, Address: port.Address.Addr(), Port: port, Inode: inode}
	old, known := p.attached.get(a.key())
	if known && old.Inode == inode && l.ns.IsUp(port.Link) {
		if old == a {
			return a.Address, nil
		}
		return a.Address, p.attached.put(a)
	}
	if err := p.connect(l, a); err != nil {
		p.attached.release(a)
		return netip.Addr{}, fmt.Errorf("attach pod %s to interface %q: %w", pod, interfaceID, err)
	}
	return a.Address, p.attached.put(a)
}

// locate finds the VPC and the port of an interface; a new one of which no plan in force knows yet is published first.
func (p *Plane) locate(ctx context.Context, interfaceID, pod string) (*live, Port, error) {
	for again := range 2 {
		p.mu.Lock()
		vpc := p.owners[interfaceID]
		if interfaceID == "" {
			vpc = ServiceVPC
		}
		l, port := p.vpcs[vpc], p.ports[interfaceID]
		p.mu.Unlock()
		if l != nil {
			if interfaceID != "" {
				return l, port, nil
			}
			port, err := p.attached.service(pod)
			return l, port, err
		}
		if again == 0 {
			if _, err := p.Publish(ctx); err != nil {
				return nil, Port{}, err
			}
		}
	}
	return nil, Port{}, fmt.Errorf("there is no network interface %q", interfaceID)
}

func (p *Plane) connect(l *live, a Attachment) error {
	ns, err := kernel.Open(a.NetNS)
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := ns.Sysctl([2]string{"net/ipv6/conf/all/disable_ipv6", "1"}, [2]string{"net/ipv6/conf/default/disable_ipv6", "1"}); err != nil {
		return err
	}
	return p.wire(l, ns, a.Port)
}

// wire lays the cable between the VPC and ns, and makes both ends obey the port. The
// VPC's end comes up last: a cable whose end is up there was laid whole, whenever a
// server was killed.
func (p *Plane) wire(l *live, ns *kernel.Namespace, port Port) error {
	if l.ns.Index(port.Link) != 0 { // it led elsewhere
		if err := l.ns.Delete(port.Link); err != nil {
			return err
		}
	}
	const inside = "eth0"
	if err := l.ns.Connect(kernel.Cable{Name: port.Link, Peer: inside, PeerMAC: port.MAC, MTU: p.mtu}, ns); err != nil {
		return err
	}
	// An answer for a neighbour comes at once (the kernel waits up to 0.8 s for the real one).
	if err := l.ns.Sysctl([2]string{"net/ipv4/neigh/" + port.Link + "/proxy_delay", "0"}); err != nil {
		return err
	}
	if err := ns.SetAddresses(inside, []netip.Prefix{port.Address}); err != nil {
		return err
	}
	eth0, err := ns.Up(inside)
	if err != nil {
		return err
	}
	if err := ns.AddRoute(kernel.Route{To: anywhere, Link: inside, Via: port.Gateway}, eth0); err != nil {
		return err
	}
	near, err := l.ns.Up(port.Link)
	if err != nil {
		return err
	}
	if err := l.ns.AddRoute(kernel.Route{To: netip.PrefixFrom(port.Address.Addr(), 32), Link: port.Link}, near); err != nil {
		return err
	}
	// The end that came up first may send only once the kernel has worked off its
	// carrier event; to ask for the link makes it do so. Else a first ARP answer is lost, and the next comes after a second.
	if ns.Index(inside) == 0 {
		return fmt.Errorf("link %s in %s went away", inside, ns)
	}
	return nil
}

// reattach mends an attachment whose VPC's side was lost while the pod ran on.
func (p *Plane) reattach(l *live, a Attachment) error {
	inode, err := kernel.Inode(a.NetNS)
	if err != nil || inode != a.Inode || l.ns.IsUp(a.Port.Link) {
		return nil // the pod is gone, or nothing is wrong
	}
	return p.connect(l, a)
}

// DetachPod takes it away; gone already is success.
func (p *Plane) DetachPod(ctx context.Context, interfaceID, pod string) error {
	a, known := p.attached.get(Attachment{Interface: interfaceID, Pod: pod}.key())
	if !known || a.Pod != pod {
		return nil // another pod has the interface by now
	}
	p.mu.Lock()
	l := p.vpcs[a.VPC]
	p.mu.Unlock()
	if l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.ns != nil && !l.gone {
			if err := l.ns.Delete(a.Port.Link); err != nil {
				return fmt.Errorf("detach pod %s: %w", pod, err)
			}
			if err := l.ns.ForgetFlows(map[netip.Addr]bool{a.Address: true}); err != nil {
				return fmt.Errorf("detach pod %s: %w", pod, err)
			}
		}
	}
	return p.attached.remove(a)
}

// Attachment finds the pod that has an address in a VPC (or ServiceVPC).
func (p *Plane) Attachment(vpc string, a netip.Addr) (Attachment, bool) {
	for _, x := range p.attached.of(vpc) {
		if x.Address == a {
			return x, true
		}
	}
	return Attachment{}, false
}
