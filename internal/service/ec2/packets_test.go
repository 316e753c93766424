package ec2_test

import (
	"context"
	"log/slog"
	"testing"

	api "github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/network/networktest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/ec2"
	"github.com/penstock-ci/penstock/internal/store"
)

// live is the service on a real engine and the kernel.
type live struct {
	cloud
	lab       *networktest.Lab
	publisher *network.Publisher
}

func openLive(t *testing.T) live {
	t.Helper()
	networktest.Root(t)
	records := network.NewRecords()
	tables := append(ec2.New(ec2.Deps{Records: records}).Tables(), records.Tables()...)
	d := dispatchtest.New(t, tables)
	log := slog.New(slog.DiscardHandler)
	l := live{cloud: cloud{Dispatcher: d, t: t, records: records}, lab: networktest.On(t, d.DB, records)}
	l.publisher = network.NewPublisher(network.PublisherDeps{DB: d.DB, Plane: l.lab.Plane, Clock: clock.System{}, Log: log})
	e := engine.New(engine.Deps{DB: d.DB, Clock: clock.System{}, Log: log})
	l.service = ec2.New(ec2.Deps{DB: d.DB, Records: records, Network: l.publisher, Engine: e, Clock: clock.System{}})
	e.Register(l.service.Kinds()...)
	d.Add(t, l.service.Handlers()...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- l.publisher.Run(ctx) }()
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return l
}

// obey waits until packets obey what was changed last.
func (l live) obey() {
	l.t.Helper()
	if err := l.publisher.Wait(l.t.Context(), l.state().Number); err != nil {
		l.t.Fatal(err)
	}
}

func (l live) natIs(id *string, state string) {
	l.t.Helper()
	rung, stop := l.DB.Listen("network")
	defer stop()
	for {
		if got := call(l.cloud, api.DescribeNatGateways, api.DescribeNatGatewaysInput{NatGatewayIds: []string{*id}}).NatGateways[0].State; *got == state {
			return
		}
		select {
		case <-rung:
		case <-clock.System{}.After(networktest.Patience / 10):
		case <-l.t.Context().Done():
			l.t.Fatal("the NAT gateway does not become " + state)
		}
	}
}

func TestCallsToEC2DecideWhatPacketsDo(t *testing.T) {
	t.Parallel()
	l := openLive(t)
	s := l.build()
	l.natIs(s.nat, "available")
	outside := networktest.Outside(t, l.lab.Root)
	outside.Serve(outside.Addr, 8080)
	eni := call(l.cloud, api.CreateNetworkInterface, api.CreateNetworkInterfaceInput{SubnetId: s.private}).NetworkInterface
	pod := l.lab.Pod("build", *eni.NetworkInterfaceId)
	as, err := pod.Reach(outside.Addr, 8080, networktest.Enough)
	if err != nil {
		t.Fatal(err)
	}
	address := call(l.cloud, api.DescribeAddresses, api.DescribeAddressesInput{AllocationIds: []string{*s.allocation}}).Addresses[0]
	same(t, "source seen outside", as.String(), *address.PublicIp)

	group := l.defaultGroup(s.vpc)
	everything := api.IpPermission{IpProtocol: new("-1"), IpRanges: []api.IpRange{{CidrIp: new("0.0.0.0/0")}}}
	call(l.cloud, api.RevokeSecurityGroupEgress, api.RevokeSecurityGroupEgressInput{GroupId: group, IpPermissions: []api.IpPermission{everything}})
	l.obey()
	if _, err := pod.Reach(outside.Addr, 8080, networktest.Patience); err == nil {
		t.Error("the pod reaches outside without an egress rule")
	}
	call(l.cloud, api.AuthorizeSecurityGroupEgress, api.AuthorizeSecurityGroupEgressInput{GroupId: group, IpPermissions: []api.IpPermission{everything}})
	l.obey()
	if _, err := pod.Reach(outside.Addr, 8080, networktest.Enough); err != nil {
		t.Error(err)
	}

	call(l.cloud, api.DeleteNatGateway, api.DeleteNatGatewayInput{NatGatewayId: s.nat})
	l.natIs(s.nat, "deleted")
	if _, err := pod.Reach(outside.Addr, 8080, networktest.Patience); err == nil {
		t.Error("the pod reaches outside through a deleted NAT gateway")
	}
	for _, r := range call(l.cloud, api.DescribeRouteTables, api.DescribeRouteTablesInput{Filters: []api.Filter{{Name: new("route.nat-gateway-id"), Values: []string{*s.nat}}}}).RouteTables[0].Routes {
		if r.NatGatewayId != nil {
			same(t, "state of the route to it", *r.State, "blackhole")
		}
	}
}

func TestPublicAddressOfATaskReachesAndIsReached(t *testing.T) {
	t.Parallel()
	l := openLive(t)
	s := l.build()
	outside := networktest.Outside(t, l.lab.Root)
	outside.Serve(outside.Addr, 8080)
	group := l.defaultGroup(s.vpc)
	call(l.cloud, api.AuthorizeSecurityGroupIngress, api.AuthorizeSecurityGroupIngressInput{GroupId: group, IpProtocol: new("tcp"), FromPort: new(int32(8080)), ToPort: new(int32(8080)), CidrIp: new("198.51.100.0/24")})
	task := op.As(dispatchtest.Scope, op.ServiceLinked(dispatchtest.Account, "ecs.amazonaws.com", "AWSServiceRoleForECS"), "task", "ecs.amazonaws.com", "task/1")
	made, err := op.Call(t.Context(), l, task, api.CreateNetworkInterface, &api.CreateNetworkInterfaceInput{SubnetId: s.public})
	if err != nil {
		t.Fatal(err)
	}
	id := made.NetworkInterface.NetworkInterfaceId
	task.Key = "task/2"
	if _, err := op.Call(t.Context(), l, task, api.ModifyNetworkInterfaceAttribute, &api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id, AssociatePublicIpAddress: new(true)}); err != nil {
		t.Fatal(err)
	}
	l.obey()
	pod := l.lab.Pod("task", *id)
	pod.Serve(pod.Addr, 8080)
	var at network.Interface
	if err := l.DB.View(t.Context(), func(ctx context.Context, r store.Reader) (err error) {
		at, err = l.records.Interface(ctx, r, *id)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if as, err := pod.Reach(outside.Addr, 8080, networktest.Enough); err != nil || as != at.Public {
		t.Errorf("outside sees %s (%v), not %s", as, err, at.Public)
	}
	if _, err := outside.Reach(at.Public, 8080, networktest.Enough); err != nil {
		t.Error(err)
	}
}
