// Package computetest is the contract of compute.Backend as a test suite, run for
// every back end. It is used by tests only.
package computetest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
)

// Fixture is one back end under test.
type Fixture struct {
	Backend compute.Backend
	// Again makes a second Backend on the same machine and data, as after a restart
	// of the server.
	Again func(t *testing.T) compute.Backend
	// Container gives a container that behaves as asked.
	Container func(Script) compute.Container
}

// Script is the behaviour of a container.
type Script struct {
	Name  string
	Print []string      // lines, first
	Run   time.Duration // how long it runs then; < 0 = until it is stopped
	Code  int           // and how it ends
}

// patience bounds a wait for an event; it is never reached when all is well.
const patience = time.Minute

// Run runs the contract.
func Run(t *testing.T, newFixture func(t *testing.T) Fixture) {
	for name, test := range map[string]func(*testing.T, *bench){
		"a pod runs to its end and tells its exit code": endsWithCode,
		"ensure finds what runs already":                ensureTwice,
		"a second server finds the pod":                 foundAgain,
		"an essential container's end stops the pod":    essentialEnds,
		"containers start in order":                     dependencies,
		"a dependency that failed stops the pod":        dependencyFails,
		"stop is asked for and seen":                    stops,
		"remove forgets, twice":                         removes,
		"log lines are numbered from 0":                 logs,
		"a missing image is told in AWS's words":        missingImage,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newBench(t, newFixture(t)))
		})
	}
}

// bench watches a back end and keeps the newest status of each pod.
type bench struct {
	Fixture
	mu   sync.Mutex
	seen map[string]compute.Status
	wake chan struct{}
}

