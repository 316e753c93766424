package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-ci/penstock/internal/compute/course"
)

// defaultGrace is Docker's and ECS's answer to a container that does not say.
const defaultGrace = 30

// graceOf is how many seconds a container gets between its stop signal and
// SIGKILL: its own wish, else the one that Stop was called with. A stop with no
// grace at all overrules both.
func (r record) graceOf(name string) int {
	if r.Grace != nil && *r.Grace == 0 {
		return 0
	}
	for _, m := range r.Containers {
		if m.Name == name && m.Grace > 0 {
			return m.Grace
		}
	}
	if r.Grace != nil {
		return *r.Grace
	}
	return defaultGrace
}

// Stop asks the pod's containers to end, those that others depend on last. It
// returns once that is asked for; Watch tells when the pod is STOPPED. A repeat
// with no grace kills at once.
func (b *Backend) Stop(ctx context.Context, pod string, grace time.Duration) (err error) {
	defer away(&err)
	defer b.pods.lock(pod)()
	rec, found, err := b.readRecord(pod)
	if err != nil || !found || rec.Stage == course.Lost {
		return err
	}
	seconds := int((max(grace, 0) + time.Second - 1) / time.Second)
	rec.Grace = &seconds
	if rec.Stage == course.Making {
		return b.remove(ctx, pod, rec)
	}
	rec.Stage = course.Stopping
	if err := b.writeRecord(rec); err != nil {
		return err
	}
	if seconds == 0 {
		for _, m := range rec.Containers {
			if err := b.kill(ctx, b.containerName(pod, m.Name)); err != nil {
				return fmt.Errorf("docker: stopping pod %s: %w", pod, err)
			}
		}
	}
	o, err := b.advance(ctx, rec)
	if err != nil {
		return err
	}
	b.hub.publish(b.status(o))
	return nil
}

// Remove ends and removes everything of the pod: containers, interface, volumes
// and record. Folders of the host that it mounted stay.
func (b *Backend) Remove(ctx context.Context, pod string) (err error) {
	defer away(&err)
	if err := checkName("pod", pod); err != nil {
		return err
	}
	defer b.pods.lock(pod)()
	rec, _, err := b.readRecord(pod)
	if err != nil {
		b.cfg.Log.Warn("removing a pod whose record is damaged", "pod", pod, "error", err)
	}
	rec.Pod = pod
	return b.remove(ctx, pod, rec)
}

func (b *Backend) remove(ctx context.Context, pod string, rec record) error {
	names, err := b.containersOf(ctx, pod)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, name := range names {
		g.Go(func() error { return b.removeContainer(gctx, name) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if b.cfg.Attacher != nil {
		if err := b.cfg.Attacher.DetachPod(ctx, rec.Interface, pod); err != nil {
			return fmt.Errorf("docker: taking the network interface from pod %s: %w", pod, err)
		}
	}
	return errors.Join(b.unmountNetNS(pod), b.removeFolder(pod))
}

func (b *Backend) containersOf(ctx context.Context, pod string) ([]string, error) {
	all, err := b.list(ctx, nil)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range all {
		for _, n := range c.Names {
			if of, ok := b.podOf(n); ok && of == pod {
				names = append(names, strings.TrimPrefix(n, "/"))
			}
		}
	}
	return names, nil
}

func (b *Backend) removeFolder(pod string) error {
	if err := os.RemoveAll(b.podFolder(pod)); err != nil {
		return fmt.Errorf("docker: removing the folder of pod %s: %w", pod, err)
	}
	return nil
}
