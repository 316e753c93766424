package network_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/network/kernel"
	"github.com/penstock-ci/penstock/internal/network/networktest"
	"github.com/penstock-ci/penstock/internal/store"
)

func TestSecurityGroupsDecideBetweenSubnetsAndWithinOne(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 0), "a")
	app, friend := w.pod("private", "10.0.10.4", "app"), w.pod("private", "10.0.10.5", "app")
	data, stranger := w.pod("isolated", "10.0.20.4", "data"), w.pod("private", "10.0.10.6")
	data.Serve(data.Addr, postgres)
	data.Serve(data.Addr, http)
	friend.Serve(friend.Addr, http)
	friend.Serve(friend.Addr, postgres)

	if as := can(t, app, data.Addr, postgres); as != app.Addr {
		t.Errorf("the database sees %s instead of %s", as, app.Addr)
	}
	can(t, app, friend.Addr, http) // within a subnet
	cannot(t, app, friend.Addr, postgres)
	cannot(t, app, data.Addr, http)
	cannot(t, stranger, data.Addr, postgres) // no groups: nothing out
	cannot(t, data, friend.Addr, http)       // no egress rule

	// The same probes with one rule taken and given.
	w.put(w.group("data"))
	cannot(t, app, data.Addr, postgres)
	w.put(w.group("data", ingress("tcp", postgres, "sg-app-a"), all))
	can(t, app, data.Addr, postgres)
	cannot(t, data, friend.Addr, http) // egress now, but no ingress there
	w.put(w.group("app", network.Rule{Protocol: "tcp", From: 8000, To: 9000, Peer: prefix("10.0.20.0/24")}, all))
	can(t, data, friend.Addr, http)
	cannot(t, app, friend.Addr, http)
	w.put(w.group("app", ingress("tcp", http, "sg-app-a"), network.Rule{Egress: true, Protocol: "tcp", From: http, To: http, Group: "sg-app-a"}))
	can(t, app, friend.Addr, http)
	cannot(t, app, data.Addr, postgres) // egress is narrower now
}

func TestEstablishedConnectionSurvivesTheRulesRemoval(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 0), "b")
	app, data := w.pod("private", "10.0.10.4", "app"), w.pod("isolated", "10.0.20.4", "data")
	data.Serve(data.Addr, postgres)
	c, err := app.Dial("tcp4", data.Addr, postgres, networktest.Enough)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w.put(w.group("data"))
	w.Restart(0) // nor does it notice a new server
	cannot(t, app, data.Addr, postgres)
	if _, err := c.Write([]byte("x\n")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	for got := ""; !strings.Contains(got, "x\n"); {
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got += string(b[:n])
	}
}

func TestOnlyNATAndPublicAddressesLeadOut(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 0), "c")
	outside, edge := networktest.Outside(t, w.Root), w.Open(network.Edge)
	outside.Serve(outside.Addr, http)
	edge.Serve(network.ServiceAddress, 443)
	private, isolated := w.pod("private", "10.0.10.4", "app"), w.pod("isolated", "10.0.20.4", "app")
	lonely := w.pod("public", "10.0.0.5", "app") // in a public subnet without a public address
	id := w.eni(network.ForLoadBalancer, "public", "10.0.0.6", "public", "app")
	balancer := w.Open(network.Place{Kind: "eni", ID: id})

	if as := can(t, private, outside.Addr, http); as != w.nat {
		t.Errorf("outside sees %s instead of the NAT gateway's %s", as, w.nat)
	}
	can(t, private, network.ServiceAddress, 443)
	if as := can(t, balancer, outside.Addr, http); as != w.public(id) {
		t.Errorf("outside sees %s instead of the public address %s", as, w.public(id))
	}
	for _, h := range []*networktest.Host{isolated, lonely} {
		cannot(t, h, outside.Addr, http)
		cannot(t, h, network.ServiceAddress, 443)
	}
	gateway := network.Route{To: prefix("0.0.0.0/0"), By: network.ToGateway, Via: "igw-c"}
	nat := network.Route{To: prefix("0.0.0.0/0"), By: network.ToNAT, Via: "nat-c"}
	w.routes("private")
	cannot(t, private, outside.Addr, http)
	cannot(t, private, network.ServiceAddress, 443)
	w.routes("private", nat)
	can(t, private, network.ServiceAddress, 443)
	w.routes("public") // the NAT gateway's own way out
	cannot(t, private, outside.Addr, http)
	cannot(t, balancer, outside.Addr, http)
	w.routes("public", gateway)
	can(t, private, outside.Addr, http)
	// A longer route wins, also if it leads nowhere.
	w.routes("private", nat, network.Route{To: prefix("198.51.100.0/24"), By: network.ToNAT, Via: "nat-gone"})
	cannot(t, private, outside.Addr, http)
	can(t, private, network.ServiceAddress, 443)
}

