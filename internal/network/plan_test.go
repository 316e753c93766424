package network_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-ci/penstock/internal/network"
)

var update = flag.Bool("update", false, "write the golden files")

// delivery is the records of a delivery stack's VPC.
func delivery() network.State {
	return network.State{
		Number: 7,
		VPCs:   []network.VPC{{ID: "vpc-1", CIDRs: []netip.Prefix{prefix("10.10.0.0/16"), prefix("10.20.0.0/24")}, DNSSupport: true}},
		Subnets: []network.Subnet{
			{ID: "subnet-public", VPC: "vpc-1", CIDR: prefix("10.10.0.0/24"), Table: "rtb-public"},
			{ID: "subnet-private", VPC: "vpc-1", CIDR: prefix("10.10.10.0/24"), Table: "rtb-private"},
			{ID: "subnet-data", VPC: "vpc-1", CIDR: prefix("10.10.20.0/24"), Table: "rtb-data"},
		},
		Tables: []network.RouteTable{
			{ID: "rtb-public", VPC: "vpc-1", Routes: []network.Route{{To: prefix("0.0.0.0/0"), By: network.ToGateway, Via: "igw-1"}}},
			{ID: "rtb-private", VPC: "vpc-1", Routes: []network.Route{
				{To: prefix("0.0.0.0/0"), By: network.ToNAT, Via: "nat-1"},
				{To: prefix("192.0.2.0/24"), By: network.ToNAT, Via: "nat-gone"},
				{To: prefix("172.16.0.0/12"), By: network.ToInterface, Via: "eni-app"},
			}},
			{ID: "rtb-data", VPC: "vpc-1"},
		},
		Gateways: []network.Gateway{{ID: "igw-1", VPC: "vpc-1"}},
		NATs:     []network.NAT{{ID: "nat-1", VPC: "vpc-1", Subnet: "subnet-public", Interface: "eni-nat", Public: addr("198.18.128.1")}},
		Groups: []network.Group{
			{ID: "sg-lb", VPC: "vpc-1", Rules: []network.Rule{{Protocol: "tcp", From: 80, To: 80, Peer: prefix("0.0.0.0/0")}, all}},
			{ID: "sg-app", VPC: "vpc-1", Rules: []network.Rule{ingress("tcp", 8080, "sg-lb"), {Protocol: "icmp", From: 8, To: -1, Peer: prefix("10.10.0.0/16")}, all}},
			{ID: "sg-data", VPC: "vpc-1", Rules: []network.Rule{
				ingress("tcp", 5432, "sg-app"), ingress("tcp", 5432, "sg-deleted"),
				{Protocol: "tcp", From: 5432, To: 5432, Peer: netip.MustParsePrefix("::/0")},
			}},
		},
		Interfaces: []network.Interface{
			{ID: "eni-lb", VPC: "vpc-1", Subnet: "subnet-public", Kind: network.ForLoadBalancer, Address: addr("10.10.0.4"), Public: addr("198.18.128.2"), MAC: "0a:00:00:00:00:01", Groups: []string{"sg-lb"}},
			{ID: "eni-nat", VPC: "vpc-1", Subnet: "subnet-public", Kind: network.ForNAT, Address: addr("10.10.0.5")},
			{ID: "eni-app", VPC: "vpc-1", Subnet: "subnet-private", Kind: network.ForPod, Address: addr("10.10.10.4"), MAC: "0a:00:00:00:00:02", Groups: []string{"sg-lb", "sg-app"}},
			{ID: "eni-data", VPC: "vpc-1", Subnet: "subnet-data", Kind: network.ForPod, Address: addr("10.10.20.4"), MAC: "0a:00:00:00:00:03", Groups: []string{"sg-data"}},
		},
	}
}

func TestPlanOfADeliveryStack(t *testing.T) {
	t.Parallel()
	got := ""
	for _, v := range network.MakePlan(delivery()).VPCs {
		got += v.String() + "\n"
	}
	file := filepath.Join("testdata", "delivery.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("the plan differs from %s (write it with -update):\n%s", file, d)
	}
}

func TestPlanDoesNotDependOnTheOrderOfRecords(t *testing.T) {
	t.Parallel()
	s := delivery()
	want := network.MakePlan(s)
	for range 20 {
		s.Interfaces = append(s.Interfaces[1:], s.Interfaces[0])
		s.Groups = append(s.Groups[1:], s.Groups[0])
		s.Subnets = append(s.Subnets[1:], s.Subnets[0])
		if d := cmp.Diff(texts(want), texts(network.MakePlan(s))); d != "" {
			t.Fatal(d)
		}
	}
}

func texts(p network.Plan) (out []string) {
	for _, v := range p.VPCs {
		out = append(out, v.String())
	}
	return out
}
