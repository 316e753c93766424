package ecs

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/penstock-ci/penstock/api/elbv2"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// watchPods tells tasks what becomes of their pods, until ctx ends.
func (j *jobs) watchPods(ctx context.Context) {
	j.insist(ctx, "", "watch over the pods", func() error {
		j.work.Go(func() {
			if err := j.findLost(ctx); err != nil && ctx.Err() == nil {
				j.c.Log.Warn("look for tasks without a pod", "error", err)
			}
		})
		return j.c.Pods.Watch(ctx, func(s compute.Status) { j.observe(ctx, s) })
	})
}

// findLost tells tasks that should have a pod and have none.
func (j *jobs) findLost(ctx context.Context) error {
	live, err := j.live(ctx) // before the pods: a task that starts meanwhile is not looked for
	if err != nil {
		return err
	}
	pods, err := j.c.Pods.List(ctx)
	if err != nil {
		return err
	}
	for _, t := range live {
		hasPod := slices.ContainsFunc(pods, func(s compute.Status) bool { return s.Pod == t.pod() })
		if hasPod || t.Status.before(Activating) || !t.Status.before(Stopping) {
			continue
		}
		s := compute.Status{Pod: t.pod(), Phase: compute.Lost, Reason: "the task's containers are gone from the host"}
		if err := j.tell(ctx, t.Scope, t.ID, taskObserved, s); err != nil {
			return err
		}
	}
	return nil
}

// observe hands one observation on, unless it was the last one too.
func (j *jobs) observe(ctx context.Context, s compute.Status) {
	scope, id, ok := ownedBy(s.Owner)
	if !ok {
		return
	}
	j.followAll(s)
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // plain structs
	}
	j.mu.Lock()
	same := j.seen[s.Pod] == string(b)
	j.mu.Unlock()
	if same {
		return
	}
	if err := j.tell(ctx, scope, id, taskObserved, s); err != nil {
		if ctx.Err() == nil {
			j.c.Log.Error("a pod's state did not reach its task; the next change or start will", "pod", s.Pod, "error", err)
		}
		return
	}
	// Not before: a launch that is ended while it tells would silence the watch.
	j.mu.Lock()
	j.seen[s.Pod] = string(b)
	j.mu.Unlock()
}

// How often target groups are asked without a push: soon while a task waits for one.
const (
	soon = 2 * time.Second
	rare = 15 * time.Second
)

// watchTargets tells tasks what their target groups say.
func (j *jobs) watchTargets(ctx context.Context) {
	if j.c.Targets != nil {
		j.work.Go(func() {
			j.insist(ctx, "", "watch over the target groups", func() error {
				return j.c.Targets.Watch(ctx, func(string) { j.lookAtTargets() })
			})
		})
	}
	heard := heardTargets{}
	for ctx.Err() == nil {
		waiting, err := j.askTargets(ctx, heard)
		if err != nil && ctx.Err() == nil {
			j.c.Log.Warn("ask the target groups", "error", err)
		}
		pause := rare
		if waiting {
			pause = soon
		}
		select {
		case <-ctx.Done():
		case <-j.look:
		case <-j.c.Clock.After(pause):
		}
	}
}

type groupKey struct {
	store.Scope
	group string
}

// heardTargets is what each task was told last of its targets.
type heardTargets map[engine.ID][]Target

// askTargets asks every target group that a task is in, once. waiting tells whether
// a task waits for a change.
func (j *jobs) askTargets(ctx context.Context, heard heardTargets) (waiting bool, err error) {
	live, err := j.live(ctx)
	if err != nil {
		return false, err
	}
	heard.forgetOthers(live)
	told := map[groupKey]map[string]Target{}
	for _, t := range live {
		if len(t.Targets) == 0 || t.Status.before(Activating) || !t.Status.before(Stopping) {
			continue
		}
		now := slices.Clone(t.Targets)
		for i := range now {
			g := &now[i]
			key := groupKey{t.Scope, g.Group}
			if _, asked := told[key]; !asked {
				if told[key], err = j.ask(ctx, key); err != nil {
					return true, err
				}
			}
			said, known := told[key][targetKey(t.Interface.Address, g.Port)]
			if !known {
				said = Target{State: "unused"}
			}
			waiting = waiting || t.Status != Running || said.State != "healthy"
			if g.State == "" && t.Status != Deactivating {
				continue // its registration is on the way
			}
			g.State, g.Reason = said.State, said.Reason
		}
		if !heard.isNews(&t, now) {
			continue
		}
		if err := j.tell(ctx, t.Scope, t.ID, taskTargets, now); err != nil {
			return true, err
		}
		heard[taskID(t.Scope, t.ID)] = now
	}
	return waiting, nil
}

// isNews tells whether now is not what the document has, or not what the task was
// told last: one that was healthy, then not, and is again must hear of it even where
// its document does not show the second yet.
func (h heardTargets) isNews(t *Task, now []Target) bool {
	last, isTold := h[taskID(t.Scope, t.ID)]
	return !slices.Equal(now, t.Targets) || isTold && !slices.Equal(now, last)
}

func (h heardTargets) forgetOthers(live []Task) {
	kept := map[engine.ID]bool{}
	for _, t := range live {
		kept[taskID(t.Scope, t.ID)] = true
	}
	maps.DeleteFunc(h, func(id engine.ID, _ []Target) bool { return !kept[id] })
}

func targetKey(address string, port int32) string { return address + " " + strconv.Itoa(int(port)) }

// ask is what one target group says, by address and port. A group that is gone says nothing.
func (j *jobs) ask(ctx context.Context, k groupKey) (map[string]Target, error) {
	out, err := op.Call(ctx, j.c.AWS, self(k.Scope, "ecs-service-scheduler", ""), elbv2.DescribeTargetHealth, &elbv2.DescribeTargetHealthInput{TargetGroupArn: &k.group})
	if e, isFinal := final(err); isFinal && e.Code == "TargetGroupNotFound" {
		return map[string]Target{}, nil
	}
	if err != nil {
		return nil, err
	}
	told := map[string]Target{}
	for _, d := range out.TargetHealthDescriptions {
		if d.Target == nil || d.TargetHealth == nil {
			continue
		}
		told[targetKey(op.Val(d.Target.Id), op.Val(d.Target.Port))] = Target{State: op.Val(d.TargetHealth.State), Reason: op.Val(d.TargetHealth.Description)}
	}
	return told, nil
}
