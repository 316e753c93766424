package elbv2

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/store"
)

const groupKind = "elbv2.group"

// Events of a target group. Each has the target as its body.
const (
	evDraining = "draining" // deregistered: the delay begins
	evDrained  = "drained"  // its last request has ended
	evExpired  = "expired"  // the delay is over
)

func (t Target) body() json.RawMessage {
	b, _ := json.Marshal(t) // plain data always can be
	return b
}

// stepGroup ends drains. Pure.
func stepGroup(g Group, e engine.Event) (engine.Turn[Group], error) {
	turn := engine.Turn[Group]{Next: g}
	var t Target
	if len(e.Body) == 0 {
		return turn, nil
	}
	if err := json.Unmarshal(e.Body, &t); err != nil {
		return turn, fmt.Errorf("read a draining target: %w", err)
	}
	i := g.index(t.Address)
	if i < 0 || !g.Targets[i].Draining || g.Targets[i].Drain != t.Drain {
		return turn, nil // registered again, or gone: late news
	}
	switch e.Name {
	case evDraining:
		turn.Effects = []engine.Effect{{Name: evExpired, Due: e.At.Add(g.Attributes.seconds("deregistration_delay.timeout_seconds")), Body: t.body()}}
		turn.Effects[0].Name = t.drain(evExpired)
	case evDrained, t.drain(evExpired):
		turn.Next.Targets = slices.Delete(slices.Clone(g.Targets), i, i+1)
		turn.Effects = []engine.Effect{{Do: "publish", Name: t.drain("publish")}, {Name: t.drain(evExpired)}}
	}
	return turn, nil
}

// publishGroup gives the data plane the group as it is now.
func (s *Service) publishGroup(ctx context.Context, id engine.ID, _ Group, _ engine.Effect, _ string) (*engine.Event, error) {
	return nil, s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := groups.Get(ctx, tx, id.Scope, id.Key)
		if err != nil {
			return missingIsDone(err)
		}
		_, err = s.Records.PutPool(ctx, tx, d.Value.record())
		return err
	})
}

// Observe takes a report of the data plane: a target that drains and has no
// request open is done. Wiring calls it with each report.
func (s *Service) Observe(ctx context.Context, r dataplane.Report) {
	if !r.Drain || r.Open > 0 || r.Gone {
		return
	}
	a, ok := arn.Parse(r.Pool)
	if !ok {
		return
	}
	scope := store.Scope{Account: a.Account, Region: a.Region}
	err := s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := groups.Get(ctx, tx, scope, r.Pool)
		if err != nil {
			return missingIsDone(err)
		}
		i := d.Value.index(r.Target)
		if i < 0 || !d.Value.Targets[i].Draining {
			return nil
		}
		t := d.Value.Targets[i]
		return s.Engine.Send(ctx, tx, d.Value.id(scope), engine.Event{ID: t.drain(evDrained), Name: evDrained, At: s.Clock.Now(), Body: t.body()})
	})
	if err != nil {
		// The deregistration delay ends the drain all the same.
		s.Log.Warn("the end of a drain was not recorded", "target", r.Target, "error", err)
	}
}
