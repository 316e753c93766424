package network_test

import (
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/network/kernel"
	"github.com/penstock-ci/penstock/internal/network/networktest"
)

// TestHalfLaidCablesAreLaidAgain starts a plane on what a killed one leaves that had
// made its cables and nothing on them yet.
func TestHalfLaidCablesAreLaidAgain(t *testing.T) {
	t.Parallel()
	w := build(t, networktest.New(t, 0), "m")
	outside := networktest.Outside(t, w.Root)
	outside.Serve(outside.Addr, http)
	appID, lbID := w.eni(network.ForPod, "private", "10.0.10.4", "", "app"), w.eni(network.ForLoadBalancer, "public", "10.0.0.6", "public", "app")
	app, lb := w.Pod("app", appID), w.Open(network.Place{Kind: "eni", ID: lbID})
	app.Serve(addr("10.0.10.4"), http)
	can(t, lb, app.Addr, http)

	vpc, edge := w.Open(network.Place{Kind: "vpc", ID: "vpc-m"}), w.Open(network.Edge)
	halve := func(c kernel.Cable, to *networktest.Host) {
		t.Helper()
		if err := vpc.NS.Delete(c.Name); err != nil {
			t.Fatal(err)
		}
		if err := vpc.NS.Connect(c, to.NS); err != nil {
			t.Fatal(err)
		}
	}
	halve(kernel.Cable{Name: "up", Peer: "vm", MAC: "02:70:73:00:00:02", PeerMAC: "02:70:73:00:00:01", MTU: 1500}, edge)
	halve(kernel.Cable{Name: "e" + strings.TrimPrefix(appID, "eni-"), Peer: "eth0", MTU: 1500}, app)
	halve(kernel.Cable{Name: "e" + strings.TrimPrefix(lbID, "eni-"), Peer: "eth0", MTU: 1500}, lb)
	w.Restart(0)
	if _, err := w.Plane.AttachPod(t.Context(), appID, "app", app.Path, ""); err != nil {
		t.Fatal(err)
	}
	can(t, lb, app.Addr, http)
	can(t, app, outside.Addr, http)
}
