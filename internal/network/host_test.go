package network_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/penstock-ci/penstock/internal/network/kernel"
	"github.com/penstock-ci/penstock/internal/network/networktest"
)

// neighbour is a machine of the host's own network, at 203.0.113.(4n+2).
func neighbour(t *testing.T, l *networktest.Lab, n byte) *networktest.Host {
	t.Helper()
	host, err := kernel.Open("")
	if err != nil {
		t.Fatal(err)
	}
	link := "lan-" + l.ID
	t.Cleanup(func() {
		if err := errors.Join(host.Delete(link)); err != nil {
			t.Error(err)
		}
		host.Close()
	})
	h := l.Empty("neighbour")
	if err := host.Connect(kernel.Cable{Name: link, Peer: "eth0"}, h.NS); err != nil {
		t.Fatal(err)
	}
	for ns, end := range map[*kernel.Namespace]struct {
		link string
		addr byte
	}{host: {link, 4*n + 1}, h.NS: {"eth0", 4*n + 2}} {
		a := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, end.addr}), 30)
		if err := ns.SetAddresses(end.link, []netip.Prefix{a}); err != nil {
			t.Fatal(err)
		}
		if _, err := ns.Up(end.link); err != nil {
			t.Fatal(err)
		}
		if end.link == "eth0" {
			h.Addr = a.Addr()
		}
	}
	return h
}

// The neighbour has no route to anything of ours: it can answer only to the host's own address.
func TestNATLeadsThroughTheHostAndNotIntoIt(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 0), "k")
	lan := neighbour(t, w.Lab, 3)
	lan.Serve(lan.Addr, http)
	pod, service := w.pod("private", "10.0.10.4", "app"), w.Pod("service", "")
	gateway := addr("203.0.113.13")
	if as := can(t, pod, lan.Addr, http); as != gateway {
		t.Errorf("the host's network sees %s instead of the host's %s", as, gateway)
	}
	can(t, service, lan.Addr, http)

	host, err := kernel.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	self := &networktest.Host{Name: "host", NS: host}
	self.Bind(t)
	self.Serve(gateway, 18080)
	can(t, lan, gateway, 18080)
	cannot(t, pod, gateway, 18080)
	cannot(t, service, gateway, 18080)

	// Another firewall's reload takes our table away: the next check brings it back.
	if err := host.DeleteTable("penstock-" + w.ID); err != nil {
		t.Fatal(err)
	}
	check(t, w, "host")
	can(t, pod, lan.Addr, http)
	cannot(t, pod, gateway, 18080)
}
