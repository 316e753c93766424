package sim

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
)

// hands is what a server does outside its database: pods and log lines. They are
// the world's; a dead server's hands do nothing.
type hands struct{ s *server }

// Ensure fails now and then as a registry does that does not answer.
func (h hands) Ensure(ctx context.Context, p compute.Pod) (compute.Status, error) {
	if err := h.s.dawdle(ctx, "Ensure "+p.Name); err != nil {
		return compute.Status{}, err
	}
	if h.s.w.fate.fails(h.s.w.fate.rough && !h.s.w.has(ctx, p.Name), "pull of "+p.Name, 4) {
		return compute.Status{}, errors.New("CannotPullContainerError: the registry does not answer")
	}
	st, err := h.s.w.ensure(ctx, p)
	if err != nil {
		return st, err
	}
	return st, h.s.point("Ensure " + p.Name)
}

func (h hands) Stop(ctx context.Context, pod string, grace time.Duration) error {
	if err := h.s.dawdle(ctx, "Stop "+pod); err != nil {
		return err
	}
	if err := h.s.w.mayStop(ctx, pod); err != nil {
		return err
	}
	if err := h.s.w.pods.Stop(ctx, pod, grace); err != nil {
		return err
	}
	return h.s.point("Stop " + pod)
}

func (h hands) Remove(ctx context.Context, pod string) error {
	if err := h.s.dawdle(ctx, "Remove "+pod); err != nil {
		return err
	}
	if err := h.s.w.pods.Remove(ctx, pod); err != nil {
		return err
	}
	return h.s.point("Remove " + pod)
}

func (h hands) List(ctx context.Context) ([]compute.Status, error) {
	if err := h.s.dawdle(ctx, "List"+doing(ctx)); err != nil {
		return nil, err
	}
	return h.s.w.pods.List(ctx)
}

// Watch tells a pod's state a while after it changed, and each state once: what
// happens at one instant is one change, whoever is faster.
func (h hands) Watch(ctx context.Context, f func(compute.Status)) error {
	told := map[string]string{}
	return h.s.w.pods.Watch(ctx, func(st compute.Status) {
		if h.s.dawdle(ctx, "Watch "+st.Pod+doing(ctx)) != nil {
			return
		}
		st = h.s.w.latest(ctx, st)
		raw, err := json.Marshal(st)
		if err != nil {
			panic(err) // plain structures
		}
		if told[st.Pod] != string(raw) {
			told[st.Pod] = string(raw)
			f(st)
		}
	})
}

func (h hands) Logs(ctx context.Context, pod, container string, from uint64, f func(n uint64, at time.Time, line string) error) error {
	return h.s.w.pods.Logs(ctx, pod, container, from, f)
}

// Build brings the image of a build, which may take long.
func (h hands) Build(ctx context.Context, _ op.Caller, _, image string) (ref string, err error) {
	return image, h.s.dawdle(ctx, "pull of "+image)
}

// Append keeps lines once.
func (h hands) Append(_ context.Context, s logstore.Stream, first uint64, lines []logstore.Line) (uint64, error) {
	if h.s.isDead() {
		return 0, errCrashed
	}
	next := h.s.w.append(s, first, lines)
	return next, h.s.point("lines of " + s.Name)
}

func (h hands) Next(_ context.Context, s logstore.Stream, _ string) (uint64, error) {
	return uint64(len(h.s.w.linesOf(s))), nil
}

func (h hands) Close(context.Context, logstore.Stream) error { return nil }
