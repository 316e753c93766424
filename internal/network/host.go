package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/penstock-ci/penstock/internal/network/kernel"
)

// The host's part carries the installation's id: link, nftables table, comments.
func (p *Plane) hostLinkName() string  { return "pst-" + p.d.Installation }
func (p *Plane) hostTableName() string { return "penstock-" + p.d.Installation }
func (p *Plane) claims() string        { return filepath.Join(filepath.Dir(p.d.Root), "claims") }

// claimLink takes one /30 for the link between edge and host that no other
// installation of this machine has.
func (p *Plane) claimLink() (netip.Prefix, error) {
	if err := os.MkdirAll(p.claims(), 0o755); err != nil {
		return netip.Prefix{}, fmt.Errorf("make the folder of claims: %w", err)
	}
	free := -1
	count := 1 << (30 - hostLinks.Bits())
	for n := range count {
		b, err := os.ReadFile(p.claim(n))
		switch {
		case err == nil && strings.TrimSpace(string(b)) == p.d.Installation:
			return linkPrefix(n), nil
		case errors.Is(err, fs.ErrNotExist):
			if free < 0 {
				free = n
			}
			if n > free+64 { // claims are dense: nothing of ours lies further on
				return p.takeLink(free, count)
			}
		case err != nil:
			return netip.Prefix{}, fmt.Errorf("read a claim: %w", err)
		}
	}
	return p.takeLink(max(free, 0), count)
}

func (p *Plane) takeLink(from, count int) (netip.Prefix, error) {
	for n := from; n < count; n++ {
		f, err := os.OpenFile(p.claim(n), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("claim a link to the host: %w", err)
		}
		_, err = f.WriteString(p.d.Installation + "\n")
		return linkPrefix(n), errors.Join(err, f.Close())
	}
	return netip.Prefix{}, fmt.Errorf("all links of %s are claimed: remove the claims of installations that are no more from %s", hostLinks, p.claims())
}

func (p *Plane) claim(n int) string { return filepath.Join(p.claims(), fmt.Sprintf("link-%d", n)) }

func linkPrefix(n int) netip.Prefix {
	b := hostLinks.Addr().As4()
	b[2] += byte(n >> 6)
	b[3] = byte(n << 2)
	return netip.PrefixFrom(netip.AddrFrom4(b), 30)
}

// makeEdge finds or makes the edge and everything on the host.
func (p *Plane) makeEdge() error {
	if p.edge != nil {
		p.edge.Close()
		p.edge = nil
	}
	edge, _, err := kernel.Ensure(Edge.Path(p.netns()), routerSysctls("0"))
	if err != nil {
		return err
	}
	p.edge = edge
	if edge.Index(hostLink) == 0 || p.host.Index(p.hostLinkName()) == 0 {
		if _, err := edge.Up(loopback); err != nil {
			return err
		}
		if err := p.host.Delete(p.hostLinkName()); err != nil {
			return err
		}
		if err := p.host.Connect(kernel.Cable{Name: p.hostLinkName(), Peer: hostLink, MTU: p.mtu}, edge); err != nil {
			return err
		}
	}
	near, far := p.link.Addr().Next(), p.link.Addr().Next().Next()
	if err := p.host.Sysctl([2]string{"net/ipv6/conf/" + p.hostLinkName() + "/disable_ipv6", "1"}); err != nil {
		return err
	}
	if err := p.host.SetAddresses(p.hostLinkName(), []netip.Prefix{netip.PrefixFrom(near, p.link.Bits())}); err != nil {
		return err
	}
	if err := edge.SetAddresses(hostLink, []netip.Prefix{netip.PrefixFrom(far, p.link.Bits())}); err != nil {
		return err
	}
	if err := edge.SetAddresses(loopback, []netip.Prefix{netip.PrefixFrom(ServiceAddress, 32)}); err != nil {
		return err
	}
	if _, err := p.host.Up(p.hostLinkName()); err != nil {
		return err
	}
	index, err := edge.Up(hostLink)
	if err != nil {
		return err
	}
	if err := edge.Replace(edgeFilter()); err != nil {
		return err
	}
	if err := edge.AddRoute(kernel.Route{To: anywhere, Link: hostLink, Via: near}, index); err != nil {
		return err
	}
	return p.openHost()
}

// openHost makes the host forward for the edge.
func (p *Plane) openHost() error {
	if err := p.host.Replace(p.hostFilter()); err != nil {
		return err
	}
	if err := p.forwarding(); err != nil {
		return err
	}
	_, err := p.forwardRules("-I")
	return err
}

func (p *Plane) hostFilter() kernel.Ruleset {
	return hostFilter(p.hostTableName(), p.hostLinkName(), p.link)
}

const forwardFile = "/proc/sys/net/ipv4/ip_forward"

// forwarding switches the host's forwarding on; what it was before is kept beside the claims.
func (p *Plane) forwarding() error {
	b, err := os.ReadFile(forwardFile)
	if err != nil {
		return fmt.Errorf("read whether the host forwards: %w", err)
	}
	if strings.TrimSpace(string(b)) == "1" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(p.claims(), "ip_forward"), b, 0o644); err != nil {
		return fmt.Errorf("record whether the host forwarded: %w", err)
	}
	if err := os.WriteFile(forwardFile, []byte("1"), 0o644); err != nil {
		return fmt.Errorf("let the host forward: %w", err)
	}
	return nil
}

// restoreForwarding undoes forwarding when no installation is left.
func (p *Plane) restoreForwarding() error {
	left, err := filepath.Glob(filepath.Join(p.claims(), "link-*"))
	if err != nil || len(left) > 0 {
		return err
	}
	file := filepath.Join(p.claims(), "ip_forward")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.WriteFile(forwardFile, b, 0o644)
	}
	if err != nil {
		return fmt.Errorf("restore the host's forwarding: %w", err)
	}
	return os.Remove(file)
}

// forwardRules inserts (-I) or deletes (-D) our accepts where the host drops what is
// forwarded. The firewall's own tool does it, as it alone knows which of the two
// iptables is in use. It tells whether it changed anything.
func (p *Plane) forwardRules(action string) (changed bool, err error) {
	if _, err := exec.LookPath("iptables"); err != nil {
		return false, nil
	}
	for _, chain := range p.forwardChains(action) {
		for _, rule := range [][]string{
			{"-i", p.hostLinkName(), "-j", "ACCEPT"},
			{"-o", p.hostLinkName(), "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"},
		} {
			isThere := exec.Command("iptables", append([]string{"-w", "-C", chain}, rule...)...).Run() == nil
			if isThere == (action == "-I") {
				continue
			}
			if out, err := exec.Command("iptables", append([]string{"-w", action, chain}, rule...)...).CombinedOutput(); err != nil {
				return changed, fmt.Errorf("iptables %s %s %s: %w: %s", action, chain, strings.Join(rule, " "), err, out)
			}
			changed = true
		}
	}
	return changed, nil
}

// forwardChains are where our rules belong: Docker's chain for users; without
// Docker the forward chain itself, if its policy drops (ufw). When they are to be
// deleted, both: Docker may have come or gone since.
func (p *Plane) forwardChains(action string) (chains []string) {
	const docker, forward = "DOCKER-USER", "FORWARD"
	if exec.Command("iptables", "-w", "-n", "-L", docker).Run() == nil {
		chains = []string{docker}
		if action == "-I" {
			return chains
		}
	}
	out, err := exec.Command("iptables", "-w", "-S", forward).Output()
	if action == "-D" || err == nil && strings.HasPrefix(string(out), "-P "+forward+" DROP") {
		chains = append(chains, forward)
	}
	return chains
}
