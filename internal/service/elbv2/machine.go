package elbv2

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/internal/engine"
)

// States of a balancer.
const (
	provisioning = "provisioning"
	active       = "active"
	stateFailed  = "failed"
	deleting     = "deleting"
)

const balancerKind = "elbv2.balancer"

// Events of a balancer.
const (
	evCreated   = "created"
	evChanged   = "changed"  // other subnets or security groups
	evAttached  = "attached" // body attachment
	evDetached  = "detached" // body: the interface's id
	evPublished = "published"
	evDeleted   = "deleted"
)

// attachment is an interface in a subnet.
type attachment struct{ Subnet, Interface, Address string }

// stepBalancer decides what a balancer needs next. Pure.
func stepBalancer(b Balancer, e engine.Event) (engine.Turn[Balancer], error) {
	t := engine.Turn[Balancer]{}
	switch {
	case e.Name == evDeleted:
		for _, s := range b.Subnets {
			if s.Interface != "" {
				b.Leaving = append(b.Leaving, s.Interface)
			}
		}
		b.Subnets = nil
		t.Effects = leave(b)
	case e.Name == evCreated:
		t.Effects = arrive(b)
	case e.Name == evChanged && b.State != deleting:
		t.Effects = append(arrive(b), engine.Effect{Do: "secure", Name: fmt.Sprintf("secure/%d", b.Turn)})
		t.Effects = append(t.Effects, ready(b)...)
	case e.Name == evAttached:
		var a attachment
		if err := json.Unmarshal(e.Body, &a); err != nil {
			return t, fmt.Errorf("read an attachment: %w", err)
		}
		if err := b.attached(a); err != nil {
			return t, err
		}
		t.Effects = append(ready(b), leave(b)...)
	case e.Name == evPublished && b.State != deleting:
		b.State, b.Reason = active, ""
		t.Effects = leave(b)
	case e.Name == evDetached:
		var id string
		if err := json.Unmarshal(e.Body, &id); err != nil {
			return t, fmt.Errorf("read a detached interface: %w", err)
		}
		b.Leaving = slices.DeleteFunc(b.Leaving, func(l string) bool { return l == id })
		t.Effects = leave(b)
	case strings.HasSuffix(e.Name, ".failed") && b.State == provisioning:
		var f engine.Failure
		if err := json.Unmarshal(e.Body, &f); err != nil {
			return t, fmt.Errorf("read a failure: %w", err)
		}
		b.State, b.Reason = stateFailed, f.Error
	}
	t.Next = b
	return t, nil
}

// attached notes an interface; one that came too late leaves again.
func (b *Balancer) attached(a attachment) error {
	for i := range b.Subnets {
		if s := &b.Subnets[i]; s.ID == a.Subnet && s.Interface == "" {
			s.Interface = a.Interface
			return s.Address.UnmarshalText([]byte(a.Address))
		}
	}
	if !slices.ContainsFunc(b.Subnets, func(s Subnet) bool { return s.Interface == a.Interface }) {
		b.Leaving = append(b.Leaving, a.Interface)
	}
	return nil
}

func arrive(b Balancer) (out []engine.Effect) {
	for _, s := range b.Subnets {
		if s.Interface == "" {
			body, _ := json.Marshal(s.ID) // a string always can be
			out = append(out, engine.Effect{Do: "attach", Name: fmt.Sprintf("attach/%s/%d", s.ID, b.Turn), Body: body})
		}
	}
	return out
}

// ready publishes once every subnet has its interface.
func ready(b Balancer) []engine.Effect {
	if b.State == deleting || slices.ContainsFunc(b.Subnets, func(s Subnet) bool { return s.Interface == "" }) {
		return nil
	}
	return []engine.Effect{{Do: "publish", Name: fmt.Sprintf("publish/%d", b.Turn)}}
}

// leave gives interfaces back: of a balancer that goes, or once the new ones serve.
func leave(b Balancer) (out []engine.Effect) {
	if b.State != deleting && b.State != active {
		return nil
	}
	for _, id := range b.Leaving {
		body, _ := json.Marshal(id) // as above
		out = append(out, engine.Effect{Do: "detach", Name: "detach/" + id, Body: body})
	}
	if b.State == deleting && len(b.Leaving) == 0 {
		out = append(out, engine.Effect{Do: "forget", Name: "forget"})
	}
	return out
}
