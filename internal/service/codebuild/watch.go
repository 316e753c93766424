package codebuild

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/store"
)

// watchPause lies between two watches after the back end was lost.
const watchPause = time.Second

// Run watches the pods of builds until ctx ends: a build whose container has ended
// without saying so is a FAULT.
func (s *Service) Run(ctx context.Context) error {
	for {
		if err := s.missing(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("look for builds without a container", "error", err)
		}
		err := s.Pods.Watch(ctx, func(st compute.Status) {
			if err := s.seen(ctx, st); err != nil {
				s.Log.Error("take in the state of a build's container", "pod", st.Pod, "error", err)
			}
		})
		if ctx.Err() != nil {
			return nil
		}
		s.Log.Warn("watch the builds' containers again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-s.Clock.After(watchPause):
		}
	}
}

// seen sends the end of a build's pod to its machine.
func (s *Service) seen(ctx context.Context, st compute.Status) error {
	owner, ok := strings.CutPrefix(st.Owner, buildKind+"/")
	part := strings.SplitN(owner, "/", 3)
	if !ok || len(part) != 3 || st.Phase != compute.Stopped && st.Phase != compute.Lost {
		return nil
	}
	l := Loss{Reason: st.Reason}
	for _, c := range st.Containers {
		if c.Exit != nil && c.Exit.OOM {
			l.OOM = true
		}
		if c.Exit != nil && l.Reason == "" {
			l.Reason = fmt.Sprintf("The runner exited with code %d.", c.Exit.Code)
		}
	}
	return s.lost(ctx, store.Scope{Account: part[0], Region: part[1]}, part[2], l)
}

func (s *Service) lost(ctx context.Context, scope store.Scope, id string, l Loss) error {
	e, err := event(evLost, s.Clock.Now(), l)
	if err != nil {
		return err
	}
	return s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := builds.Get(ctx, tx, scope, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || d.Value.Complete() {
			return err
		}
		return s.Engine.Send(ctx, tx, machineID(scope, id), *e)
	})
}

// missing finds builds whose pod is gone altogether, after a reboot. A build that is
// still being provisioned has none yet; its effect is repeated anyway.
func (s *Service) missing(ctx context.Context) error {
	var running []store.Doc[Build]
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		running, err = builds.List(ctx, r, store.Scope{}, store.Query{Index: "running", Equal: "running"})
		return err
	})
	if err != nil {
		return fmt.Errorf("list running builds: %w", err)
	}
	pods, err := s.Pods.List(ctx)
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	there := map[string]bool{}
	for _, p := range pods {
		there[p.Pod] = true
	}
	for _, d := range running {
		if d.Value.Provisioned && !there[d.Value.pod()] {
			if err := s.lost(ctx, d.Scope, d.Key, Loss{Reason: "Its container is gone: the host or its container engine was restarted."}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Owns tells the sweeper whether a pod's owner is a build (mine) that still needs it.
func (s *Service) Owns(ctx context.Context, owner string) (needed, mine bool, err error) {
	rest, mine := strings.CutPrefix(owner, buildKind+"/")
	part := strings.SplitN(rest, "/", 3)
	if !mine || len(part) != 3 {
		return false, false, nil
	}
	b, err := s.current(ctx, store.Scope{Account: part[0], Region: part[1]}, part[2])
	if _, gone := errors.AsType[*goneError](err); gone {
		return false, true, nil
	}
	return err == nil && !b.Complete(), true, err
}
