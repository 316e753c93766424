package elbv2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const principal = "elasticloadbalancing.amazonaws.com"

// self is the caller that the service is when no user's role covers its work.
func (s *Service) self(scope store.Scope, key string) op.Caller {
	return op.As(scope, op.ServiceLinked(scope.Account, principal, "AWSServiceRoleForElasticLoadBalancing"), "ElasticLoadBalancing", principal, key)
}

// refused turns one of another service's errors into our own.
func refused(err error, code string, as func(message string) *op.Error) error {
	if e, ok := errors.AsType[*op.Error](err); ok && e.Code == code {
		return as(e.Message)
	}
	return err
}

// attach makes the interface in one subnet, and waits until it is there.
func (s *Service) attach(ctx context.Context, id engine.ID, b Balancer, f engine.Effect, token string) (*engine.Event, error) {
	var subnet string
	if err := json.Unmarshal(f.Body, &subnet); err != nil {
		return nil, engine.Permanent(err)
	}
	out, err := op.Call(ctx, s.AWS, s.self(id.Scope, token), ec2.CreateNetworkInterface, &ec2.CreateNetworkInterfaceInput{
		SubnetId: &subnet, Groups: b.Groups, Description: new("ELB " + b.path()),
	})
	if err != nil {
		return nil, err
	}
	n := out.NetworkInterface
	made := attachment{Subnet: subnet, Interface: op.Val(n.NetworkInterfaceId)}
	if made.Address, err = netip.ParseAddr(op.Val(n.PrivateIpAddress)); err != nil {
		return nil, fmt.Errorf("the address of interface %s: %w", made.Interface, err)
	}
	if b.Scheme == public {
		if made.Public, err = s.expose(ctx, id.Scope, made.Interface, token); err != nil {
			return nil, err
		}
	}
	if err := s.Network(ctx); err != nil {
		return nil, err
	}
	body, err := json.Marshal(made)
	return &engine.Event{ID: f.Name, Name: evAttached, Body: body}, err
}

// expose gives an interface a public address.
func (s *Service) expose(ctx context.Context, scope store.Scope, eni, token string) (netip.Addr, error) {
	_, err := op.Call(ctx, s.AWS, s.self(scope, token+"/public"), ec2.ModifyNetworkInterfaceAttribute, &ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceId: &eni, AssociatePublicIpAddress: new(true),
	})
	if err != nil {
		return netip.Addr{}, err
	}
	out, err := op.Call(ctx, s.AWS, s.self(scope, ""), ec2.DescribeNetworkInterfaces, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{eni}})
	if err != nil {
		return netip.Addr{}, err
	}
	for _, n := range out.NetworkInterfaces {
		if n.Association != nil {
			return netip.ParseAddr(op.Val(n.Association.PublicIp))
		}
	}
	return netip.Addr{}, fmt.Errorf("interface %s has no public address", eni)
}

// secure gives the interfaces the balancer's security groups.
func (s *Service) secure(ctx context.Context, id engine.ID, b Balancer, _ engine.Effect, token string) (*engine.Event, error) {
	for _, sub := range b.Subnets {
		if sub.Interface == "" || len(b.Groups) == 0 {
			continue
		}
		_, err := op.Call(ctx, s.AWS, s.self(id.Scope, token+"/"+sub.Interface), ec2.ModifyNetworkInterfaceAttribute, &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: new(sub.Interface), Groups: b.Groups,
		})
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// publish writes what the data plane shall do and waits until it does.
func (s *Service) publish(ctx context.Context, id engine.ID, _ Balancer, _ engine.Effect, _ string) (*engine.Event, error) {
	var number uint64
	err := s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := balancers.Get(ctx, tx, id.Scope, id.Key)
		if err != nil || d.Value.State == deleting {
			return missingIsDone(err)
		}
		b := d.Value
		if _, err := s.Records.PutBalancer(ctx, tx, b.record()); err != nil {
			return err
		}
		for _, n := range b.names() {
			if number, err = s.Records.PutName(ctx, tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", id.Key, err)
	}
	if err := s.Plane(ctx, number); err != nil {
		return nil, err
	}
	return &engine.Event{Name: evPublished}, nil
}

// names are the balancer's host name as its own VPC and as all others see it.
// In its own it is the private addresses even where it has public ones, so that a
// subnet without a way out reaches it too.
func (b Balancer) names() []dataplane.Name {
	inside, outside := dataplane.Name{VPC: b.VPC, Name: b.DNSName}, dataplane.Name{Name: b.DNSName}
	for _, s := range b.Subnets {
		if !s.Address.IsValid() {
			continue
		}
		inside.Addresses = append(inside.Addresses, s.Address)
		if s.Public.IsValid() {
			outside.Addresses = append(outside.Addresses, s.Public)
		} else {
			outside.Addresses = append(outside.Addresses, s.Address)
		}
	}
	return []dataplane.Name{inside, outside}
}

func missingIsDone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// record is b for the data plane.
func (b Balancer) record() dataplane.Balancer {
	r := dataplane.Balancer{
		ID: b.ARN, VPC: b.VPC,
		Attributes: dataplane.BalancerAttributes{
			Idle:         b.Attributes.seconds("idle_timeout.timeout_seconds"),
			ForwardedFor: b.Attributes["routing.http.xff_header_processing.mode"],
			ClientPort:   b.Attributes.isOn("routing.http.xff_client_port.enabled"),
		},
	}
	for _, s := range b.Subnets {
		if s.Interface != "" {
			r.Fronts = append(r.Fronts, dataplane.Front{Place: network.Place{Kind: "eni", ID: s.Interface}, Address: s.Address})
		}
	}
	if b.Scheme == public {
		name := strings.TrimSuffix(b.DNSName, ".elb.amazonaws.com")
		short, _, _ := strings.Cut(name, ".")
		r.Hosts = []string{b.Name, short, b.DNSName}
		r.Loopback = loopback(b.ARN)
	}
	return r
}

// detach gives an interface back.
func (s *Service) detach(ctx context.Context, id engine.ID, _ Balancer, f engine.Effect, token string) (*engine.Event, error) {
	var eni string
	if err := json.Unmarshal(f.Body, &eni); err != nil {
		return nil, engine.Permanent(err)
	}
	_, err := op.Call(ctx, s.AWS, s.self(id.Scope, token), ec2.DeleteNetworkInterface, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &eni})
	if e, ok := errors.AsType[*op.Error](err); err != nil && (!ok || e.Code != "InvalidNetworkInterfaceID.NotFound") {
		return nil, err
	}
	return &engine.Event{ID: f.Name, Name: evDetached, Body: f.Body}, nil
}

// forget deletes the document of a balancer that has nothing left.
func (s *Service) forget(ctx context.Context, id engine.ID, _ Balancer, _ engine.Effect, _ string) (*engine.Event, error) {
	return nil, s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := balancers.Get(ctx, tx, id.Scope, id.Key)
		if err != nil {
			return missingIsDone(err)
		}
		return balancers.Delete(ctx, tx, id.Scope, id.Key, d.Version)
	})
}
