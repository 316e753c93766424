package network_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/network/networktest"
	"github.com/penstock-ci/penstock/internal/store"
)

// BenchmarkAttach is a pod's way to its address, in a VPC with 200 interfaces.
func BenchmarkAttach(b *testing.B) {
	l := networktest.New(b, 0)
	large(b, l, 200)
	hosts := make([]*networktest.Host, 50)
	for i := range hosts {
		hosts[i] = l.Empty(fmt.Sprintf("pod%d", i))
	}
	n := 0
	for b.Loop() {
		i := n % len(hosts)
		id, pod := fmt.Sprintf("eni-%d", i), hosts[i]
		if _, err := l.Plane.AttachPod(b.Context(), id, pod.Name, pod.Path, ""); err != nil {
			b.Fatal(err)
		}
		n++
		b.StopTimer()
		if err := l.Plane.DetachPod(b.Context(), id, pod.Name); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkApply is one rule's change in force, in a VPC with 200 interfaces, the database's part included.
func BenchmarkApply(b *testing.B) {
	l := networktest.New(b, 0)
	large(b, l, 200)
	n := 0
	for b.Loop() {
		n++
		b.StopTimer()
		err := l.DB.Update(b.Context(), func(ctx context.Context, tx store.Tx) error {
			_, err := l.Records.PutGroup(ctx, tx, network.Group{ID: "sg-1", VPC: "vpc-1", Rules: []network.Rule{ingress("tcp", 1000+n%1000, "sg-1")}})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := l.Plane.Publish(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func large(b *testing.B, l *networktest.Lab, interfaces int) {
	l.Change(func(ctx context.Context, tx store.Tx) error {
		if _, err := l.Records.PutVPC(ctx, tx, network.VPC{ID: "vpc-1", CIDRs: []netip.Prefix{prefix("10.0.0.0/16")}}); err != nil {
			return err
		}
		if _, err := l.Records.PutSubnet(ctx, tx, network.Subnet{ID: "subnet-1", VPC: "vpc-1", CIDR: prefix("10.0.0.0/20"), Table: "rtb-1"}); err != nil {
			return err
		}
		if _, err := l.Records.PutGroup(ctx, tx, network.Group{ID: "sg-1", VPC: "vpc-1"}); err != nil {
			return err
		}
		a := addr("10.0.1.0")
		for i := range interfaces {
			a = a.Next()
			if _, err := l.Records.PutInterface(ctx, tx, network.Interface{ID: fmt.Sprintf("eni-%d", i), VPC: "vpc-1", Subnet: "subnet-1", Kind: network.ForPod, Address: a, Groups: []string{"sg-1"}}); err != nil {
				return err
			}
		}
		return nil
	})
}
