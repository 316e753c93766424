package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/course"
)

// Ensure finds the pod or makes it. What it makes has deterministic names, and the
// record says when all of it is there, so that a repeat after a crash at any
// instant goes on from what it finds. A pod that was lost or stopped is not made
// again: its status says so.
func (b *Backend) Ensure(ctx context.Context, p compute.Pod) (s compute.Status, err error) {
	defer away(&err)
	if err := b.check(p); err != nil {
		return compute.Status{}, err
	}
	defer b.pods.lock(p.Name)()
	rec, found, err := b.readRecord(p.Name)
	if err != nil {
		return compute.Status{}, err
	}
	if !found {
		rec = newRecord(p)
	}
	if rec.Stage == course.Making {
		if err := b.insist(ctx, p, &rec); err != nil {
			return compute.Status{}, b.discard(p.Name, rec, err)
		}
	}
	o, err := b.advance(ctx, rec)
	if fail := (startError{}); errors.As(err, &fail) {
		return compute.Status{}, b.discard(p.Name, rec, err)
	}
	if err != nil {
		return compute.Status{}, err
	}
	s = b.status(o)
	b.hub.publish(s)
	return s, nil
}

// check refuses what can not be made, before anything is.
func (b *Backend) check(p compute.Pod) error {
	if err := checkName("pod", p.Name); err != nil {
		return err
	}
	if len(p.Containers) == 0 {
		return fmt.Errorf("docker: pod %s has no container", p.Name)
	}
	before := map[string]bool{}
	all := map[string]compute.Container{}
	for _, c := range p.Containers {
		if err := checkName("container", c.Name); err != nil {
			return err
		}
		if _, twice := all[c.Name]; twice {
			return fmt.Errorf("docker: pod %s has two containers named %s", p.Name, c.Name)
		}
		if c.Privileged && b.cfg.NoPrivileged {
			return fmt.Errorf("CannotCreateContainerError: container %s asks for privileged mode, which this installation does not allow (--no-privileged)", c.Name)
		}
		all[c.Name] = c
	}
	// Kahn's order: a container is placed once all that it waits for are.
	for placed := true; placed; {
		placed = false
		for name, c := range all {
			ready := !before[name]
			for _, a := range c.After {
				if err := checkDependency(all, c, a); err != nil {
					return err
				}
				ready = ready && before[a.Container]
			}
			if ready {
				before[name], placed = true, true
			}
		}
	}
	if len(before) < len(all) {
		return fmt.Errorf("docker: the containers of pod %s wait for each other in a circle", p.Name)
	}
	return nil
}

func checkDependency(all map[string]compute.Container, c compute.Container, a compute.Dependency) error {
	on, found := all[a.Container]
	if !found {
		return fmt.Errorf("docker: container %s waits for %s, which the pod does not have", c.Name, a.Container)
	}
	switch a.Condition {
	case "START", "COMPLETE", "SUCCESS":
	case "HEALTHY":
		if on.Health == nil {
			return fmt.Errorf("docker: container %s waits for %s to be HEALTHY, which has no health check", c.Name, a.Container)
		}
	default:
		return fmt.Errorf("docker: container %s waits for condition %q: START, COMPLETE, SUCCESS or HEALTHY is expected", c.Name, a.Condition)
	}
	return nil
}

const (
	// What a killed server asked the Engine for goes on there, for seconds on a busy machine.
	busyTime  = 10 * time.Second
	busyPause = 50 * time.Millisecond
)

// busyError marks that the Engine is at work on a container of that name, making or
// removing it, for a server that was killed meanwhile.
type busyError struct{ error }

func (e busyError) Unwrap() error { return e.error }

// insist makes the pod, again from what it finds while the Engine is busy with it.
func (b *Backend) insist(ctx context.Context, p compute.Pod, rec *record) error {
	end := b.cfg.Clock.Now().Add(busyTime)
	for {
		err := b.make(ctx, p, rec)
		if busy := (busyError{}); !errors.As(err, &busy) || b.cfg.Clock.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-b.cfg.Clock.After(busyPause):
		}
	}
}

