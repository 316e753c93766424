package elbv2

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
)

// world of one balancer: its effects are done in any order.
type sim struct {
	t       *testing.T
	b       Balancer
	waiting []engine.Effect
	made    map[string]bool // interfaces that exist
	n       int
	gone    bool
}

func (s *sim) send(e engine.Event) {
	s.t.Helper()
	turn, err := stepBalancer(s.b, e)
	if err != nil {
		s.t.Fatal(err)
	}
	s.b = turn.Next
	for _, f := range turn.Effects {
		known := false
		for _, w := range s.waiting {
			known = known || w.Name == f.Name
		}
		if !known {
			s.waiting = append(s.waiting, f)
		}
	}
}

// do one effect.
func (s *sim) do(i int, fails bool) {
	f := s.waiting[i]
	s.waiting = append(s.waiting[:i:i], s.waiting[i+1:]...)
	switch f.Do {
	case "attach":
		if fails {
			s.send(engine.Event{Name: f.Name + ".failed", Body: json.RawMessage(`{"error":"no address"}`)})
			return
		}
		s.n++
		id := fmt.Sprintf("eni-%d", s.n)
		s.made[id] = true
		var subnet string
		_ = json.Unmarshal(f.Body, &subnet)
		body, _ := json.Marshal(attachment{Subnet: subnet, Interface: id})
		s.send(engine.Event{ID: f.Name, Name: evAttached, Body: body})
	case "detach":
		var id string
		_ = json.Unmarshal(f.Body, &id)
		delete(s.made, id)
		s.send(engine.Event{ID: f.Name, Name: evDetached, Body: f.Body})
	case "publish":
		if s.b.State != deleting {
			s.send(engine.Event{ID: f.Name, Name: evPublished})
		}
	case "forget":
		s.gone = true
	}
}

func TestADeletedBalancerLeavesNoInterface(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := &sim{t: t, made: map[string]bool{}, b: Balancer{State: provisioning, Subnets: []Subnet{{ID: "a"}, {ID: "b"}}}}
		s.send(engine.Event{Name: evCreated})
		for n := 0; n < 30 && !s.gone; n++ {
			switch {
			case n == 20:
				s.b.State = deleting
				s.send(engine.Event{Name: evDeleted})
			case n < 20 && r.IntN(6) == 0:
				s.b.Turn++
				keep := s.b.Subnets[:1:1]
				if old := s.b.Subnets[1]; old.Interface != "" {
					s.b.Leaving = append(s.b.Leaving[:len(s.b.Leaving):len(s.b.Leaving)], old.Interface)
				}
				s.b.Subnets = append(keep, Subnet{ID: string(rune('c' + r.IntN(4)))})
				s.send(engine.Event{Name: evChanged})
			case len(s.waiting) > 0:
				s.do(r.IntN(len(s.waiting)), r.IntN(10) == 0)
			}
		}
		for len(s.waiting) > 0 {
			s.do(r.IntN(len(s.waiting)), false)
		}
		if !s.gone || len(s.made) > 0 {
			t.Fatalf("seed %d: gone %v, interfaces left: %v; %+v", seed, s.gone, s.made, s.b)
		}
	}
}

func TestABalancerIsActiveWhenAllItsInterfacesServe(t *testing.T) {
	t.Parallel()
	s := &sim{t: t, made: map[string]bool{}, b: Balancer{State: provisioning, Subnets: []Subnet{{ID: "a"}, {ID: "b"}}}}
	s.send(engine.Event{Name: evCreated})
	s.do(0, false)
	if len(s.waiting) != 1 || !strings.HasPrefix(s.waiting[0].Name, "attach/b/") {
		t.Fatalf("after one interface: %+v", s.waiting)
	}
	s.do(0, false)
	s.do(0, false)
	if s.b.State != active {
		t.Errorf("state %s", s.b.State)
	}
}

func TestAnAddressThatReturnsDrainsUnderAnotherName(t *testing.T) {
	t.Parallel()
	first := Target{Address: netip.MustParseAddrPort("10.0.3.4:8080"), Registered: time.Unix(1, 0), Drain: 1}
	again := first
	again.Registered = time.Unix(2, 0)
	if first.drain(evDrained) == again.drain(evDrained) {
		t.Errorf("both drains are %s: the engine would drop the second", again.drain(evDrained))
	}
}
