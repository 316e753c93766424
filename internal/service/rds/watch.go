package rds

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/store"
)

// watchPause lies between two watches after the back end was lost.
const watchPause = time.Second

// Run watches the databases' containers until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	for {
		if err := s.missing(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("look for databases without a container", "error", err)
		}
		err := s.Pods.Watch(ctx, func(st compute.Status) {
			if err := s.seen(ctx, st); err != nil && ctx.Err() == nil {
				s.Log.Error("take in the state of a database's container", "pod", st.Pod, "error", err)
			}
		})
		if ctx.Err() != nil {
			return nil
		}
		s.Log.Warn("watch the databases' containers again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-s.Clock.After(watchPause):
		}
	}
}

// owned reads a pod's owner.
func owned(owner string) (scope store.Scope, id string, ok bool) {
	rest, ok := strings.CutPrefix(owner, kindName+"/")
	part := strings.SplitN(rest, "/", 3)
	if !ok || len(part) != 3 {
		return scope, "", false
	}
	return store.Scope{Account: part[0], Region: part[1]}, part[2], true
}

// seen tells the machine that its server serves, or has ended.
func (s *Service) seen(ctx context.Context, st compute.Status) error {
	scope, id, ok := owned(st.Owner)
	if !ok {
		return nil
	}
	switch {
	case st.Phase == compute.Stopped || st.Phase == compute.Lost:
		return s.tell(ctx, scope, id, st.Pod, evLost)
	case st.Phase == compute.Running && len(st.Containers) > 0 && st.Containers[0].Health == "HEALTHY":
		return s.tell(ctx, scope, id, st.Pod, evHealthy)
	}
	return nil
}

// tell sends an event about the instance's present container.
func (s *Service) tell(ctx context.Context, scope store.Scope, id, pod, name string) error {
	return s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := instances.Get(ctx, tx, scope, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		i := d.Value
		if i.pod() != pod || !i.runs() || name == evHealthy && i.Ready {
			return nil
		}
		return s.send(ctx, tx, i, name, i.Attempt)
	})
}

// send gives the machine an event with a number as body; number and name are its id.
func (s *Service) send(ctx context.Context, tx store.Tx, i Instance, name string, n int) error {
	f := i.effect(name, n)
	return s.Engine.Send(ctx, tx, i.machine(), engine.Event{ID: f.Name, Name: name, At: s.Clock.Now(), Body: f.Body})
}

// missing finds databases whose container is gone altogether, after a reboot. One
// that is being started has none yet; that effect is repeated anyway.
func (s *Service) missing(ctx context.Context) error {
	var all []store.Doc[Instance]
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		all, err = instances.List(ctx, r, store.Scope{}, store.Query{})
		return err
	})
	if err != nil {
		return fmt.Errorf("list databases: %w", err)
	}
	pods, err := s.Pods.List(ctx)
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	there := map[string]bool{}
	for _, p := range pods {
		there[p.Pod] = true
	}
	for _, d := range all {
		i := d.Value
		if i.runs() && i.Started == i.Attempt && i.Attempt > 0 && !there[i.pod()] {
			if err := s.tell(ctx, d.Scope, d.Key, i.pod(), evLost); err != nil {
				return err
			}
		}
	}
	return nil
}

// Owns tells the sweeper whether a pod's owner is a database (mine) that still needs it.
func (s *Service) Owns(ctx context.Context, owner string) (needed, mine bool, err error) {
	scope, id, mine := owned(owner)
	if !mine {
		return false, false, nil
	}
	err = s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		_, err := instances.Get(ctx, r, scope, id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return false, true, nil
	}
	return err == nil, true, err
}
