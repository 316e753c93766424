package elbv2

import (
	"context"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"

	api "github.com/penstock-ci/penstock/api/elbv2"
)

// Balancer is a load balancer.
type Balancer struct {
	ARN, Name, DNSName string
	Scheme, Type, VPC  string
	IPAddressType      string
	State              string // of the machine: provisioning, active, failed, deleting
	Reason             string
	Subnets            []Subnet
	Arriving           []string // effects that make interfaces and are not done
	Leaving            []string // interfaces of subnets that are no longer its
	Groups             []string // security groups
	Turn               int      // counts changes of subnets and groups: it makes effects' names new
	Created            time.Time
	Attributes         attributes
	Tags               map[string]string
}

// Subnet is one of a balancer's subnets, and the interface it has there.
type Subnet struct {
	ID, Zone  string
	Interface string     `json:",omitzero"`
	Address   netip.Addr `json:",omitzero"`
	Public    netip.Addr `json:",omitzero"`
}

// Types and schemes.
const (
	application = "application"
	networkType = "network"
	public      = "internet-facing"
)

func (b Balancer) id(s store.Scope) engine.ID {
	return engine.ID{Scope: s, Kind: balancerKind, Key: b.ARN}
}

// path is type/name/id, which the ARNs of listeners and rules repeat.
func (b Balancer) path() string {
	_, path, _ := strings.Cut(b.ARN, ":loadbalancer/")
	return path
}

// loopback is an address of the host's own for a public balancer, in
// 127.0.64.0/18. Two may meet on one; then the second goes without.
func loopback(arn string) netip.Addr {
	h := fnv.New32a()
	h.Write([]byte(arn)) // never fails
	n := h.Sum32()
	return netip.AddrFrom4([4]byte{127, 0, 64 | byte(n>>8)&63, 1 + byte(n>>16)%254})
}

func (s *Service) createLoadBalancer(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateLoadBalancerInput) (*api.CreateLoadBalancerOutput, error) {
	kind := op.Or(in.Type, application)
	if kind != application && kind != networkType {
		return nil, invalid("Load balancer type '%s' is not supported here; use 'application' or 'network'", kind)
	}
	if t := op.Or(in.IpAddressType, "ipv4"); t != "ipv4" {
		return nil, invalid("IP address type '%s' is not supported here; use 'ipv4'", t)
	}
	if err := checkName(op.Val(in.Name), "Load balancer"); err != nil {
		return nil, err
	}
	ids, err := subnetIDs(in.Subnets, in.SubnetMappings)
	if err != nil {
		return nil, err
	}
	b := Balancer{
		Name: *in.Name, Type: kind, Scheme: op.Or(in.Scheme, public), IPAddressType: "ipv4",
		State: provisioning, Created: s.Clock.Now(), Tags: map[string]string{}, Attributes: applicationAttributes(),
	}
	if kind == networkType {
		b.Attributes = networkAttributes()
	}
	if b.VPC, b.Subnets, err = s.subnets(ctx, c, ids, kind); err != nil {
		return nil, err
	}
	if b.Groups, err = s.securityGroups(ctx, c, b, in.SecurityGroups); err != nil {
		return nil, err
	}
	if err := tag(b.Tags, in.Tags); err != nil {
		return nil, err
	}
	old, found, err := balancerNamed(ctx, tx, c.Scope, b.Name)
	if err != nil {
		return nil, err
	}
	if found {
		if !same(old, b) {
			return nil, api.DuplicateLoadBalancerNameException("A load balancer with the same name '%s' exists, but with different settings", b.Name)
		}
		return &api.CreateLoadBalancerOutput{LoadBalancers: []api.LoadBalancer{old.api()}}, nil
	}
	b.name(c)
	if _, err := balancers.Put(ctx, tx, c.Scope, b.ARN, b, 0); err != nil {
		return nil, err
	}
	if err := s.Engine.Send(ctx, tx, b.id(c.Scope), engine.Event{ID: "created/" + b.ARN, Name: evCreated, At: b.Created}); err != nil {
		return nil, err
	}
	return &api.CreateLoadBalancerOutput{LoadBalancers: []api.LoadBalancer{b.api()}}, nil
}

// name gives b its ARN and host name.
func (b *Balancer) name(c op.Caller) {
	short := map[string]string{application: "app", networkType: "net"}[b.Type]
	b.ARN = arn.New("elasticloadbalancing", c.Region, c.Account, "loadbalancer/"+short+"/"+b.Name+"/"+ids.Hex(16, c.Key))
	b.DNSName = b.Name + "-" + digits(b.ARN) + "." + c.Region + ".elb.amazonaws.com"
	if b.Scheme != public {
		b.DNSName = "internal-" + b.DNSName
	}
	b.DNSName = strings.ToLower(b.DNSName)
}

// digits are ten that follow from s.
func digits(s string) string {
	h := fnv.New64a()
	h.Write([]byte(s)) // never fails
	n := h.Sum64()
	out := make([]byte, 10)
	for i := range out {
		out[i] = '0' + byte(n%10)
		n /= 10
	}
	if out[0] == '0' {
		out[0] = '1'
	}
	return string(out)
}

func checkName(name, what string) error {
	ok := name != "" && len(name) <= 32 && !strings.HasPrefix(name, "-") && !strings.HasSuffix(name, "-")
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
	}
	switch {
	case len(name) > 32:
		return invalid("%s name '%s' cannot be longer than '32' characters", what, name)
	case !ok:
		return invalid("%s name '%s' can only contain characters that are alphanumeric characters and hyphens(-), and cannot begin or end with a hyphen", what, name)
	case what == "Load balancer" && strings.HasPrefix(name, "internal-"):
		return invalid("The load balancer name '%s' cannot start with 'internal-'", name)
	}
	return nil
}

