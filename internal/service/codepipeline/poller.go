package codepipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
	"github.com/penstock-ci/penstock/internal/store"
)

// Poller watches the polled sources of a pipeline; its key is the pipeline's name.
type Poller struct {
	Sources map[string]Cursor // by action
	Round   int
}

// Cursor is the revision of a source that was seen last. Place tells two
// configurations apart: another place has revisions of its own.
type Cursor struct{ Place, Revision string }

const (
	evLook = "look-again"
	doLook = "look"
	evSeen = "seen"
)

// stepPoller looks every so often. What is new has been started by the effect, in
// the transaction that moved the cursor.
func stepPoller(every time.Duration) engine.Step[Poller] {
	return func(p Poller, e engine.Event) (engine.Turn[Poller], error) {
		t := engine.Turn[Poller]{Next: p}
		switch e.Name {
		case evBegin, evLook:
			t.Next.Round++
			t.Effects = append(t.Effects, engine.Effect{Do: doLook, Name: fmt.Sprintf("%s/%d", doLook, t.Next.Round)})
		case evSeen:
			t.Effects = append(t.Effects, engine.Effect{Name: evLook, Due: e.At.Add(every)})
		default:
			if strings.HasPrefix(e.Name, doLook) { // it failed for good this time
				t.Effects = append(t.Effects, engine.Effect{Name: evLook, Due: e.At.Add(every)})
			}
		}
		return t, nil
	}
}

// isPolled tells whether a source action is polled: the key is absent or says true.
func isPolled(a *api.ActionDeclaration) bool {
	v, ok := a.Configuration["PollForSourceChanges"]
	return isSource(a) && (!ok || strings.EqualFold(v, "true"))
}

func polled(p *api.PipelineDeclaration) (out []*api.ActionDeclaration) {
	for i := range p.Stages[0].Actions {
		if a := &p.Stages[0].Actions[i]; isPolled(a) {
			out = append(out, a)
		}
	}
	return out
}

// watch begins, or ends, the polling of a pipeline as its definition asks.
func (s *Service) watch(ctx context.Context, tx store.Tx, scope store.Scope, p *api.PipelineDeclaration) error {
	d, err := pollers.Get(ctx, tx, scope, *p.Name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("read sources of %s: %w", *p.Name, err)
	}
	known := err == nil
	if len(polled(p)) == 0 {
		if known {
			return pollers.Delete(ctx, tx, scope, *p.Name, d.Version)
		}
		return nil
	}
	if known {
		return nil // it reads the definition at every look
	}
	if _, err := pollers.Put(ctx, tx, scope, *p.Name, Poller{}, d.Version); err != nil {
		return fmt.Errorf("watch sources of %s: %w", *p.Name, err)
	}
	return s.Engine.Send(ctx, tx, engine.ID{Scope: scope, Kind: pollerKind, Key: *p.Name}, engine.Event{Name: evBegin})
}

// lookAtSources is the effect doLook.
func (s *Service) lookAtSources(ctx context.Context, id engine.ID, p Poller, _ engine.Effect, token string) (*engine.Event, error) {
	var d store.Doc[Pipeline]
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		d, err = pipelines.Get(ctx, r, id.Scope, id.Key)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read pipeline %s: %w", id.Key, err)
	}
	for _, a := range polled(&d.Value.Definition) {
		source, ok := s.providers[typeID(a.ActionTypeId)].(action.Source)
		if !ok {
			continue
		}
		role := op.Val(a.RoleArn)
		revision, err := source.Latest(ctx, action.Input{
			Scope: id.Scope, Pipeline: id.Key, Action: *a.Name, Configuration: a.Configuration, PipelineRole: op.Val(d.Value.Definition.RoleArn), Role: role,
		})
		if err != nil {
			s.Log.Warn("look at a polled source", "pipeline", id.Key, "action", *a.Name, "error", err)
			continue
		}
		place, _ := json.Marshal(a.Configuration) // sorted strings
		seen := Cursor{string(place), revision}
		if p.Sources[*a.Name] == seen {
			continue
		}
		if err := s.found(ctx, id, *a.Name, seen, token); err != nil {
			return nil, err
		}
	}
	return &engine.Event{Name: evSeen, At: s.Clock.Now()}, nil
}

// found starts an execution for a new revision and moves the cursor, at once.
func (s *Service) found(ctx context.Context, id engine.ID, name string, seen Cursor, token string) error {
	return s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := pollers.Get(ctx, tx, id.Scope, id.Key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read sources of %s: %w", id.Key, err)
		}
		if d.Value.Sources[name] == seen {
			return nil
		}
		if d.Value.Sources == nil {
			d.Value.Sources = map[string]Cursor{}
		}
		d.Value.Sources[name] = seen
		if _, err := pollers.Put(ctx, tx, id.Scope, id.Key, d.Value, d.Version); err != nil {
			return fmt.Errorf("note revision of %s: %w", name, err)
		}
		p, err := s.pipeline(ctx, tx, id.Scope, &id.Key)
		if err != nil {
			return err
		}
		_, err = s.begin(ctx, tx, id.Scope, p.Value, Execution{Trigger: Trigger{"PollForSourceChanges", name}}, token+"/"+name)
		return err
	})
}
