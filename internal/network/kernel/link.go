package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Cable is a veth pair: one end here, the other in a namespace.
type Cable struct {
	Name, Peer   string
	MAC, PeerMAC string // "" = random
	MTU          int
}

// Links are the names of the namespace's links.
func (n *Namespace) Links() (map[string]bool, error) {
	links, err := n.links.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list the links of %s: %w", n, err)
	}
	out := make(map[string]bool, len(links))
	for _, l := range links {
		out[l.Attrs().Name] = true
	}
	return out, nil
}

// Index is the number of a link; 0 where there is none.
func (n *Namespace) Index(name string) int {
	l, err := n.links.LinkByName(name)
	if err != nil {
		return 0
	}
	return l.Attrs().Index
}

// IsUp tells whether there is such a link and it is up.
func (n *Namespace) IsUp(name string) bool { return n.upIndex(name) != 0 }

// upIndex is Index of a link that is up; 0 of one that is not.
func (n *Namespace) upIndex(name string) int {
	l, err := n.links.LinkByName(name)
	if err != nil || l.Attrs().Flags&net.FlagUp == 0 {
		return 0
	}
	return l.Attrs().Index
}

// Connect makes the pair, its peer in to; ErrExist if there is one of that name.
func (n *Namespace) Connect(c Cable, to *Namespace) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = c.Name, c.MTU
	mac, err := parseMAC(c.MAC)
	if err != nil {
		return err
	}
	attrs.HardwareAddr = mac
	peer, err := parseMAC(c.PeerMAC)
	if err != nil {
		return err
	}
	v := &netlink.Veth{LinkAttrs: attrs, PeerName: c.Peer, PeerHardwareAddr: peer, PeerMTU: uint32(c.MTU), PeerNamespace: netlink.NsFd(to.ns)}
	if err := n.links.LinkAdd(v); err != nil {
		return fmt.Errorf("make link %s in %s with %s in %s: %w", c.Name, n, c.Peer, to, err)
	}
	return nil
}

func parseMAC(s string) (net.HardwareAddr, error) {
	if s == "" {
		return nil, nil
	}
	mac, err := net.ParseMAC(s)
	if err != nil {
		return nil, fmt.Errorf("hardware address %q: %w", s, err)
	}
	return mac, nil
}

// Up brings a link up; it returns its index.
func (n *Namespace) Up(name string) (int, error) {
	l, err := n.links.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("find link %s in %s: %w", name, n, err)
	}
	if err := n.links.LinkSetUp(l); err != nil {
		return 0, fmt.Errorf("bring up %s in %s: %w", name, n, err)
	}
	return l.Attrs().Index, nil
}

// Delete removes a link and its peer; gone is success.
func (n *Namespace) Delete(name string) error {
	l, err := n.links.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil {
		err = n.links.LinkDel(l)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete link %s in %s: %w", name, n, err)
	}
	return nil
}

// MTU is a link's.
func (n *Namespace) MTU(name string) (int, error) {
	l, err := n.links.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("find link %s in %s: %w", name, n, err)
	}
	return l.Attrs().MTU, nil
}

// SetAddresses makes a link have exactly these addresses (besides 127.0.0.1).
func (n *Namespace) SetAddresses(name string, want []netip.Prefix) error {
	l, err := n.links.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s in %s: %w", name, n, err)
	}
	have, err := n.links.AddrList(l, unix.AF_INET)
	if err != nil {
		return fmt.Errorf("list the addresses of %s in %s: %w", name, n, err)
	}
	missing := map[string]netip.Prefix{}
	for _, p := range want {
		missing[p.String()] = p
	}
	for _, a := range have {
		text := a.IPNet.String()
		if _, ok := missing[text]; ok {
			delete(missing, text)
			continue
		}
		if a.IP.IsLoopback() {
			continue
		}
		if err := n.links.AddrDel(l, &a); err != nil {
			return fmt.Errorf("take address %s from %s in %s: %w", text, name, n, err)
		}
	}
	for _, p := range missing {
		if err := n.links.AddrReplace(l, &netlink.Addr{IPNet: ipNet(p)}); err != nil {
			return fmt.Errorf("give address %s to %s in %s: %w", p, name, n, err)
		}
	}
	return nil
}

// Neighbour fixes the hardware address behind an address on a link.
func (n *Namespace) Neighbour(link int, a netip.Addr, mac string) error {
	hw, err := parseMAC(mac)
	if err != nil {
		return err
	}
	err = n.links.NeighSet(&netlink.Neigh{LinkIndex: link, Family: unix.AF_INET, State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: hw})
	if err != nil {
		return fmt.Errorf("set neighbour %s in %s: %w", a, n, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// DeleteLinks removes the links whose names begin so.
func (n *Namespace) DeleteLinks(prefix string) error {
	links, err := n.Links()
	if err != nil {
		return err
	}
	for name := range links {
		if strings.HasPrefix(name, prefix) {
			if err := n.Delete(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// ethernet is the MTU where no default route tells one.
const ethernet = 1500

// UplinkMTU is that of the link by which the default route leaves.
func (n *Namespace) UplinkMTU() (int, error) {
	routes, err := n.links.RouteListFiltered(unix.AF_INET, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return 0, fmt.Errorf("list the routes of %s: %w", n, err)
	}
	for _, r := range routes {
		if r.Dst != nil && !r.Dst.IP.IsUnspecified() || r.LinkIndex == 0 {
			continue
		}
		l, err := n.links.LinkByIndex(r.LinkIndex)
		if err != nil {
			return 0, fmt.Errorf("find the uplink of %s: %w", n, err)
		}
		return l.Attrs().MTU, nil
	}
	return ethernet, nil
}