func subnetIDs(plain []string, mapped []api.SubnetMapping) ([]string, error) {
	if len(plain) > 0 && len(mapped) > 0 {
		return nil, invalid("Only one of SubnetMappings or Subnets may be specified")
	}
	for _, m := range mapped {
		if m.AllocationId != nil || m.PrivateIPv4Address != nil || m.IPv6Address != nil {
			return nil, invalid("Addresses in SubnetMappings are not supported here; give subnet ids only")
		}
		plain = append(plain, op.Val(m.SubnetId))
	}
	if len(plain) == 0 {
		return nil, invalid("At least one subnet must be specified")
	}
	return plain, nil
}

// same tells whether a second create asks for what is there.
func same(a, b Balancer) bool {
	names := func(ss []Subnet) []string {
		var out []string
		for _, s := range ss {
			out = append(out, s.ID)
		}
		return slices.Sorted(slices.Values(out))
	}
	return a.Type == b.Type && a.Scheme == b.Scheme && a.VPC == b.VPC && slices.Equal(names(a.Subnets), names(b.Subnets)) &&
		slices.Equal(slices.Sorted(slices.Values(a.Groups)), slices.Sorted(slices.Values(b.Groups)))
}

func balancerNamed(ctx context.Context, r store.Reader, scope store.Scope, name string) (Balancer, bool, error) {
	docs, err := balancers.List(ctx, r, scope, store.Query{Index: "name", Equal: name})
	if err != nil {
		return Balancer{}, false, err
	}
	for _, d := range docs {
		if d.Value.State != deleting {
			return d.Value, true, nil
		}
	}
	return Balancer{}, false, nil
}

// balancer finds one that is not being deleted.
func (s *Service) balancer(ctx context.Context, r store.Reader, c op.Caller, arn *string) (store.Doc[Balancer], error) {
	gone := api.LoadBalancerNotFoundException("One or more load balancers not found")
	d, err := balancers.Get(ctx, r, c.Scope, op.Val(arn))
	if err != nil {
		return d, missing(err, gone)
	}
	if d.Value.State == deleting {
		return d, gone
	}
	return d, nil
}

func (s *Service) describeLoadBalancers(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeLoadBalancersInput) (*api.DescribeLoadBalancersOutput, error) {
	docs, err := balancers.List(ctx, r, c.Scope, store.Query{})
	if err != nil {
		return nil, err
	}
	var all []Balancer
	for _, d := range docs {
		if d.Value.State != deleting {
			all = append(all, d.Value)
		}
	}
	for _, want := range in.LoadBalancerArns {
		if !slices.ContainsFunc(all, func(b Balancer) bool { return b.ARN == want }) {
			return nil, api.LoadBalancerNotFoundException("One or more load balancers not found")
		}
	}
	for _, want := range in.Names {
		if !slices.ContainsFunc(all, func(b Balancer) bool { return b.Name == want }) {
			return nil, api.LoadBalancerNotFoundException("Load balancers '[%s]' not found", strings.Join(in.Names, ", "))
		}
	}
	all = slices.DeleteFunc(all, func(b Balancer) bool {
		return len(in.LoadBalancerArns) > 0 && !slices.Contains(in.LoadBalancerArns, b.ARN) || len(in.Names) > 0 && !slices.Contains(in.Names, b.Name)
	})
	shown, next, err := page(all, func(b Balancer) string { return b.ARN }, in.Marker, in.PageSize)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeLoadBalancersOutput{LoadBalancers: []api.LoadBalancer{}, NextMarker: next}
	for _, b := range shown {
		out.LoadBalancers = append(out.LoadBalancers, b.api())
	}
	return out, nil
}

func (s *Service) deleteLoadBalancer(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteLoadBalancerInput) (*api.DeleteLoadBalancerOutput, error) {
	d, err := balancers.Get(ctx, tx, c.Scope, op.Val(in.LoadBalancerArn))
	if err != nil || d.Value.State == deleting {
		return gone(&api.DeleteLoadBalancerOutput{}, err)
	}
	b := d.Value
	if b.Attributes.isOn("deletion_protection.enabled") {
		return nil, api.OperationNotPermittedException("Load balancer '%s' cannot be deleted because deletion protection is enabled", b.ARN)
	}
	ls, err := listeners.List(ctx, tx, c.Scope, store.Query{Index: "balancer", Equal: b.ARN})
	if err != nil {
		return nil, err
	}
	for _, l := range ls {
		if err := s.dropListener(ctx, tx, c.Scope, l); err != nil {
			return nil, err
		}
	}
	if err := s.associate(ctx, tx, c.Scope, b.ARN); err != nil {
		return nil, err
	}
	if _, err := s.Records.DeleteBalancer(ctx, tx, b.ARN); err != nil {
		return nil, err
	}
	for _, vpc := range []string{"", b.VPC} {
		if _, err := s.Records.DeleteName(ctx, tx, vpc, b.DNSName); err != nil {
			return nil, err
		}
	}
	b.State = deleting
	if _, err := balancers.Put(ctx, tx, c.Scope, b.ARN, b, d.Version); err != nil {
		return nil, err
	}
	return &api.DeleteLoadBalancerOutput{}, s.Engine.Send(ctx, tx, b.id(c.Scope), engine.Event{ID: "deleted/" + b.ARN, Name: evDeleted, At: s.Clock.Now()})
}
