package elbv2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	if err := s.Network(ctx); err != nil {
		return nil, err
	}
	n := out.NetworkInterface
	body, err := json.Marshal(attachment{subnet, op.Val(n.NetworkInterfaceId), op.Val(n.PrivateIpAddress)})
	return &engine.Event{ID: f.Name, Name: evAttached, Body: body}, err
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
func (s *Service) publish(ctx context.Context, id engine.ID, _ Balancer, f engine.Effect, _ string) (*engine.Event, error) {
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
		n := dataplane.Name{Name: b.DNSName}
		for _, sub := range b.Subnets {
			if sub.Address.IsValid() {
				n.Addresses = append(n.Addresses, sub.Address)
			}
		}
		number, err = s.Records.PutName(ctx, tx, n)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", id.Key, err)
	}
	if err := s.Plane(ctx, number); err != nil {
		return nil, err
	}
	return &engine.Event{ID: f.Name, Name: evPublished}, nil
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
