package elbv2

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"

	api "github.com/penstock-ci/penstock/api/elbv2"
)

// plane is a data plane that says of each target what it is told to.
type plane struct {
	mu      sync.Mutex
	last    dataplane.Snapshot
	applied chan struct{}
}

func (p *plane) Apply(_ context.Context, s dataplane.Snapshot) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = s
	close(p.applied)
	p.applied = make(chan struct{})
	return nil
}

func (p *plane) Watch(ctx context.Context, _ func(dataplane.Report)) error { <-ctx.Done(); return nil }

// until waits for a snapshot that f accepts.
func (p *plane) until(t *testing.T, what string, f func(dataplane.Snapshot) bool) dataplane.Snapshot {
	t.Helper()
	for {
		p.mu.Lock()
		s, applied := p.last, p.applied
		p.mu.Unlock()
		if f(s) {
			return s
		}
		select {
		case <-applied:
		case <-time.After(20 * time.Second):
			t.Fatalf("never saw %s; last: %+v", what, s)
		}
	}
}

// cloud is EC2 as far as load balancers need it.
type cloud struct {
	mu      sync.Mutex
	n       int
	deleted []string
}

func (f *cloud) handlers() []op.Handler {
	return []op.Handler{
		op.Read(ec2.DescribeSubnets, nil, func(_ context.Context, _ store.Reader, _ op.Caller, in *ec2.DescribeSubnetsInput) (*ec2.DescribeSubnetsOutput, error) {
			out := &ec2.DescribeSubnetsOutput{}
			for i, id := range in.SubnetIds {
				if id == "subnet-none" {
					return nil, &op.Error{Code: "InvalidSubnetID.NotFound", Message: "The subnet ID 'subnet-none' does not exist"}
				}
				out.Subnets = append(out.Subnets, ec2.Subnet{SubnetId: new(id), VpcId: new("vpc-1"), AvailabilityZone: new(fmt.Sprintf("us-east-1%c", 'a'+i))})
			}
			return out, nil
		}),
		op.Read(ec2.DescribeSecurityGroups, nil, func(_ context.Context, _ store.Reader, _ op.Caller, in *ec2.DescribeSecurityGroupsInput) (*ec2.DescribeSecurityGroupsOutput, error) {
			id := "sg-default"
			if len(in.GroupIds) > 0 {
				id = in.GroupIds[0]
			}
			return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: []ec2.SecurityGroup{{GroupId: &id, VpcId: new("vpc-1")}}}, nil
		}),
		op.Change(ec2.CreateNetworkInterface, nil, func(context.Context, store.Tx, op.Caller, *ec2.CreateNetworkInterfaceInput) (*ec2.CreateNetworkInterfaceOutput, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.n++
			return &ec2.CreateNetworkInterfaceOutput{NetworkInterface: &ec2.NetworkInterface{
				NetworkInterfaceId: new(fmt.Sprintf("eni-%d", f.n)), PrivateIpAddress: new(fmt.Sprintf("10.0.%d.9", f.n)),
			}}, nil
		}),
		op.Change(ec2.ModifyNetworkInterfaceAttribute, nil, func(context.Context, store.Tx, op.Caller, *ec2.ModifyNetworkInterfaceAttributeInput) (*ec2.ModifyNetworkInterfaceAttributeOutput, error) {
			return &ec2.ModifyNetworkInterfaceAttributeOutput{}, nil
		}),
		op.Read(ec2.DescribeNetworkInterfaces, nil, func(context.Context, store.Reader, op.Caller, *ec2.DescribeNetworkInterfacesInput) (*ec2.DescribeNetworkInterfacesOutput, error) {
			return &ec2.DescribeNetworkInterfacesOutput{NetworkInterfaces: []ec2.NetworkInterface{{Association: &ec2.NetworkInterfaceAssociation{PublicIp: new("198.51.100.9")}}}}, nil
		}),
		op.Change(ec2.DeleteNetworkInterface, nil, func(_ context.Context, _ store.Tx, _ op.Caller, in *ec2.DeleteNetworkInterfaceInput) (*ec2.DeleteNetworkInterfaceOutput, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.deleted = append(f.deleted, *in.NetworkInterfaceId)
			return &ec2.DeleteNetworkInterfaceOutput{}, nil
		}),
	}
}

type world struct {
	*dispatchtest.Dispatcher
	t        *testing.T
	svc      *Service
	plane    *plane
	cloud    *cloud
	observed *dataplane.Observed
}

