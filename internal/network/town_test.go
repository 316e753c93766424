package network_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/network/networktest"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	http     = 8080
	postgres = 5432
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

// town is one VPC with a public, a private and an isolated subnet, as a delivery stack has it.
type town struct {
	*networktest.Lab
	id  string
	nat netip.Addr
}

func (w *town) name(s string) string { return s + "-" + w.id }

// build writes the records of a VPC of CIDR 10.0.0.0/16 whose ids end with id.
func build(t *testing.T, l *networktest.Lab, id string) *town {
	t.Helper()
	w := &town{Lab: l, id: id}
	l.Change(func(ctx context.Context, tx store.Tx) error {
		r, n := l.Records, w.name
		var err error
		w.nat, err = r.TakePublic(ctx, tx, n("nat"))
		keep := func(_ uint64, e error) { err = errors.Join(err, e) }
		keep(r.PutVPC(ctx, tx, network.VPC{ID: n("vpc"), CIDRs: []netip.Prefix{prefix("10.0.0.0/16")}, DNSSupport: true}))
		keep(r.PutGateway(ctx, tx, network.Gateway{ID: n("igw"), VPC: n("vpc")}))
		for kind, cidr := range map[string]string{"public": "10.0.0.0/24", "private": "10.0.10.0/24", "isolated": "10.0.20.0/24"} {
			keep(r.PutSubnet(ctx, tx, network.Subnet{ID: n("subnet-" + kind), VPC: n("vpc"), CIDR: prefix(cidr), Table: n("rtb-" + kind)}))
			keep(r.PutTable(ctx, tx, network.RouteTable{ID: n("rtb-" + kind), VPC: n("vpc"), Routes: map[string][]network.Route{
				"public":  {{To: prefix("0.0.0.0/0"), By: network.ToGateway, Via: n("igw")}},
				"private": {{To: prefix("0.0.0.0/0"), By: network.ToNAT, Via: n("nat")}},
			}[kind]}))
		}
		keep(r.PutNAT(ctx, tx, network.NAT{ID: n("nat"), VPC: n("vpc"), Subnet: n("subnet-public"), Public: w.nat}))
		keep(r.PutGroup(ctx, tx, w.group("app", ingress("tcp", http, "sg-app-"+id), all)))
		keep(r.PutGroup(ctx, tx, w.group("data", ingress("tcp", postgres, "sg-app-"+id))))
		return err
	})
	return w
}

var all = network.Rule{Egress: true, Protocol: "-1", Peer: netip.MustParsePrefix("0.0.0.0/0")}

func ingress(protocol string, port int, group string) network.Rule {
	return network.Rule{Protocol: protocol, From: port, To: port, Group: group}
}

func (w *town) group(name string, rules ...network.Rule) network.Group {
	return network.Group{ID: w.name("sg-" + name), VPC: w.name("vpc"), Rules: rules}
}

func (w *town) put(rules network.Group) {
	w.Change(func(ctx context.Context, tx store.Tx) error {
		_, err := w.Records.PutGroup(ctx, tx, rules)
		return err
	})
}

func (w *town) routes(kind string, routes ...network.Route) {
	w.Change(func(ctx context.Context, tx store.Tx) error {
		_, err := w.Records.PutTable(ctx, tx, network.RouteTable{ID: w.name("rtb-" + kind), VPC: w.name("vpc"), Routes: routes})
		return err
	})
}

// eni writes an interface; its id begins with its address's last two numbers, as a link's name shows only the id's beginning.
func (w *town) eni(kind network.Kind, subnet, address, public string, groups ...string) string {
	id := "eni-" + strings.ReplaceAll(address[5:], ".", "x") + w.id
	i := network.Interface{ID: id, VPC: w.name("vpc"), Subnet: w.name("subnet-" + subnet), Kind: kind, Address: addr(address), MAC: "0e:00:00:00:00:01"}
	for _, g := range groups {
		i.Groups = append(i.Groups, w.name("sg-"+g))
	}
	w.Change(func(ctx context.Context, tx store.Tx) (err error) {
		if public != "" {
			if i.Public, err = w.Records.TakePublic(ctx, tx, id); err != nil {
				return err
			}
		}
		_, err = w.Records.PutInterface(ctx, tx, i)
		return err
	})
	return id
}

func (w *town) pod(subnet, address string, groups ...string) *networktest.Host {
	return w.Pod(strings.ReplaceAll(address, ".", "x")+w.id, w.eni(network.ForPod, subnet, address, "", groups...))
}

func (w *town) public(id string) (a netip.Addr) {
	_ = w.DB.View(context.Background(), func(ctx context.Context, r store.Reader) error {
		i, err := w.Records.Interface(ctx, r, id)
		a = i.Public
		return err
	})
	return a
}

func can(t *testing.T, from *networktest.Host, a netip.Addr, port uint16) netip.Addr {
	t.Helper()
	as, err := from.Reach(a, port, networktest.Enough)
	if err != nil {
		t.Errorf("%s cannot reach %s:%d: %v", from.Name, a, port, err)
	}
	return as
}

func cannot(t *testing.T, from *networktest.Host, a netip.Addr, port uint16) {
	t.Helper()
	if as, err := from.Reach(a, port, networktest.Patience); err == nil {
		t.Errorf("%s reaches %s:%d (as %s), which nothing allows", from.Name, a, port, as)
	}
}
