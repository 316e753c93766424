package docker

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/computetest"
)

// TestEnsureGoesOnAfterAnyCrash ends the program (as the Engine sees it) before
// its n-th request, for every n, and lets a new one finish the pod.
func TestEnsureGoesOnAfterAnyCrash(t *testing.T) {
	t.Parallel()
	makeTestImage(t)
	b := setup(t, nil)
	b.cfg.Data, b.cfg.Runtime = t.TempDir(), t.TempDir() // not those of the one that runs
	pod := func() compute.Pod {
		first, second := script(computetest.Script{Name: "first", Run: -1}), script(computetest.Script{Name: "second", Run: -1})
		first.Files = []compute.File{{Path: "/file", Mode: 0o644, Body: []byte("there")}}
		second.After = []compute.Dependency{{Container: "first", Condition: "START"}}
		return compute.Pod{Name: "crash", Containers: []compute.Container{first, second}}
	}
	for n := int64(1); ; n++ {
		var count atomic.Int64
		cfg := b.cfg
		cfg.fault = func(string, string) error {
			if count.Add(1) >= n {
				return errors.New("crashed")
			}
			return nil
		}
		broken, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, first := broken.Ensure(t.Context(), pod())
		whole := idle(t, b.cfg)
		s, err := whole.Ensure(t.Context(), pod())
		if err != nil || s.Phase != compute.Running || s.Containers[0].StartedAt.IsZero() || s.Containers[1].StartedAt.IsZero() {
			t.Fatalf("after a crash before request %d: %+v, %v", n, s, err)
		}
		code, out, err := whole.Exec(t.Context(), "crash", "first", []string{"cat", "/file"})
		if err != nil || code != 0 || string(out) != "there" {
			t.Errorf("after a crash before request %d the file is %q (%d, %v)", n, out, code, err)
		}
		all, err := whole.list(t.Context(), client.Filters{})
		if err != nil || len(all) != 3 {
			t.Errorf("after a crash before request %d there are %d containers, want 3 (%v)", n, len(all), err)
		}
		if err := whole.Remove(t.Context(), "crash"); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			t.Logf("%d requests make the pod", n-1)
			return
		}
	}
}

// TestEnsureWaitsForWhatTheEngineStillMakes plays a killed server whose requests the
// Engine carries out late: each container appears just before it is to be made.
func TestEnsureWaitsForWhatTheEngineStillMakes(t *testing.T) {
	t.Parallel()
	makeTestImage(t)
	b := setup(t, nil)
	b.cfg.Data, b.cfg.Runtime = t.TempDir(), t.TempDir() // not those of the one that runs
	late := []string{b.backend.pauseName("late"), b.backend.containerName("late", "main")}
	cfg := b.cfg
	cfg.fault = func(method, path string) error {
		if len(late) == 0 || method != "POST" || !strings.HasSuffix(path, "/containers/create") {
			return nil
		}
		name := late[0]
		late = late[1:]
		_, err := b.backend.client().ContainerCreate(t.Context(), client.ContainerCreateOptions{
			Name:   name,
			Config: &container.Config{Image: testImage, Cmd: []string{"/bin/sh"}, Labels: map[string]string{LabelInstallation: cfg.Installation}},
		})
		return err
	}
	whole := idle(t, cfg)
	s, err := whole.Ensure(t.Context(), compute.Pod{Name: "late", Containers: []compute.Container{script(computetest.Script{Name: "main", Run: -1})}})
	if err != nil || s.Phase != compute.Running || s.Containers[0].StartedAt.IsZero() {
		t.Errorf("where the Engine was not done with an earlier server's containers: %+v, %v", s, err)
	}
	if len(late) > 0 {
		t.Errorf("%v were not made", late)
	}
	if err := whole.Remove(t.Context(), "late"); err != nil {
		t.Error(err)
	}
}

// idle is a Backend that nobody runs.
func idle(t *testing.T, cfg Config) *Backend {
	t.Helper()
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestADeadPauseContainerLosesThePod(t *testing.T) {
	t.Parallel()
	makeTestImage(t)
	b := setup(t, func(c *Config) { c.Ready = 1 })
	if err := b.backend.stock(t.Context()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	p := compute.Pod{Name: "lost", Owner: "test/lost", Containers: []compute.Container{script(computetest.Script{Name: "main", Run: -1})}}
	if _, err := b.backend.Ensure(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Logf("started into a ready pod in %v", time.Since(start))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := make(chan compute.Status, 1)
	go func() {
		_ = b.backend.Watch(ctx, func(s compute.Status) {
			if s.Phase == compute.Lost && s.Containers[0].Exit != nil {
				select {
				case seen <- s:
				default:
				}
			}
		})
	}()
	if err := b.backend.kill(ctx, b.backend.pauseName("lost")); err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-seen:
		if s.Owner != "test/lost" || s.Reason == "" {
			t.Errorf("status = %+v", s)
		}
	case <-ctx.Done():
		t.Fatal("the loss was not seen")
	}
	if err := b.backend.Remove(ctx, "lost"); err != nil {
		t.Fatal(err)
	}
}

func TestOrphansAreSweptAfterTenMinutes(t *testing.T) {
	t.Parallel()
	makeTestImage(t)
	c := &handClock{now: time.Unix(1e9, 0)}
	b := setup(t, func(cfg *Config) {
		cfg.Clock = c
		cfg.Owned = func(_ context.Context, owner string) (bool, error) { return owner == "owned", nil }
	})
	for name, owner := range map[string]string{"kept": "owned", "swept": "gone"} {
		p := compute.Pod{Name: name, Owner: owner, Containers: []compute.Container{script(computetest.Script{Name: "main", Run: -1})}}
		if _, err := b.backend.Ensure(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	since := map[string]time.Time{}
	for _, step := range []struct {
		after time.Duration
		pods  int
	}{{0, 2}, {9 * time.Minute, 2}, {time.Minute, 1}} {
		c.now = c.now.Add(step.after)
		if err := b.backend.sweep(t.Context(), since); err != nil {
			t.Fatal(err)
		}
		all, err := b.backend.List(t.Context())
		if err != nil || len(all) != step.pods {
			t.Errorf("after %v more there are %d pods, want %d (%v)", step.after, len(all), step.pods, err)
		}
	}
	if err := b.backend.Remove(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
}

// handClock is moved by hand; its timers never fire.
type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time                       { return c.now }
func (c *handClock) After(time.Duration) <-chan time.Time { return nil }
