package elbv2

import (
	"encoding/json"
	"fmt"
	"net/netip"
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
type attachment struct {
	Subnet, Interface string
	Address, Public   netip.Addr
}

// stepBalancer decides what a balancer needs next. Pure.
func stepBalancer(b Balancer, e engine.Event) (engine.Turn[Balancer], error) {
	t := engine.Turn[Balancer]{}
	switch {
	case e.Name == evDeleted:
		b.Leaving = slices.Clone(b.Leaving)
		for _, s := range b.Subnets {
			if s.Interface != "" {
				b.Leaving = append(b.Leaving, s.Interface)
			}
		}
		b.Subnets = nil
		t.Effects = leave(b)
	case e.Name == evCreated:
		t.Effects = b.arrive()
	case e.Name == evChanged && b.State != deleting:
		t.Effects = append(b.arrive(), engine.Effect{Do: "secure", Name: fmt.Sprintf("secure/%d", b.Turn)})
		t.Effects = append(t.Effects, ready(b)...)
	case e.Name == evAttached:
		var a attachment
		if err := json.Unmarshal(e.Body, &a); err != nil {
			return t, fmt.Errorf("read an attachment: %w", err)
		}
		b.arrived(e.ID)
		b.attached(a)
		t.Effects = ready(b) // the old ones leave when the new ones serve
		if b.State == deleting {
			t.Effects = leave(b)
		}
	case e.Name == evPublished && b.State != deleting:
		b.State, b.Reason = active, ""
		t.Effects = leave(b)
	case e.Name == evDetached:
		var id string
		if err := json.Unmarshal(e.Body, &id); err != nil {
			return t, fmt.Errorf("read a detached interface: %w", err)
		}
		b.Leaving = slices.DeleteFunc(slices.Clone(b.Leaving), func(l string) bool { return l == id })
		t.Effects = leave(b)
	case strings.HasSuffix(e.Name, ".failed"):
		var f engine.Failure
		if err := json.Unmarshal(e.Body, &f); err != nil {
			return t, fmt.Errorf("read a failure: %w", err)
		}
		b.arrived(strings.TrimSuffix(e.Name, ".failed"))
		if b.State == provisioning {
			b.State, b.Reason = stateFailed, f.Error
		}
		t.Effects = leave(b)
	}
	t.Next = b
	return t, nil
}

// attached notes an interface; one that came too late leaves again.
func (b *Balancer) attached(a attachment) {
	b.Subnets, b.Leaving = slices.Clone(b.Subnets), slices.Clone(b.Leaving)
	for i := range b.Subnets {
		if s := &b.Subnets[i]; s.ID == a.Subnet && s.Interface == "" {
			s.Interface = a.Interface
			s.Address, s.Public = a.Address, a.Public
			return
		}
	}
	if !slices.ContainsFunc(b.Subnets, func(s Subnet) bool { return s.Interface == a.Interface }) {
		b.Leaving = append(b.Leaving, a.Interface)
	}
}

// arrive asks for the interfaces that are missing and not on their way.
func (b *Balancer) arrive() (out []engine.Effect) {
	for _, s := range b.Subnets {
		onItsWay := slices.ContainsFunc(b.Arriving, func(n string) bool { return strings.HasPrefix(n, "attach/"+s.ID+"/") })
		if s.Interface != "" || onItsWay {
			continue
		}
		body, _ := json.Marshal(s.ID) // a string always can be
		name := fmt.Sprintf("attach/%s/%d", s.ID, b.Turn)
		b.Arriving = append(slices.Clone(b.Arriving), name)
		out = append(out, engine.Effect{Do: "attach", Name: name, Body: body})
	}
	return out
}

// arrived: the effect is done, or has failed for good.
func (b *Balancer) arrived(effect string) {
	b.Arriving = slices.DeleteFunc(slices.Clone(b.Arriving), func(n string) bool { return n == effect })
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
	if b.State == deleting && len(b.Leaving)+len(b.Arriving) == 0 {
		out = append(out, engine.Effect{Do: "forget", Name: "forget"})
	}
	return out
}
