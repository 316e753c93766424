package codepipeline

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
)

// kind is the machine of executions. Its turn has two documents, the execution and
// the lanes of its pipeline; the effects are those of any machine.
type kind struct {
	engine.Kind
	machine
	service *Service
}

func (s *Service) kind() engine.Kind {
	m := machine{net: s.Net, types: s.types()}
	effects := engine.Machine(executionKind, executions, nil, map[string]engine.Do[Execution]{doStart: s.startAction, doPoll: s.pollAction})
	return kind{effects, m, s}
}

// Turn takes an event through the step and stores what comes of it.
func (k kind) Turn(ctx context.Context, tx store.Tx, id engine.ID, e engine.Event) ([]engine.Effect, []eventstream.Fact, error) {
	d, err := executions.Get(ctx, tx, id.Scope, id.Key)
	if err != nil {
		return nil, nil, err // ErrNotFound: the engine forgets the machine
	}
	l, err := lanes.Get(ctx, tx, id.Scope, d.Value.Pipeline)
	if err != nil {
		return nil, nil, err
	}
	t, err := k.step(l.Value, d.Value, e)
	if err != nil {
		return nil, nil, fmt.Errorf("execution %s at %s: %w", id.Key, e.Name, err)
	}
	if !reflect.DeepEqual(t.l, l.Value.clone()) {
		if _, err := lanes.Put(ctx, tx, id.Scope, d.Value.Pipeline, t.l, l.Version); err != nil {
			return nil, nil, fmt.Errorf("store stages of %s: %w", d.Value.Pipeline, err)
		}
	}
	for _, m := range t.messages {
		if err := k.service.send(ctx, tx, id.Scope, m.Execution, engine.Event{Name: m.Name, At: e.At}); err != nil {
			return nil, nil, err
		}
	}
	for action, resource := range t.await {
		if err := wait(ctx, tx, id, action, resource); err != nil {
			return nil, nil, err
		}
	}
	if _, err := executions.Put(ctx, tx, id.Scope, id.Key, t.x, d.Version); err != nil {
		return nil, nil, fmt.Errorf("store execution %s: %w", id.Key, err)
	}
	return t.effects, t.facts, nil
}

// wait notes, or forgets, which resource's facts an action waits for.
func wait(ctx context.Context, tx store.Tx, id engine.ID, action, resource string) error {
	d, err := awaits.Get(ctx, tx, id.Scope, action)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("read what action %s waits for: %w", action, err)
	case resource != "":
		_, err = awaits.Put(ctx, tx, id.Scope, action, Await{resource, id.Key}, d.Version)
	case err == nil:
		err = awaits.Delete(ctx, tx, id.Scope, action, d.Version)
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("note what action %s waits for: %w", action, err)
	}
	return nil
}
