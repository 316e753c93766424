package elbv2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"

	api "github.com/penstock-ci/penstock/api/elbv2"
)

// Group is a target group.
type Group struct {
	ARN, Name, Protocol, VPC string
	Port                     int32
	Check                    check
	Balancer                 string // ARN of the one that forwards to it
	Attributes               attributes
	Tags                     map[string]string
	Targets                  []Target
}

// check is the health check as AWS words it.
type check struct {
	Protocol, Port, Path, Codes string
	Interval, Timeout           int32
	Healthy, Unhealthy          int32
}

// Target is one address and port.
type Target struct {
	Address    netip.AddrPort
	Zone       string `json:",omitzero"`
	Registered time.Time
	Wave       string `json:",omitzero"`
	Draining   bool   `json:",omitzero"`
	Drain      int    // counts its drains: it makes events new
}

func (g Group) id(s store.Scope) engine.ID {
	return engine.ID{Scope: s, Kind: groupKind, Key: g.ARN}
}

func (s *Service) createTargetGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateTargetGroupInput) (*api.CreateTargetGroupOutput, error) {
	if err := checkName(op.Val(in.Name), "Target group"); err != nil {
		return nil, err
	}
	if err := checkGroup(in); err != nil {
		return nil, err
	}
	g := Group{
		Name: *in.Name, Protocol: *in.Protocol, Port: *in.Port, VPC: *in.VpcId,
		Attributes: groupAttributes(*in.Protocol), Tags: map[string]string{},
	}
	if err := tag(g.Tags, in.Tags); err != nil {
		return nil, err
	}
	g.Check = defaultCheck(g.Protocol)
	err := g.Check.change(g.Protocol, &api.ModifyTargetGroupInput{
		HealthCheckProtocol: in.HealthCheckProtocol, HealthCheckPort: in.HealthCheckPort, HealthCheckPath: in.HealthCheckPath,
		HealthCheckEnabled: in.HealthCheckEnabled, HealthCheckIntervalSeconds: in.HealthCheckIntervalSeconds, HealthCheckTimeoutSeconds: in.HealthCheckTimeoutSeconds,
		HealthyThresholdCount: in.HealthyThresholdCount, UnhealthyThresholdCount: in.UnhealthyThresholdCount, Matcher: in.Matcher,
	})
	if err != nil {
		return nil, err
	}
	others, err := groups.List(ctx, tx, c.Scope, store.Query{Index: "name", Equal: g.Name})
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		if o.Value.Protocol != g.Protocol || o.Value.Port != g.Port || o.Value.VPC != g.VPC || o.Value.Check != g.Check {
			return nil, api.DuplicateTargetGroupNameException("A target group with the same name '%s' exists, but with different settings", g.Name)
		}
		return &api.CreateTargetGroupOutput{TargetGroups: []api.TargetGroup{o.Value.api()}}, nil
	}
	g.ARN = arn.New("elasticloadbalancing", c.Region, c.Account, "targetgroup/"+g.Name+"/"+ids.Hex(16, c.Key))
	if err := s.putGroup(ctx, tx, c.Scope, g, 0); err != nil {
		return nil, err
	}
	return &api.CreateTargetGroupOutput{TargetGroups: []api.TargetGroup{g.api()}}, nil
}

// checkGroup refuses what the data plane cannot do.
func checkGroup(in *api.CreateTargetGroupInput) error {
	if t := op.Or(in.TargetType, "instance"); t != "ip" {
		return invalid("Target type '%s' is not supported here; use 'ip'", t)
	}
	if in.Protocol == nil {
		return invalid("A protocol must be specified")
	}
	if *in.Protocol != "HTTP" && *in.Protocol != "TCP" {
		return invalid("Target group protocol '%s' is not supported here; use 'HTTP' or 'TCP'", *in.Protocol)
	}
	if in.Port == nil {
		return invalid("A port must be specified")
	}
	if in.VpcId == nil {
		return invalid("A VPC ID must be specified")
	}
	// Terraform's provider sends it empty.
	if v := op.Val(in.ProtocolVersion); v != "" && v != "HTTP1" {
		return invalid("Protocol version '%s' is not supported here; use 'HTTP1'", v)
	}
	if t := op.Or(in.IpAddressType, "ipv4"); t != "ipv4" {
		return invalid("IP address type '%s' is not supported here; use 'ipv4'", t)
	}
	return nil
}