// make brings a pod from nothing, or from what a crash left of it, to where only
// starting its containers lacks.
func (b *Backend) make(ctx context.Context, p compute.Pod, rec *record) error {
	images := map[string]string{}
	for _, c := range p.Containers {
		id, err := b.image(ctx, c.Image)
		if err != nil {
			return err
		}
		images[c.Name] = id
	}
	if err := os.MkdirAll(b.podFolder(p.Name), 0o700); err != nil {
		return fmt.Errorf("docker: making the folder of pod %s: %w", p.Name, err)
	}
	if err := b.writeRecord(*rec); err != nil {
		return err
	}
	pause, err := b.pause(ctx, p)
	if err != nil {
		return err
	}
	if err := b.attach(ctx, p, pause, rec); err != nil {
		return err
	}
	for _, c := range p.Containers {
		if err := b.makeContainer(ctx, p, c, images[c.Name], pause.ID); err != nil {
			return err
		}
	}
	rec.Stage = course.Running
	return b.writeRecord(*rec)
}

func (b *Backend) attach(ctx context.Context, p compute.Pod, pause container.InspectResponse, rec *record) error {
	netns, err := b.mountNetNS(p.Name, pause.State.Pid)
	if err != nil || b.cfg.Attacher == nil {
		return err
	}
	rec.Address, err = b.cfg.Attacher.AttachPod(ctx, p.Interface, p.Name, netns, p.Tag)
	if err != nil {
		return fmt.Errorf("ResourceInitializationError: giving pod %s its network interface %s: %w", p.Name, p.Interface, err)
	}
	return nameHost(pause, rec.Address)
}

// makeContainer creates one container and puts its files in. A container found
// that never started gets its files again: they may have been half put.
func (b *Backend) makeContainer(ctx context.Context, p compute.Pod, c compute.Container, image, pauseID string) error {
	name := b.containerName(p.Name, c.Name)
	have, found, err := b.inspect(ctx, name)
	if err != nil {
		return err
	}
	if found && have.HostConfig.NetworkMode != container.NetworkMode("container:"+pauseID) {
		if err := b.removeContainer(ctx, name); err != nil { // of a pause container that died while the pod was made
			return err
		}
		found = false
	}
	t, err := b.trusted(ctx, c, image)
	if err != nil {
		return err
	}
	if !found {
		if err := b.volumes(p.Name, c); err != nil {
			return err
		}
		if err := b.create(ctx, p, c, image, pauseID, t); err != nil {
			return err
		}
	}
	return b.putFiles(ctx, name, c, t)
}

func (b *Backend) create(ctx context.Context, p compute.Pod, c compute.Container, image, pauseID string, t trusted) error {
	for {
		_, err := b.client().ContainerCreate(ctx, b.options(p, c, image, pauseID, t))
		if err == nil {
			return nil
		}
		if errdefs.IsConflict(err) { // it was not there a moment ago
			return busyError{fmt.Errorf("CannotCreateContainerError: container %s: %w", c.Name, err)}
		}
		if !c.Privileged || !b.caps.learn(err) {
			return fmt.Errorf("CannotCreateContainerError: container %s: %w", c.Name, err)
		}
	}
}

// volumes makes the folders of the pod's own volumes.
func (b *Backend) volumes(pod string, c compute.Container) error {
	for _, m := range c.Mounts {
		if m.Volume == "" {
			continue
		}
		if err := checkName("volume", m.Volume); err != nil {
			return err
		}
		if err := os.MkdirAll(b.volume(pod, m.Volume), 0o755); err != nil {
			return fmt.Errorf("docker: making volume %s of pod %s: %w", m.Volume, pod, err)
		}
	}
	return nil
}

// discard removes what was made of a pod that can not be, so that Ensure's error
// means that nothing of it runs. The caller's context may be what ended.
func (b *Backend) discard(pod string, rec record, cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := b.remove(ctx, pod, rec); err != nil {
		return fmt.Errorf("%w (and what was made of pod %s could not be removed: %v)", cause, pod, err)
	}
	return cause
}

// startError marks that the Engine refused to start a container.
type startError struct{ error }

func (e startError) Unwrap() error { return e.error }

func (b *Backend) startContainer(ctx context.Context, pod, name string) error {
	_, err := b.client().ContainerStart(ctx, b.containerName(pod, name), client.ContainerStartOptions{})
	if err != nil && !errdefs.IsNotModified(err) {
		return startError{fmt.Errorf("CannotStartContainerError: container %s: %w", name, err)}
	}
	return nil
}
