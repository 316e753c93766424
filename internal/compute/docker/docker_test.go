package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/computetest"
	"github.com/penstock-ci/penstock/internal/ids"
)

// bundle of a test: an installation of its own on the machine's Engine.
type bundle struct {
	cfg     Config
	backend *Backend
	plane   *plane
}

// plane records what it was asked, in place of a network.
type plane struct {
	mu       sync.Mutex
	attached map[string]string // pod → interface
}

func (p *plane) AttachPod(_ context.Context, id, pod, netns, tag string) (netip.Addr, error) {
	if _, err := os.Stat(netns); err != nil {
		return netip.Addr{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attached[pod] = id
	return netip.MustParseAddr("198.18.7.9"), nil
}

func (p *plane) DetachPod(_ context.Context, id, pod string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.attached, pod)
	return nil
}

func setup(t *testing.T, change func(*Config)) *bundle {
	t.Helper()
	e, err := Connect("")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Ping(t.Context()); err != nil || os.Getuid() != 0 {
		t.Skipf("a Docker Engine and root are needed: %v", err)
	}
	p := &plane{attached: map[string]string{}}
	cfg := Config{Installation: "t" + ids.Hex(8, ""), Data: t.TempDir(), Runtime: t.TempDir(), Attacher: p}
	if change != nil {
		change(&cfg)
	}
	b := &bundle{cfg: cfg, plane: p}
	b.backend = b.run(t)
	t.Cleanup(func() { clean(t, b.backend) })
	return b
}

// run starts a Backend, as a server's start does.
func (b *bundle) run(t *testing.T) *Backend {
	t.Helper()
	back, err := New(b.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = back.Run(ctx) // ends with ctx
	}()
	t.Cleanup(func() { cancel(); <-done })
	return back
}

// clean removes what is left of the test's installation, pause containers kept
// ready above all.
func clean(t *testing.T, b *Backend) {
	all, err := b.list(context.Background(), nil)
	if err != nil {
		t.Error(err)
	}
	for _, c := range all {
		if err := b.removeContainer(context.Background(), c.ID); err != nil {
			t.Error(err)
		}
	}
}

// testImage has a shell and a few programs of this machine.
const testImage = "penstock/test-shell:1"

var testImageOnce sync.Mutex

func makeTestImage(t *testing.T) {
	t.Helper()
	testImageOnce.Lock()
	defer testImageOnce.Unlock()
	e, err := Connect("")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Ping(t.Context()); err != nil {
		t.Skipf("a Docker Engine is needed: %v", err)
	}
	have, err := e.HasImage(t.Context(), testImage)
	if err != nil {
		t.Fatal(err)
	}
	if have != "" {
		return
	}
	root, err := computetest.ShellRoot("sleep", "cat", "hostname", "ls", "id")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.ImportImage(t.Context(), testImage, bytes.NewReader(root), "ENV PATH=/bin", "LABEL io.penstock.test=1"); err != nil {
		t.Fatal(err)
	}
}

func script(s computetest.Script) compute.Container {
	var b strings.Builder
	for _, line := range s.Print {
		fmt.Fprintf(&b, "echo %s; ", line)
	}
	if s.Run < 0 {
		b.WriteString("trap 'exit 143' TERM; while :; do sleep 1000 & wait; done; ")
	} else if s.Run > 0 {
		fmt.Fprintf(&b, "sleep %g; ", s.Run.Seconds())
	}
	fmt.Fprintf(&b, "exit %d", s.Code)
	return compute.Container{Name: s.Name, Image: testImage, Entry: []string{"/bin/sh", "-c", b.String()}}
}

func TestContract(t *testing.T) {
	t.Parallel()
	makeTestImage(t)
	computetest.Run(t, func(t *testing.T) computetest.Fixture {
		b := setup(t, nil)
		return computetest.Fixture{
			Backend:   b.backend,
			Again:     func(t *testing.T) compute.Backend { return b.run(t) },
			Container: script,
		}
	})
}

func TestExecGivesCodeAndOutput(t *testing.T) {
	t.Parallel()
	makeTestImage(t)
	b := setup(t, nil)
	c := script(computetest.Script{Name: "main", Run: -1})
	c.Files = []compute.File{{Path: "/opt/penstock/hello", Mode: 0o644, Body: []byte("put in\n")}}
	if _, err := b.backend.Ensure(t.Context(), compute.Pod{Name: "exec", Interface: "eni-1", Containers: []compute.Container{c}}); err != nil {
		t.Fatal(err)
	}
	code, out, err := b.backend.Exec(t.Context(), "exec", "main", []string{"/bin/sh", "-c",
		"cat /opt/penstock/hello /etc/resolv.conf /etc/hosts; hostname; echo sorry >&2; exit 5"})
	if err != nil || code != 5 {
		t.Fatalf("Exec = %d, %q, %v", code, out, err)
	}
	for _, want := range []string{"put in\n", "nameserver 169.254.169.253", "198.18.7.9\tpenstock", "sorry\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	if b.plane.attached["exec"] != "eni-1" {
		t.Errorf("attached = %v", b.plane.attached)
	}
	start := time.Now()
	if err := b.backend.Remove(t.Context(), "exec"); err != nil {
		t.Fatal(err)
	}
	t.Logf("removed in %v", time.Since(start))
	if len(b.plane.attached) != 0 {
		t.Errorf("still attached after Remove: %v", b.plane.attached)
	}
	if entries, err := os.ReadDir(b.cfg.Data + "/pods"); err != nil || len(entries) != 0 {
		t.Errorf("left in the data folder: %v, %v", entries, err)
	}
	if entries, err := os.ReadDir(b.cfg.Runtime + "/pods"); err != nil || len(entries) != 0 {
		t.Errorf("left in the runtime root: %v, %v", entries, err)
	}
}

// TestPruningTakesNothingFromAPod: docker system prune removes containers that have ended.
func TestPruningTakesNothingFromAPod(t *testing.T) {
	t.Parallel()
	makeTestImage(t)
	b := setup(t, nil).backend
	first, main := script(computetest.Script{Name: "first"}), script(computetest.Script{Name: "main", Run: -1})
	main.Essential, main.After = true, []compute.Dependency{{Container: "first", Condition: "SUCCESS"}}
	watching, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := b.Ensure(t.Context(), compute.Pod{Name: "pruned", Containers: []compute.Container{first, main}}); err != nil {
		t.Fatal(err)
	}
	err := b.Watch(watching, func(s compute.Status) {
		if s.Pod == "pruned" && len(s.Containers) == 2 && !s.Containers[1].StartedAt.IsZero() {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("wait for the second container: %v", err)
	}
	if err := b.removeContainer(t.Context(), b.containerName("pruned", "first")); err != nil {
		t.Fatal(err)
	}
	if err := b.settle(t.Context(), "pruned"); err != nil {
		t.Fatal(err)
	}
	all, err := b.List(t.Context())
	if err != nil || len(all) != 1 || all[0].Phase != compute.Running || all[0].Containers[0].Exit == nil || all[0].Containers[1].Exit != nil {
		t.Errorf("after its ended container was removed, the pod is %+v, %v", all, err)
	}
	if err := b.Remove(t.Context(), "pruned"); err != nil {
		t.Fatal(err)
	}
}
