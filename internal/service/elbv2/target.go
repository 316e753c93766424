package elbv2

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"

	api "github.com/penstock-ci/penstock/api/elbv2"
)

// address reads a target of a request.
func (g Group) address(t api.TargetDescription) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(op.Val(t.Id))
	if err != nil || !a.Is4() {
		return netip.AddrPort{}, invalid("The IP address '%s' is not a valid IPv4 address", op.Val(t.Id))
	}
	return netip.AddrPortFrom(a, uint16(op.Or(t.Port, g.Port))), nil
}

func (g Group) index(a netip.AddrPort) int {
	return slices.IndexFunc(g.Targets, func(t Target) bool { return t.Address == a })
}

// wave is the rollout that registers: ECS names its sessions by deployment.
func wave(c op.Caller) string {
	if c.Service != "ecs.amazonaws.com" {
		return ""
	}
	a, _ := arn.Parse(c.ARN)
	return a.Name()
}

func (s *Service) registerTargets(ctx context.Context, tx store.Tx, c op.Caller, in *api.RegisterTargetsInput) (*api.RegisterTargetsOutput, error) {
	d, err := s.group(ctx, tx, c, in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	g, now := d.Value, s.Clock.Now()
	for _, t := range in.Targets {
		a, err := g.address(t)
		if err != nil {
			return nil, err
		}
		n := Target{Address: a, Zone: op.Val(t.AvailabilityZone), Registered: now, Wave: wave(c)}
		i := g.index(a)
		switch {
		case i < 0:
			g.Targets = append(g.Targets, n)
		case g.Targets[i].Draining:
			n.Drain = g.Targets[i].Drain
			g.Targets[i] = n
		}
	}
	if len(g.Targets) > maxTargets {
		return nil, api.TooManyTargetsException("The maximum number of targets has been reached")
	}
	return &api.RegisterTargetsOutput{}, s.putGroup(ctx, tx, c.Scope, g, d.Version)
}

// maxTargets is AWS's quota of targets of a group.
const maxTargets = 1000

func (s *Service) deregisterTargets(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeregisterTargetsInput) (*api.DeregisterTargetsOutput, error) {
	d, err := s.group(ctx, tx, c, in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	g := d.Value
	var draining []Target
	for _, t := range in.Targets {
		matches, err := g.matching(t)
		if err != nil {
			return nil, err
		}
		for _, i := range matches {
			if !g.Targets[i].Draining {
				g.Targets[i].Draining = true
				g.Targets[i].Drain++
				draining = append(draining, g.Targets[i])
			}
		}
	}
	if g.Balancer == "" { // nobody sends requests, so none can be open
		g.Targets = slices.DeleteFunc(g.Targets, func(t Target) bool { return t.Draining })
		draining = nil
	}
	if err := s.putGroup(ctx, tx, c.Scope, g, d.Version); err != nil {
		return nil, err
	}
	for _, t := range draining {
		e := engine.Event{ID: t.drain("draining"), Name: evDraining, At: s.Clock.Now(), Body: t.body()}
		if err := s.Engine.Send(ctx, tx, g.id(c.Scope), e); err != nil {
			return nil, err
		}
	}
	return &api.DeregisterTargetsOutput{}, nil
}

// matching are the targets that t names: without a port, by address alone.
func (g Group) matching(t api.TargetDescription) (out []int, err error) {
	a, err := g.address(t)
	if err != nil {
		return nil, err
	}
	for i, have := range g.Targets {
		if have.Address == a || t.Port == nil && have.Address.Addr() == a.Addr() {
			out = append(out, i)
		}
	}
	return out, nil
}

// drain names an event of the target's present drain. An address returns with another
// task, so its registration is part of the name: the engine takes no name twice.
func (t Target) drain(what string) string {
	return fmt.Sprintf("%s/%s/%d/%d", what, t.Address, t.Registered.UnixMicro(), t.Drain)
}

func (s *Service) describeTargetHealth(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeTargetHealthInput) (*api.DescribeTargetHealthOutput, error) {
	d, err := s.group(ctx, r, c, in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	g := d.Value
	out := &api.DescribeTargetHealthOutput{TargetHealthDescriptions: []api.TargetHealthDescription{}}
	if len(in.Targets) == 0 {
		for _, t := range g.Targets {
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, s.health(g, t))
		}
		return out, nil
	}
	for _, want := range in.Targets {
		matches, err := g.matching(want)
		if err != nil {
			return nil, err
		}
		for _, i := range matches {
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, s.health(g, g.Targets[i]))
		}
		if len(matches) == 0 {
			a, _ := g.address(want) // matching read it
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, describe(g, Target{Address: a}, "unused", "Target.NotRegistered", "Target is not registered to the target group"))
		}
	}
	return out, nil
}

// health is what the data plane last said of t, in AWS's words.
func (s *Service) health(g Group, t Target) api.TargetHealthDescription {
	switch {
	case t.Draining:
		return describe(g, t, "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
	case g.Balancer == "":
		return describe(g, t, "unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
	}
	r, ok := s.Health.Report(g.ARN, t.Address)
	if !ok || r.Drain { // the last one may be of an earlier registration
		return describe(g, t, dataplane.Initial, "Elb.RegistrationInProgress", "Target registration is in progress")
	}
	return describe(g, t, r.Health, r.Reason, r.Description)
}

func describe(g Group, t Target, state, reason, description string) api.TargetHealthDescription {
	port := g.Check.Port
	if port == trafficPort {
		port = strconv.Itoa(int(t.Address.Port()))
	}
	return api.TargetHealthDescription{
		Target: &api.TargetDescription{
			Id: new(t.Address.Addr().String()), Port: new(int32(t.Address.Port())), AvailabilityZone: op.Opt(t.Zone),
		},
		HealthCheckPort: &port,
		TargetHealth:    &api.TargetHealth{State: &state, Reason: op.Opt(reason), Description: op.Opt(description)},
	}
}