func setup(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, plane: &plane{applied: make(chan struct{})}, cloud: &cloud{}, observed: dataplane.NewObserved()}
	records := dataplane.NewRecords(dataplane.Define())
	w.svc = New(Deps{})
	w.Dispatcher = dispatchtest.New(t, append(w.svc.Tables(), records.Tables()...), w.cloud.handlers()...)
	log := slog.New(slog.DiscardHandler)
	e := engine.New(engine.Deps{DB: w.DB, Stream: eventstream.New(clock.System{}), Clock: clock.System{}, Log: log})
	p := dataplane.NewPublisher(dataplane.PublisherDeps{DB: w.DB, Records: records, Plane: w.plane, Clock: clock.System{}, Log: log})
	w.svc.Deps = Deps{
		DB: w.DB, Engine: e, AWS: w.Dispatcher, Records: records, Health: w.observed, Plane: p.Wait,
		Network: func(context.Context) error { return nil }, Clock: clock.System{}, Log: log,
	}
	w.Add(t, w.svc.Handlers()...)
	e.Register(w.svc.Kinds()...)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = e.Run(ctx) })
	wg.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return w
}

func call[I, O any](w *world, o op.Op[I, O], in *I) *O {
	w.t.Helper()
	out, err := op.Call(context.Background(), w.Dispatcher, w.Root(), o, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func refusal[I, O any](w *world, code string, o op.Op[I, O], in *I) {
	w.t.Helper()
	_, err := op.Call(context.Background(), w.Dispatcher, w.Root(), o, in)
	if e, ok := errors.AsType[*op.Error](err); !ok || e.Code != code {
		w.t.Errorf("%s: got %v, want %s", o.Name, err, code)
	}
}

func (w *world) state(group string) (states []string) {
	w.t.Helper()
	for _, d := range call(w, api.DescribeTargetHealth, &api.DescribeTargetHealthInput{TargetGroupArn: &group}).TargetHealthDescriptions {
		states = append(states, *d.TargetHealth.State)
	}
	return states
}

func (w *world) want(group string, states ...string) {
	w.t.Helper()
	if got := w.state(group); !slices.Equal(got, states) {
		w.t.Errorf("target states %v, want %v", got, states)
	}
}

func TestALoadBalancerFromCreationToDeletion(t *testing.T) {
	t.Parallel()
	w := setup(t)
	lb := call(w, api.CreateLoadBalancer, &api.CreateLoadBalancerInput{Name: new("web"), Subnets: []string{"subnet-1", "subnet-2"}}).LoadBalancers[0]
	if *lb.State.Code != provisioning || !slices.Equal(lb.SecurityGroups, []string{"sg-default"}) {
		t.Errorf("created: %+v", lb)
	}
	again := call(w, api.CreateLoadBalancer, &api.CreateLoadBalancerInput{Name: new("web"), Subnets: []string{"subnet-2", "subnet-1"}}).LoadBalancers[0]
	if *again.LoadBalancerArn != *lb.LoadBalancerArn {
		t.Error("a second creation made another load balancer")
	}
	refusal(w, "DuplicateLoadBalancerName", api.CreateLoadBalancer, &api.CreateLoadBalancerInput{Name: new("web"), Subnets: []string{"subnet-1", "subnet-3"}})
	refusal(w, "SubnetNotFound", api.CreateLoadBalancer, &api.CreateLoadBalancerInput{Name: new("other"), Subnets: []string{"subnet-1", "subnet-none"}})

	s := w.plane.until(t, "both interfaces", func(s dataplane.Snapshot) bool { return len(s.Balancers) == 1 && len(s.Balancers[0].Fronts) == 2 })
	s = w.plane.until(t, "its names", func(s dataplane.Snapshot) bool { return len(s.Names) == 2 })
	if s.Names[0].Name != *lb.DNSName || len(s.Names[0].Addresses) != 2 || s.Names[0].Addresses[0] != netip.MustParseAddr("198.51.100.9") || !s.Names[1].Addresses[0].IsPrivate() {
		t.Errorf("names: %+v", s.Names)
	}

	tg := call(w, api.CreateTargetGroup, &api.CreateTargetGroupInput{
		Name: new("blue"), Protocol: new("HTTP"), Port: new(int32(8080)), VpcId: new("vpc-1"), TargetType: new("ip"), HealthCheckPath: new("/health"),
	}).TargetGroups[0]
	group := *tg.TargetGroupArn
	refusal(w, "ValidationError", api.CreateTargetGroup, &api.CreateTargetGroupInput{Name: new("x"), Protocol: new("HTTP"), Port: new(int32(80)), VpcId: new("vpc-1")})
	call(w, api.RegisterTargets, &api.RegisterTargetsInput{TargetGroupArn: &group, Targets: []api.TargetDescription{{Id: new("10.0.3.4")}}})
	w.want(group, "unused")

	forward := []api.Action{{Type: new("forward"), TargetGroupArn: &group}}
	l := call(w, api.CreateListener, &api.CreateListenerInput{LoadBalancerArn: lb.LoadBalancerArn, Protocol: new("HTTP"), Port: new(int32(80)), DefaultActions: forward}).Listeners[0]
	if f := l.DefaultActions[0].ForwardConfig; f == nil || *f.TargetGroups[0].Weight != 1 {
		t.Errorf("the default action lacks its other form: %+v", l.DefaultActions[0])
	}
	refusal(w, "DuplicateListener", api.CreateListener, &api.CreateListenerInput{LoadBalancerArn: lb.LoadBalancerArn, Protocol: new("HTTP"), Port: new(int32(80)), DefaultActions: forward})
	refusal(w, "CertificateNotFound", api.CreateListener, &api.CreateListenerInput{
		LoadBalancerArn: lb.LoadBalancerArn, Protocol: new("HTTPS"), Port: new(int32(443)), DefaultActions: forward,
		Certificates: []api.Certificate{{CertificateArn: new("arn:aws:acm:us-east-1:1:certificate/x")}},
	})
	refusal(w, "ResourceInUse", api.DeleteTargetGroup, &api.DeleteTargetGroupInput{TargetGroupArn: &group})
	w.want(group, "initial")
	target := netip.MustParseAddrPort("10.0.3.4:8080")
	w.observed.Put(dataplane.Report{Pool: group, Target: target, Health: dataplane.Healthy})
	w.want(group, "healthy")

	rule := call(w, api.CreateRule, &api.CreateRuleInput{
		ListenerArn: l.ListenerArn, Priority: new(int32(5)), Conditions: []api.RuleCondition{{Field: new("path-pattern"), Values: []string{"/old/*"}}},
		Actions: []api.Action{{Type: new("fixed-response"), FixedResponseConfig: &api.FixedResponseActionConfig{StatusCode: new("410")}}},
	}).Rules[0]
	if rule.Conditions[0].PathPatternConfig == nil {
		t.Error("the condition lacks its own configuration")
	}
	if got := call(w, api.DescribeRules, &api.DescribeRulesInput{ListenerArn: l.ListenerArn}).Rules; len(got) != 2 || *got[1].Priority != "default" {
		t.Errorf("rules: %+v", got)
	}
	refusal(w, "PriorityInUse", api.CreateRule, &api.CreateRuleInput{ListenerArn: l.ListenerArn, Priority: new(int32(5)), Conditions: rule.Conditions, Actions: forward})

	call(w, api.DeregisterTargets, &api.DeregisterTargetsInput{TargetGroupArn: &group, Targets: []api.TargetDescription{{Id: new("10.0.3.4")}}})
	w.want(group, "draining")
	w.svc.Observe(context.Background(), dataplane.Report{Pool: group, Target: target, Drain: true, Open: 1})
	w.want(group, "draining")
	w.svc.Observe(context.Background(), dataplane.Report{Pool: group, Target: target, Drain: true})
	w.plane.until(t, "the target's end", func(s dataplane.Snapshot) bool { return len(s.Pools) == 1 && len(s.Pools[0].Targets) == 0 })
	w.want(group)

	call(w, api.DeleteLoadBalancer, &api.DeleteLoadBalancerInput{LoadBalancerArn: lb.LoadBalancerArn})
	refusal(w, "LoadBalancerNotFound", api.DescribeLoadBalancers, &api.DescribeLoadBalancersInput{Names: []string{"web"}})
	w.plane.until(t, "nothing", func(s dataplane.Snapshot) bool { return len(s.Balancers)+len(s.Listeners)+len(s.Names) == 0 })
	call(w, api.DeleteTargetGroup, &api.DeleteTargetGroupInput{TargetGroupArn: &group})
}

func TestATargetIsRemovedWhenItsDelayIsOver(t *testing.T) {
	t.Parallel()
	g := Group{Attributes: groupAttributes("HTTP"), Targets: []Target{{Address: netip.MustParseAddrPort("10.0.0.1:80"), Draining: true, Drain: 2}}}
	turn, err := stepGroup(g, engine.Event{Name: evDraining, At: time.Unix(100, 0), Body: g.Targets[0].body()})
	if err != nil {
		t.Fatal(err)
	}
	timer := turn.Effects[0]
	if timer.Due != time.Unix(400, 0) {
		t.Errorf("due %v", timer.Due)
	}
	turn, err = stepGroup(g, engine.Event{Name: timer.Name, Body: timer.Body})
	if err != nil || len(turn.Next.Targets) != 0 {
		t.Errorf("still there: %+v %v", turn.Next.Targets, err)
	}
	again := g
	again.Targets = []Target{{Address: g.Targets[0].Address, Drain: 2}}
	turn, err = stepGroup(again, engine.Event{Name: timer.Name, Body: timer.Body})
	if err != nil || len(turn.Next.Targets) != 1 {
		t.Errorf("a target registered again was removed: %+v %v", turn.Next.Targets, err)
	}
}