// putGroup stores g and its record.
func (s *Service) putGroup(ctx context.Context, tx store.Tx, scope store.Scope, g Group, old store.Version) error {
	if _, err := groups.Put(ctx, tx, scope, g.ARN, g, old); err != nil {
		return err
	}
	_, err := s.Records.PutPool(ctx, tx, g.record())
	return err
}

// record is g for the data plane.
func (g Group) record() dataplane.Pool {
	p := dataplane.Pool{
		ID: g.ARN, Balancer: g.Balancer, Protocol: g.Protocol, Check: g.Check.record(),
		Least: g.Attributes["load_balancing.algorithm.type"] == "least_outstanding_requests",
	}
	if g.Protocol == "HTTP" && g.Attributes.isOn("stickiness.enabled") {
		p.Sticky = g.Attributes.number("stickiness.lb_cookie.duration_seconds")
	}
	for _, t := range g.Targets {
		p.Targets = append(p.Targets, dataplane.Target{Address: t.Address, Drain: t.Draining, Wave: t.Wave, Registered: t.Registered})
	}
	return p
}

func (s *Service) group(ctx context.Context, r store.Reader, c op.Caller, a *string) (store.Doc[Group], error) {
	d, err := groups.Get(ctx, r, c.Scope, op.Val(a))
	return d, missing(err, api.TargetGroupNotFoundException("One or more target groups not found"))
}

func (s *Service) describeTargetGroups(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeTargetGroupsInput) (*api.DescribeTargetGroupsOutput, error) {
	docs, err := groups.List(ctx, r, c.Scope, store.Query{})
	if err != nil {
		return nil, err
	}
	all := values(docs)
	has := func(f func(Group) bool) bool { return slices.ContainsFunc(all, f) }
	for _, a := range in.TargetGroupArns {
		if !has(func(g Group) bool { return g.ARN == a }) {
			return nil, api.TargetGroupNotFoundException("One or more target groups not found")
		}
	}
	for _, n := range in.Names {
		if !has(func(g Group) bool { return g.Name == n }) {
			return nil, api.TargetGroupNotFoundException("One or more target groups not found")
		}
	}
	if in.LoadBalancerArn != nil {
		if _, err := s.balancer(ctx, r, c, in.LoadBalancerArn); err != nil {
			return nil, err
		}
	}
	all = slices.DeleteFunc(all, func(g Group) bool {
		return len(in.TargetGroupArns) > 0 && !slices.Contains(in.TargetGroupArns, g.ARN) ||
			len(in.Names) > 0 && !slices.Contains(in.Names, g.Name) || in.LoadBalancerArn != nil && g.Balancer != *in.LoadBalancerArn
	})
	shown, next, err := page(all, func(g Group) string { return g.ARN }, in.Marker, in.PageSize)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeTargetGroupsOutput{TargetGroups: []api.TargetGroup{}, NextMarker: next}
	for _, g := range shown {
		out.TargetGroups = append(out.TargetGroups, g.api())
	}
	return out, nil
}

