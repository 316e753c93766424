package codepipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
)

// consumer is the name of the service's place in the stream of facts.
const consumer = "codepipeline"

// Run takes facts in until ctx is over.
func (s *Service) Run(ctx context.Context) error {
	c := eventstream.Consumer{Name: consumer, DB: s.DB, Stream: s.Stream, Clock: s.Clock, Handle: s.hear}
	return c.Run(ctx)
}

// tells are the facts that may end an action.
func tells(f eventstream.Fact) bool {
	switch f.Source {
	case "aws.codebuild":
		return f.DetailType == "CodeBuild Build State Change"
	case "aws.ecs":
		return f.DetailType == "ECS Deployment State Change"
	}
	return false
}

// hear wakes the actions that wait for the resource of a fact.
func (s *Service) hear(ctx context.Context, tx store.Tx, f eventstream.Fact) error {
	if !tells(f) || len(f.Resources) == 0 {
		return nil
	}
	waiting, err := awaits.List(ctx, tx, store.Scope{}, store.Query{Index: "resource", Equal: f.Resources[0]})
	if err != nil {
		return fmt.Errorf("who waits for %s: %w", f.Resources[0], err)
	}
	for _, w := range waiting {
		if err := s.wake(ctx, tx, w); err != nil {
			return err
		}
	}
	return nil
}

// wake looks at the action's resource here and now, so that the next action starts
// one commit later. Where that does not succeed the machine looks by an effect.
func (s *Service) wake(ctx context.Context, tx store.Tx, w store.Doc[Await]) error {
	d, err := executions.Get(ctx, tx, w.Scope, w.Value.Execution)
	if errors.Is(err, store.ErrNotFound) {
		return awaits.Delete(ctx, tx, w.Scope, w.Key, w.Version)
	}
	if err != nil {
		return fmt.Errorf("read execution %s: %w", w.Value.Execution, err)
	}
	a := d.Value.action(w.Key)
	if a == nil || a.Status != InProgress {
		return nil
	}
	var e engine.Event
	if r, pollErr := s.poll(ctx, &d.Value, a); pollErr == nil {
		e, err = event(evReported, told{w.Key, r})
	} else {
		s.Log.Warn("look at a resource that told of a change", "resource", w.Value.Resource, "action", w.Key, "error", pollErr)
		e, err = event(evWake, w.Key)
	}
	if err != nil {
		return err
	}
	return s.send(ctx, tx, w.Scope, w.Value.Execution, e)
}