func TestNothingOpensAConnectionIntoAPrivateSubnet(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 0), "d")
	outside := networktest.Outside(t, w.Root)
	open := network.Rule{Protocol: "-1", Peer: prefix("0.0.0.0/0")}
	w.put(w.group("app", open, all))
	private := w.pod("private", "10.0.10.4", "app")
	private.Serve(private.Addr, http)
	id := w.eni(network.ForLoadBalancer, "public", "10.0.0.6", "public", "app")
	w.Open(network.Place{Kind: "eni", ID: id}).Serve(addr("10.0.0.6"), http)

	can(t, outside, w.public(id), http)
	can(t, private, w.public(id), http) // out by NAT and in again
	can(t, private, addr("10.0.0.6"), http)
	cannot(t, outside, private.Addr, http)
	cannot(t, outside, w.nat, http)
	w.put(w.group("app", all))
	cannot(t, outside, w.public(id), http)
}

func TestForgedSourceIsDropped(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 0), "e")
	w.put(w.group("app", network.Rule{Protocol: "udp", From: http, To: http, Peer: prefix("10.0.0.0/16")}, all))
	app, friend := w.pod("private", "10.0.10.4", "app"), w.pod("private", "10.0.10.5", "app")
	friend.ServeUDP(friend.Addr, http)
	if err := app.Echo(friend.Addr, http, 100, networktest.Enough); err != nil {
		t.Fatal(err)
	}
	before := received(t, friend)
	// The pod takes another address: its packets leave, and none arrives.
	if err := app.NS.SetAddresses("eth0", []netip.Prefix{prefix("10.0.10.9/24")}); err != nil {
		t.Fatal(err)
	}
	if err := app.Echo(friend.Addr, http, 100, networktest.Patience); err == nil {
		t.Error("a datagram with a forged source was answered")
	}
	cannot(t, app, addr("169.254.169.253"), 53)
	if after := received(t, friend); after != before {
		t.Errorf("datagrams with a forged source arrived: %s, then %s", before, after)
	}
}

// received is how many UDP datagrams the host's sockets got.
func received(t *testing.T, h *networktest.Host) (n string) {
	t.Helper()
	err := h.NS.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/snmp")
		for _, line := range strings.Split(string(b), "\n") {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Udp:" {
				n = f[1]
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTwoVPCsOfOneRangeLieSideBySide(t *testing.T) {
	t.Parallel()
	l := networktest.New(t, 0)
	one, two := build(t, l, "f1"), build(t, l, "f2")
	outside := networktest.Outside(t, l.Root)
	outside.Serve(outside.Addr, http)
	a, b := one.pod("private", "10.0.10.4", "app"), two.pod("private", "10.0.10.4", "app")
	friend := one.pod("private", "10.0.10.5", "app")
	friend.Serve(friend.Addr, http)
	can(t, a, friend.Addr, http)
	cannot(t, b, friend.Addr, http)
	if x, y := can(t, a, outside.Addr, http), can(t, b, outside.Addr, http); x != one.nat || y != two.nat || x == y {
		t.Errorf("outside sees %s and %s", x, y)
	}
	for vpc, pod := range map[string]*networktest.Host{"vpc-f1": a, "vpc-f2": b} {
		if at, ok := l.Plane.Attachment(vpc, addr("10.0.10.4")); !ok || at.Pod != pod.Name || at.Tag != "tag of "+pod.Name {
			t.Errorf("behind 10.0.10.4 of %s is %+v", vpc, at)
		}
	}
}

func TestLinkLocalServicesAnswerOnTheirPortsOnly(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 0), "g")
	pod := w.pod("isolated", "10.0.20.4") // no group, no route: these are not filtered
	vpc := w.Open(network.Place{Kind: "vpc", ID: "vpc-g"})
	for _, a := range []string{"169.254.169.253", "10.0.0.2"} {
		vpc.Serve(addr(a), 53)
		vpc.ServeUDP(addr(a), 53)
		vpc.Serve(addr(a), http)
		can(t, pod, addr(a), 53)
		if err := pod.Echo(addr(a), 53, 500, networktest.Enough); err != nil {
			t.Errorf("UDP to %s: %v", a, err)
		}
		cannot(t, pod, addr(a), http)
	}
	for _, a := range []string{"169.254.170.2", "169.254.169.254"} {
		vpc.Serve(addr(a), 80)
		can(t, pod, addr(a), 80)
	}
	vpc.Serve(addr("10.0.20.1"), 80)
	cannot(t, pod, addr("10.0.20.1"), 80)
}

func TestPodsWithoutAVPCReachOutAndNotEachOther(t *testing.T) {
	t.Parallel()
	l := networktest.New(t, 0)
	outside, edge := networktest.Outside(t, l.Root), l.Open(network.Edge)
	outside.Serve(outside.Addr, http)
	edge.Serve(network.ServiceAddress, 443)
	a, b := l.Pod("a", ""), l.Pod("b", "")
	b.Serve(b.Addr, http)
	can(t, a, outside.Addr, http)
	can(t, a, network.ServiceAddress, 443)
	cannot(t, a, b.Addr, http)
	again, err := l.Plane.AttachPod(t.Context(), "", "a", a.Path, "")
	if err != nil || again != a.Addr {
		t.Errorf("attached again the pod has %s (%v) instead of %s", again, err, a.Addr)
	}
	l.Restart(0)
	can(t, a, outside.Addr, http)
	if err := l.Plane.DetachPod(t.Context(), "", "a"); err != nil {
		t.Fatal(err)
	}
	cannot(t, a, outside.Addr, http)
	can(t, b, outside.Addr, http)
}