func (s *Service) modifyTargetGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.ModifyTargetGroupInput) (*api.ModifyTargetGroupOutput, error) {
	d, err := s.group(ctx, tx, c, in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	g := d.Value
	if err := g.Check.change(g.Protocol, in); err != nil {
		return nil, err
	}
	if err := s.putGroup(ctx, tx, c.Scope, g, d.Version); err != nil {
		return nil, err
	}
	return &api.ModifyTargetGroupOutput{TargetGroups: []api.TargetGroup{g.api()}}, nil
}

func (s *Service) describeTargetGroupAttributes(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeTargetGroupAttributesInput) (*api.DescribeTargetGroupAttributesOutput, error) {
	d, err := s.group(ctx, r, c, in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	return &api.DescribeTargetGroupAttributesOutput{Attributes: d.Value.attributesAPI()}, nil
}

func (s *Service) modifyTargetGroupAttributes(ctx context.Context, tx store.Tx, c op.Caller, in *api.ModifyTargetGroupAttributesInput) (*api.ModifyTargetGroupAttributesOutput, error) {
	d, err := s.group(ctx, tx, c, in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	g := d.Value
	for _, a := range in.Attributes {
		if err := g.Attributes.set("Target group", op.Val(a.Key), op.Val(a.Value)); err != nil {
			return nil, err
		}
	}
	if err := s.putGroup(ctx, tx, c.Scope, g, d.Version); err != nil {
		return nil, err
	}
	return &api.ModifyTargetGroupAttributesOutput{Attributes: g.attributesAPI()}, nil
}

func (s *Service) deleteTargetGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteTargetGroupInput) (*api.DeleteTargetGroupOutput, error) {
	d, err := groups.Get(ctx, tx, c.Scope, op.Val(in.TargetGroupArn))
	if err != nil {
		return gone(&api.DeleteTargetGroupOutput{}, err)
	}
	if d.Value.Balancer != "" {
		return nil, api.ResourceInUseException("Target group '%s' is currently in use by a listener or a rule", d.Key)
	}
	if _, err := s.Records.DeletePool(ctx, tx, d.Key); err != nil {
		return nil, err
	}
	return &api.DeleteTargetGroupOutput{}, groups.Delete(ctx, tx, c.Scope, d.Key, d.Version)
}

// trafficPort is the health check's port where it is the target's own.
const trafficPort = "traffic-port"

func defaultCheck(protocol string) check {
	if protocol == "HTTP" {
		return check{Protocol: "HTTP", Port: trafficPort, Path: "/", Codes: "200", Interval: 30, Timeout: 5, Healthy: 5, Unhealthy: 2}
	}
	return check{Protocol: "TCP", Port: trafficPort, Interval: 30, Timeout: 10, Healthy: 5, Unhealthy: 2}
}

func (k check) record() dataplane.Check {
	r := dataplane.Check{
		Protocol: k.Protocol, Path: k.Path, Codes: k.Codes, Healthy: int(k.Healthy), Unhealthy: int(k.Unhealthy),
		Interval: time.Duration(k.Interval) * time.Second, Timeout: time.Duration(k.Timeout) * time.Second,
	}
	if n, err := strconv.ParseUint(k.Port, 10, 16); err == nil {
		r.Port = uint16(n)
	}
	return r
}

// change takes what in sets, and checks the whole.
func (k *check) change(protocol string, in *api.ModifyTargetGroupInput) error {
	if !op.Or(in.HealthCheckEnabled, true) {
		return invalid("Health checks cannot be disabled for target groups of type 'ip'")
	}
	if p := op.Or(in.HealthCheckProtocol, k.Protocol); p != k.Protocol {
		*k = defaultCheck(p)
		k.Protocol = p
	}
	k.Port, k.Path = op.Or(in.HealthCheckPort, k.Port), op.Or(in.HealthCheckPath, k.Path)
	k.Interval, k.Timeout = op.Or(in.HealthCheckIntervalSeconds, k.Interval), op.Or(in.HealthCheckTimeoutSeconds, k.Timeout)
	k.Healthy, k.Unhealthy = op.Or(in.HealthyThresholdCount, k.Healthy), op.Or(in.UnhealthyThresholdCount, k.Unhealthy)
	if in.Matcher != nil {
		if in.Matcher.GrpcCode != nil {
			return invalid("gRPC codes are not supported here")
		}
		k.Codes = op.Or(in.Matcher.HttpCode, k.Codes)
	}
	return k.valid(protocol)
}

func (k check) valid(protocol string) error {
	switch {
	case k.Protocol != "HTTP" && (k.Protocol != "TCP" || protocol == "HTTP"):
		return invalid("Health check protocol '%s' is not supported for target groups with the protocol '%s'", k.Protocol, protocol)
	case k.Protocol == "HTTP" && !strings.HasPrefix(k.Path, "/"):
		return invalid("Health check path '%s' must begin with a '/' character", k.Path)
	case k.Interval < 5 || k.Interval > 300:
		return invalid("Health check interval must be between '5' and '300' seconds")
	case k.Timeout < 2 || k.Timeout > 120:
		return invalid("Health check timeout must be between '2' and '120' seconds")
	case k.Timeout >= k.Interval && protocol == "HTTP":
		return invalid("Health check timeout '%d' must be smaller than the interval '%d'", k.Timeout, k.Interval)
	case k.Healthy < 2 || k.Healthy > 10 || k.Unhealthy < 2 || k.Unhealthy > 10:
		return invalid("Health check thresholds must be between '2' and '10'")
	}
	if n, err := strconv.ParseUint(k.Port, 10, 16); k.Port != trafficPort && (err != nil || n == 0) {
		return invalid("Health check port '%s' must be '%s' or a number between '1' and '65535'", k.Port, trafficPort)
	}
	return nil
}
