package elbv2

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"

	api "github.com/penstock-ci/penstock/api/elbv2"
)

// Listener is a port of a balancer. Its default rule is part of it.
type Listener struct {
	ARN, Balancer string
	Protocol      string
	Port          int32
	Actions       []api.Action // as given, completed; also the default rule's
	DefaultRule   string       // ARN
	Attributes    attributes
	Tags          map[string]string
}

func (l Listener) api() api.Listener {
	return api.Listener{
		ListenerArn: new(l.ARN), LoadBalancerArn: new(l.Balancer), Protocol: new(l.Protocol), Port: new(l.Port), DefaultActions: l.Actions,
	}
}

func (s *Service) createListener(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateListenerInput) (*api.CreateListenerOutput, error) {
	d, err := s.balancer(ctx, tx, c, in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	b := d.Value
	if in.Protocol == nil || in.Port == nil {
		return nil, invalid("A listener protocol and port must be specified")
	}
	if err := checkProtocol(b, *in.Protocol, in.Certificates); err != nil {
		return nil, err
	}
	id := ids.Hex(16, c.Key)
	l := Listener{
		ARN: arn.New("elasticloadbalancing", c.Region, c.Account, "listener/"+b.path()+"/"+id), Balancer: b.ARN,
		Protocol: *in.Protocol, Port: *in.Port, Tags: map[string]string{}, Attributes: listenerAttributes(*in.Protocol),
	}
	l.DefaultRule = ruleARN(l.ARN, ids.Hex(16, l.ARN))
	if err := tag(l.Tags, in.Tags); err != nil {
		return nil, err
	}
	if err := s.checkPort(ctx, tx, c.Scope, l); err != nil {
		return nil, err
	}
	if l.Actions, err = s.actions(ctx, tx, c.Scope, l, in.DefaultActions); err != nil {
		return nil, err
	}
	if err := s.putListener(ctx, tx, c.Scope, l, 0); err != nil {
		return nil, err
	}
	return &api.CreateListenerOutput{Listeners: []api.Listener{l.api()}}, nil
}

// checkProtocol refuses what the data plane does not speak.
func checkProtocol(b Balancer, protocol string, certificates []api.Certificate) error {
	want := map[string]string{application: "HTTP", networkType: "TCP"}[b.Type]
	switch {
	case protocol == want && len(certificates) > 0:
		return invalid("Certificates cannot be specified for %s listeners", protocol)
	case protocol == want:
		return nil
	case len(certificates) > 0:
		return api.CertificateNotFoundException("Certificate '%s' not found", op.Val(certificates[0].CertificateArn))
	case protocol == "HTTPS" || protocol == "TLS":
		return invalid("A certificate must be specified for %s listeners", protocol)
	}
	return api.UnsupportedProtocolException("Listener protocol '%s' is not supported for a load balancer of type '%s'; use '%s'", protocol, b.Type, want)
}

func (s *Service) checkPort(ctx context.Context, r store.Reader, scope store.Scope, l Listener) error {
	others, err := listeners.List(ctx, r, scope, store.Query{Index: "balancer", Equal: l.Balancer})
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Value.Port == l.Port && o.Value.ARN != l.ARN {
			return api.DuplicateListenerException("A listener already exists on this port for this load balancer '%s'", l.Balancer)
		}
	}
	return nil
}

// putListener stores l, its record and which target groups its balancer uses.
func (s *Service) putListener(ctx context.Context, tx store.Tx, scope store.Scope, l Listener, old store.Version) error {
	if _, err := listeners.Put(ctx, tx, scope, l.ARN, l, old); err != nil {
		return err
	}
	if err := s.publishListener(ctx, tx, scope, l); err != nil {
		return err
	}
	return s.associate(ctx, tx, scope, l.Balancer)
}

func (s *Service) listener(ctx context.Context, r store.Reader, c op.Caller, arn *string) (store.Doc[Listener], error) {
	d, err := listeners.Get(ctx, r, c.Scope, op.Val(arn))
	return d, missing(err, api.ListenerNotFoundException("One or more listeners not found"))
}