func TestSmallMTUCarriesWholePackets(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 1400), "h")
	outside := networktest.Outside(t, w.Root)
	outside.ServeUDP(outside.Addr, http)
	pod := w.pod("private", "10.0.10.4", "app")
	if mtu, err := pod.NS.MTU("eth0"); err != nil || mtu != 1400 {
		t.Errorf("MTU of the pod is %d (%v)", mtu, err)
	}
	for _, size := range []int{1372, 1373, 4000} { // the largest whole one, and fragments
		if err := pod.Echo(outside.Addr, http, size, networktest.Enough); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestLostNamespacesAndRulesComeBackWithTheirPods(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 0), "i")
	app, data := w.pod("private", "10.0.10.4", "app"), w.pod("isolated", "10.0.20.4", "data")
	data.Serve(data.Addr, postgres)
	vpc := w.Open(network.Place{Kind: "vpc", ID: "vpc-i"})
	if err := vpc.NS.DeleteTable("penstock"); err != nil {
		t.Fatal(err)
	}
	check(t, w, "vpc-i")
	can(t, app, data.Addr, postgres)
	cannot(t, app, data.Addr, http)

	for _, link := range []string{"up"} {
		if err := vpc.NS.Delete(link); err != nil {
			t.Fatal(err)
		}
	}
	if err := vpc.NS.DeleteLinks("e"); err != nil {
		t.Fatal(err)
	}
	if err := kernel.Remove(network.Place{Kind: "vpc", ID: "vpc-i"}.Path(w.Netns())); err != nil {
		t.Fatal(err)
	}
	check(t, w, "vpc-i")
	can(t, app, data.Addr, postgres)
	check(t, w)
}

func check(t *testing.T, w *town, want ...string) {
	t.Helper()
	got, err := w.Plane.Check(t.Context())
	if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("check mended %v (%v), not %v", got, err, want)
	}
}

func TestRemovalLeavesNothing(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 0), "j")
	pod := w.pod("private", "10.0.10.4", "app")
	id := w.eni(network.ForLoadBalancer, "public", "10.0.0.6", "public", "app")
	lb := network.Place{Kind: "eni", ID: id}.Path(w.Netns())
	if !kernel.Exists(lb) {
		t.Fatal("the load balancer has no namespace")
	}
	w.Change(func(ctx context.Context, tx store.Tx) error {
		_, err := w.Records.DeleteInterface(ctx, tx, id)
		return err
	})
	if kernel.Exists(lb) {
		t.Error("the load balancer's namespace is left")
	}
	w.Change(func(ctx context.Context, tx store.Tx) error {
		_, err := w.Records.DeleteVPC(ctx, tx, "vpc-j")
		return err
	})
	if kernel.Exists(network.Place{Kind: "vpc", ID: "vpc-j"}.Path(w.Netns())) {
		t.Error("the VPC's namespace is left")
	}
	if links, err := pod.NS.Links(); err != nil || links["eth0"] {
		t.Errorf("the pod has its link yet (%v, %v)", links, err)
	}
	if err := w.Plane.RemoveAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	host, err := kernel.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	links, err := host.Links()
	if err != nil || links["pst-"+w.ID] {
		t.Errorf("the host's link is left (%v)", err)
	}
	if rules, err := host.CountRules("penstock-" + w.ID); err != nil || len(rules) > 0 {
		t.Errorf("the host's table is left: %v (%v)", rules, err)
	}
	if left, _ := os.ReadDir(w.Netns()); len(left) > 0 {
		t.Errorf("namespaces are left: %v", left)
	}
	w.Restart(0) // so that the cleanup has something to remove
}

func TestPodsAttachWhileRulesChange(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 0), "l")
	const pods = 16
	hosts := make([]*networktest.Host, pods)
	ids := make([]string, pods)
	for i := range pods {
		hosts[i] = w.Empty(fmt.Sprintf("many%d", i))
		ids[i] = w.eni(network.ForPod, "private", fmt.Sprintf("10.0.10.%d", 20+i), "", "app")
	}
	var g errgroup.Group
	for i, h := range hosts {
		g.Go(func() (err error) {
			h.Addr, err = w.Plane.AttachPod(t.Context(), ids[i], h.Name, h.Path, "")
			return err
		})
		w.put(w.group("app", ingress("tcp", http, "sg-app-l"), ingress("tcp", 9000+i, "sg-app-l"), all))
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	hosts[0].Serve(hosts[0].Addr, http)
	for _, h := range hosts[1:] {
		can(t, h, hosts[0].Addr, http)
	}
}