func newBench(t *testing.T, f Fixture) *bench {
	b := &bench{Fixture: f, seen: map[string]compute.Status{}, wake: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Backend.Watch(ctx, b.see) // ends with ctx
	}()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func (b *bench) see(s compute.Status) {
	b.mu.Lock()
	b.seen[s.Pod] = s
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// await waits until the watched status of pod satisfies ok.
func (b *bench) await(t *testing.T, pod string, ok func(compute.Status) bool) compute.Status {
	t.Helper()
	limit := time.After(patience)
	for {
		b.mu.Lock()
		s, found := b.seen[pod]
		b.mu.Unlock()
		if found && ok(s) {
			return s
		}
		select {
		case <-b.wake:
		case <-limit:
			t.Fatalf("pod %s did not get there; its last status: %+v", pod, s)
		}
	}
}

func phase(p compute.Phase) func(compute.Status) bool {
	return func(s compute.Status) bool { return s.Phase == p }
}

func (b *bench) ensure(t *testing.T, p compute.Pod) compute.Status {
	t.Helper()
	t.Cleanup(func() {
		if err := b.Backend.Remove(context.Background(), p.Name); err != nil {
			t.Errorf("removing pod %s: %v", p.Name, err)
		}
	})
	s, err := b.Backend.Ensure(t.Context(), p)
	if err != nil {
		t.Fatalf("Ensure: %v", err)
	}
	return s
}

func endsWithCode(t *testing.T, b *bench) {
	c := b.Container(Script{Name: "main", Code: 7})
	b.ensure(t, compute.Pod{Name: "code", Owner: "test/code", Containers: []compute.Container{c}})
	s := b.await(t, "code", phase(compute.Stopped))
	if s.Owner != "test/code" || len(s.Containers) != 1 || s.Containers[0].Exit == nil || s.Containers[0].Exit.Code != 7 {
		t.Errorf("status = %+v, want owner test/code and exit code 7", s)
	}
	if e := s.Containers[0].Exit; e != nil && (e.OOM || e.At.IsZero() || s.Containers[0].StartedAt.IsZero()) {
		t.Errorf("exit = %+v of a container started at %v", e, s.Containers[0].StartedAt)
	}
}

func ensureTwice(t *testing.T, b *bench) {
	p := compute.Pod{Name: "twice", Containers: []compute.Container{b.Container(Script{Name: "main", Run: -1})}}
	first := b.ensure(t, p)
	second, err := b.Backend.Ensure(t.Context(), p)
	if err != nil {
		t.Fatalf("second Ensure: %v", err)
	}
	if first.Phase != compute.Running || second.Phase != compute.Running || first.Containers[0].ID != second.Containers[0].ID {
		t.Errorf("first %+v, second %+v: want one running container", first, second)
	}
}

func foundAgain(t *testing.T, b *bench) {
	p := compute.Pod{Name: "again", Owner: "test/again", Containers: []compute.Container{b.Container(Script{Name: "main", Run: -1})}}
	first := b.ensure(t, p)
	other := b.Again(t)
	all, err := other.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Pod != "again" || all[0].Owner != "test/again" || all[0].Phase != compute.Running {
		t.Errorf("List of a second server = %+v", all)
	}
	second, err := other.Ensure(t.Context(), p)
	if err != nil || second.Containers[0].ID != first.Containers[0].ID {
		t.Errorf("Ensure of a second server = %+v, %v", second, err)
	}
}

func essentialEnds(t *testing.T, b *bench) {
	main := b.Container(Script{Name: "main", Run: 100 * time.Millisecond, Code: 2})
	main.Essential = true
	side := b.Container(Script{Name: "side", Run: -1})
	b.ensure(t, compute.Pod{Name: "essential", Containers: []compute.Container{side, main}})
	s := b.await(t, "essential", phase(compute.Stopped))
	for _, c := range s.Containers {
		if c.Exit == nil {
			t.Errorf("container %s did not end", c.Name)
		}
	}
}

func dependencies(t *testing.T, b *bench) {
	first := b.Container(Script{Name: "first", Run: 100 * time.Millisecond})
	second := b.Container(Script{Name: "second", Run: -1})
	second.After = []compute.Dependency{{Container: "first", Condition: "SUCCESS"}}
	s := b.ensure(t, compute.Pod{Name: "order", Containers: []compute.Container{second, first}})
	if c := s.Containers[0]; !c.StartedAt.IsZero() && s.Containers[1].Exit == nil {
		t.Errorf("second started before first had ended")
	}
	s = b.await(t, "order", func(s compute.Status) bool { return !s.Containers[0].StartedAt.IsZero() })
	if e := s.Containers[1].Exit; e == nil || s.Containers[0].StartedAt.Before(e.At) {
		t.Errorf("second started at %v, first ended %+v", s.Containers[0].StartedAt, e)
	}
}

func dependencyFails(t *testing.T, b *bench) {
	first := b.Container(Script{Name: "first", Code: 1})
	second := b.Container(Script{Name: "second", Run: -1})
	second.After = []compute.Dependency{{Container: "first", Condition: "SUCCESS"}}
	b.ensure(t, compute.Pod{Name: "hopeless", Containers: []compute.Container{first, second}})
	s := b.await(t, "hopeless", phase(compute.Stopped))
	if !s.Containers[1].StartedAt.IsZero() || !strings.Contains(s.Reason, "second") {
		t.Errorf("status = %+v: second must not have started, and the reason must name it", s)
	}
}

func stops(t *testing.T, b *bench) {
	p := compute.Pod{Name: "stop", Containers: []compute.Container{b.Container(Script{Name: "main", Run: -1})}}
	b.ensure(t, p)
	if err := b.Backend.Stop(t.Context(), "stop", time.Second); err != nil {
		t.Fatal(err)
	}
	s := b.await(t, "stop", phase(compute.Stopped))
	if s.Containers[0].Exit == nil {
		t.Errorf("status = %+v", s)
	}
	if err := b.Backend.Stop(t.Context(), "stop", 0); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
	if s, err := b.Backend.Ensure(t.Context(), p); err != nil || s.Phase != compute.Stopped {
		t.Errorf("Ensure of a stopped pod = %+v, %v; it must stay stopped", s, err)
	}
}

func removes(t *testing.T, b *bench) {
	p := compute.Pod{Name: "gone", Containers: []compute.Container{b.Container(Script{Name: "main", Run: -1})}}
	b.ensure(t, p)
	for range 2 {
		if err := b.Backend.Remove(t.Context(), "gone"); err != nil {
			t.Fatal(err)
		}
	}
	all, err := b.Backend.List(t.Context())
	if err != nil || len(all) != 0 {
		t.Errorf("List = %+v, %v, want nothing", all, err)
	}
}

func logs(t *testing.T, b *bench) {
	follower, ok := b.Backend.(compute.Logs)
	if !ok {
		t.Skip("the back end has no logs")
	}
	c := b.Container(Script{Name: "main", Print: []string{"one", "two", "three"}})
	b.ensure(t, compute.Pod{Name: "logs", Containers: []compute.Container{c}})
	for _, from := range []uint64{0, 2} {
		want := []string{"one", "two", "three"}[from:]
		n := from
		err := follower.Logs(t.Context(), "logs", "main", from, func(got uint64, at time.Time, line string) error {
			if int(n-from) >= len(want) || got != n || line != want[n-from] || at.IsZero() {
				t.Errorf("line %d at %v = %q", got, at, line)
			}
			n++
			return nil
		})
		if err != nil || n != 3 {
			t.Errorf("Logs from %d ended at line %d: %v", from, n, err)
		}
	}
}

func missingImage(t *testing.T, b *bench) {
	c := b.Container(Script{Name: "main"})
	c.Image = "penstock/no-such-image:1"
	_, err := b.Backend.Ensure(t.Context(), compute.Pod{Name: "missing", Containers: []compute.Container{c}})
	if err == nil || !strings.Contains(err.Error(), "CannotPullContainerError: ") {
		t.Errorf("Ensure = %v, want CannotPullContainerError", err)
	}
	all, err := b.Backend.List(t.Context())
	if err != nil || len(all) != 0 {
		t.Errorf("List = %+v, %v, want nothing", all, err)
	}
}