func (s *Service) describeListeners(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeListenersInput) (*api.DescribeListenersOutput, error) {
	var all []Listener
	switch {
	case len(in.ListenerArns) > 0:
		for _, a := range in.ListenerArns {
			d, err := s.listener(ctx, r, c, &a)
			if err != nil {
				return nil, err
			}
			all = append(all, d.Value)
		}
	case in.LoadBalancerArn != nil:
		if _, err := s.balancer(ctx, r, c, in.LoadBalancerArn); err != nil {
			return nil, err
		}
		docs, err := listeners.List(ctx, r, c.Scope, store.Query{Index: "balancer", Equal: *in.LoadBalancerArn})
		if err != nil {
			return nil, err
		}
		all = values(docs)
	default:
		return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	shown, next, err := page(all, func(l Listener) string { return l.ARN }, in.Marker, in.PageSize)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeListenersOutput{Listeners: []api.Listener{}, NextMarker: next}
	for _, l := range shown {
		out.Listeners = append(out.Listeners, l.api())
	}
	return out, nil
}

func values[T any](docs []store.Doc[T]) []T {
	out := make([]T, len(docs))
	for i, d := range docs {
		out[i] = d.Value
	}
	return out
}

func (s *Service) modifyListener(ctx context.Context, tx store.Tx, c op.Caller, in *api.ModifyListenerInput) (*api.ModifyListenerOutput, error) {
	d, err := s.listener(ctx, tx, c, in.ListenerArn)
	if err != nil {
		return nil, err
	}
	l := d.Value
	b, err := s.balancer(ctx, tx, c, &l.Balancer)
	if err != nil {
		return nil, err
	}
	l.Protocol, l.Port = op.Or(in.Protocol, l.Protocol), op.Or(in.Port, l.Port)
	if err := checkProtocol(b.Value, l.Protocol, in.Certificates); err != nil {
		return nil, err
	}
	if err := s.checkPort(ctx, tx, c.Scope, l); err != nil {
		return nil, err
	}
	if len(in.DefaultActions) > 0 {
		if l.Actions, err = s.actions(ctx, tx, c.Scope, l, in.DefaultActions); err != nil {
			return nil, err
		}
	}
	if err := s.putListener(ctx, tx, c.Scope, l, d.Version); err != nil {
		return nil, err
	}
	return &api.ModifyListenerOutput{Listeners: []api.Listener{l.api()}}, nil
}

func (s *Service) deleteListener(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteListenerInput) (*api.DeleteListenerOutput, error) {
	d, err := s.listener(ctx, tx, c, in.ListenerArn)
	if err != nil {
		return nil, err
	}
	if err := s.dropListener(ctx, tx, c.Scope, d); err != nil {
		return nil, err
	}
	return &api.DeleteListenerOutput{}, s.associate(ctx, tx, c.Scope, d.Value.Balancer)
}

// dropListener deletes a listener with its rules.
func (s *Service) dropListener(ctx context.Context, tx store.Tx, scope store.Scope, d store.Doc[Listener]) error {
	rs, err := rules.List(ctx, tx, scope, store.Query{Index: "listener", Equal: d.Value.ARN})
	if err != nil {
		return err
	}
	for _, r := range rs {
		if err := rules.Delete(ctx, tx, scope, r.Key, r.Version); err != nil {
			return err
		}
	}
	if _, err := s.Records.DeleteListener(ctx, tx, d.Value.ARN); err != nil {
		return err
	}
	return listeners.Delete(ctx, tx, scope, d.Key, d.Version)
}

func (s *Service) describeListenerAttributes(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeListenerAttributesInput) (*api.DescribeListenerAttributesOutput, error) {
	d, err := s.listener(ctx, r, c, in.ListenerArn)
	if err != nil {
		return nil, err
	}
	return &api.DescribeListenerAttributesOutput{Attributes: d.Value.attributesAPI()}, nil
}

func (l Listener) attributesAPI() (out []api.ListenerAttribute) {
	for _, k := range l.Attributes.keys() {
		out = append(out, api.ListenerAttribute{Key: new(k), Value: new(l.Attributes[k])})
	}
	return out
}

func (s *Service) modifyListenerAttributes(ctx context.Context, tx store.Tx, c op.Caller, in *api.ModifyListenerAttributesInput) (*api.ModifyListenerAttributesOutput, error) {
	d, err := s.listener(ctx, tx, c, in.ListenerArn)
	if err != nil {
		return nil, err
	}
	l := d.Value
	l.Attributes = maps.Clone(l.Attributes)
	for _, a := range in.Attributes {
		if err := l.Attributes.set("Listener", op.Val(a.Key), op.Val(a.Value)); err != nil {
			return nil, err
		}
	}
	if _, err := listeners.Put(ctx, tx, c.Scope, l.ARN, l, d.Version); err != nil {
		return nil, err
	}
	return &api.ModifyListenerAttributesOutput{Attributes: l.attributesAPI()}, nil
}

func (s *Service) describeListenerCertificates(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeListenerCertificatesInput) (*api.DescribeListenerCertificatesOutput, error) {
	if _, err := s.listener(ctx, r, c, in.ListenerArn); err != nil {
		return nil, err
	}
	return &api.DescribeListenerCertificatesOutput{Certificates: []api.Certificate{}}, nil
}

// ruleARN is the ARN of a rule of listener.
func ruleARN(listener, id string) string {
	return strings.Replace(listener, ":listener/", ":listener-rule/", 1) + "/" + id
}

// associate keeps, on every target group, which balancer its targets are reached
// by: the one whose listeners and rules forward to it.
func (s *Service) associate(ctx context.Context, tx store.Tx, scope store.Scope, balancer string) error {
	used, err := s.used(ctx, tx, scope, balancer)
	if err != nil {
		return err
	}
	before, err := groups.List(ctx, tx, scope, store.Query{Index: "balancer", Equal: balancer})
	if err != nil {
		return err
	}
	for _, d := range before {
		if !slices.Contains(used, d.Key) {
			d.Value.Balancer = ""
			if err := s.putGroup(ctx, tx, scope, d.Value, d.Version); err != nil {
				return err
			}
		}
	}
	for _, a := range used {
		d, err := groups.Get(ctx, tx, scope, a)
		if err != nil {
			return missing(err, api.TargetGroupNotFoundException("Target groups '%s' not found", a))
		}
		if d.Value.Balancer == balancer {
			continue
		}
		if d.Value.Balancer != "" {
			return api.TargetGroupAssociationLimitException("The following target groups cannot be associated with more than one load balancer: %s", a)
		}
		d.Value.Balancer = balancer
		if err := s.putGroup(ctx, tx, scope, d.Value, d.Version); err != nil {
			return err
		}
	}
	return nil
}

// used are the target groups that a balancer forwards to.
func (s *Service) used(ctx context.Context, r store.Reader, scope store.Scope, balancer string) (out []string, err error) {
	ls, err := listeners.List(ctx, r, scope, store.Query{Index: "balancer", Equal: balancer})
	if err != nil {
		return nil, err
	}
	for _, l := range ls {
		out = append(out, targetsOf(l.Value.Actions)...)
		rs, err := rules.List(ctx, r, scope, store.Query{Index: "listener", Equal: l.Key})
		if err != nil {
			return nil, err
		}
		for _, d := range rs {
			out = append(out, targetsOf(d.Value.Actions)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
