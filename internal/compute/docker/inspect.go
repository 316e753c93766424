package docker

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/course"
)

// inspect reads one container; found is false when there is none of that name.
func (b *Backend) inspect(ctx context.Context, name string) (c container.InspectResponse, found bool, err error) {
	r, err := b.client().ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return c, false, nil
	}
	if err != nil {
		return c, false, fmt.Errorf("docker: reading container %s: %w", name, err)
	}
	return r.Container, true, nil
}

func (b *Backend) removeContainer(ctx context.Context, name string) error {
	_, err := b.client().ContainerRemove(ctx, name, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) && !strings.Contains(err.Error(), "is already in progress") {
		return fmt.Errorf("docker: removing container %s: %w", name, err)
	}
	return nil
}

// list gives all containers of this installation that f admits too.
func (b *Backend) list(ctx context.Context, f client.Filters) ([]container.Summary, error) {
	f = f.Clone().Add("label", LabelInstallation+"="+b.cfg.Installation)
	r, err := b.client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: f})
	if err != nil {
		return nil, fmt.Errorf("docker: listing containers: %w", err)
	}
	return r.Items, nil
}

// observation is a pod as the Engine and the pod's record show it.
type observation struct {
	rec   record
	pause bool // its pause container runs
	found map[string]compute.ContainerStatus
}

func (b *Backend) observe(ctx context.Context, rec record) (observation, error) {
	o := observation{rec: rec, found: map[string]compute.ContainerStatus{}}
	pause, found, err := b.inspect(ctx, b.pauseName(rec.Pod))
	if err != nil {
		return o, err
	}
	o.pause = found && pause.State.Running
	for _, m := range rec.Containers {
		c, found, err := b.inspect(ctx, b.containerName(rec.Pod, m.Name))
		if err != nil {
			return o, err
		}
		if found {
			o.found[m.Name] = containerStatus(m.Name, c)
		} else if ended, known := rec.Ended[m.Name]; known {
			o.found[m.Name] = ended
		}
	}
	return o, nil
}

// remember notes in the record which containers have ended: whoever prunes the Engine
// removes them, and the pod must not be taken for damaged. It tells whether any is new.
func (o observation) remember(rec *record) (changed bool) {
	for name, c := range o.found {
		if _, known := rec.Ended[name]; c.Exit == nil || known {
			continue
		}
		if !changed {
			rec.Ended = maps.Clone(rec.Ended) // others may hold the record as it was
		}
		if rec.Ended == nil {
			rec.Ended = map[string]compute.ContainerStatus{}
		}
		rec.Ended[name], changed = c, true
	}
	return changed
}

// states reduces an observation to what course.Decide needs.
func (o observation) states() map[string]course.State {
	m := map[string]course.State{}
	for name, c := range o.found {
		s := course.State{Started: !c.StartedAt.IsZero(), Healthy: c.Health == "HEALTHY"}
		if c.Exit != nil {
			s.Code = c.Exit.Code
		}
		s.Running = s.Started && c.Exit == nil
		m[name] = s
	}
	return m
}

func (o observation) phase() compute.Phase {
	switch {
	case o.rec.Stage == course.Lost:
		return compute.Lost
	case o.rec.Stage == course.Making:
		return compute.Pending
	case o.pause:
		return compute.Running
	case o.rec.Stage == course.Stopping:
		return compute.Stopped
	}
	return compute.Lost
}

func (b *Backend) status(o observation) compute.Status {
	s := compute.Status{
		Pod: o.rec.Pod, Owner: o.rec.Owner, Phase: o.phase(), Reason: o.rec.Reason, Address: o.rec.Address,
	}
	if o.pause {
		s.NetNS = b.netnsPath(o.rec.Pod)
	}
	for _, m := range o.rec.Containers {
		cs := compute.ContainerStatus{Name: m.Name}
		if c, found := o.found[m.Name]; found {
			cs = c
		}
		s.Containers = append(s.Containers, cs)
	}
	return s
}

func containerStatus(name string, c container.InspectResponse) compute.ContainerStatus {
	s := compute.ContainerStatus{Name: name, ID: c.ID, ImageDigest: c.Image, StartedAt: parseTime(c.State.StartedAt)}
	if h := c.State.Health; h != nil && h.Status != container.NoHealthcheck {
		s.Health = strings.ToUpper(string(h.Status))
	}
	if !c.State.Running && !s.StartedAt.IsZero() {
		s.Exit = &compute.Exit{Code: c.State.ExitCode, OOM: c.State.OOMKilled, At: parseTime(c.State.FinishedAt)}
	}
	return s
}

// parseTime reads the Engine's instants; its year 1 is never.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t.UTC()
}
