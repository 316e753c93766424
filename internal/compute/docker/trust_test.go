package docker

import (
	"bytes"
	"context"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/authority"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/computetest"
)

// output reads a container's lines to its end.
func (b *bundle) output(t *testing.T, pod, container string) string {
	t.Helper()
	var out strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := b.backend.Logs(ctx, pod, container, 0, func(_ uint64, _ time.Time, line string) error {
		out.WriteString(line + "\n")
		return nil
	})
	if err != nil {
		t.Fatalf("Logs: %v; so far:\n%s", err, out.String())
	}
	return out.String()
}

func TestImagesTrustTheAuthority(t *testing.T) {
	t.Parallel()
	makeTestImage(t)
	ca, err := authority.Open(t.TempDir(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	bundlePEM := ca.Bundle()
	b := setup(t, func(c *Config) { c.Trust = func() []byte { return bundlePEM } })
	const debian = "penstock/debian:12"
	id, err := b.backend.engine.HasImage(t.Context(), debian)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(bundlePEM)
	middle := string(bytes.Split(pem.EncodeToMemory(block), []byte("\n"))[3])
	const show = "echo bundle $AWS_CA_BUNDLE; cat $AWS_CA_BUNDLE"
	for name, c := range map[string]struct {
		image    string
		readOnly bool
		roots    bool // the image brings roots of its own
	}{
		"without-certificates": {testImage, false, false},
		"debian":               {debian, false, true},
		"debian-read-only":     {debian, true, true},
	} {
		if c.image == debian && id == "" {
			t.Logf("skipped %s: image %s is not there", name, debian)
			continue
		}
		p := compute.Pod{Name: name, Containers: []compute.Container{{
			Name: "main", Image: c.image, TrustCA: true, ReadOnlyRoot: c.readOnly, Entry: []string{"/bin/sh", "-c", show},
		}}}
		if _, err := b.backend.Ensure(t.Context(), p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out := b.output(t, name, "main")
		if !strings.HasPrefix(out, "bundle /etc/ssl/certs/ca-certificates.crt\n") || !strings.Contains(out, middle) {
			t.Errorf("%s: the authority is not in the bundle:\n%.300s", name, out)
		}
		if n := strings.Count(out, "BEGIN CERT"); (n > 50) != c.roots {
			t.Errorf("%s: the bundle has %d certificates", name, n)
		}
		if err := b.backend.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLongLinesAreSplitAndKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	makeTestImage(t)
	b := setup(t, nil)
	c := script(computetest.Script{Name: "main"})
	// 2^19 + 10 letters on one line, then a short one without an end.
	c.Entry = []string{"/bin/sh", "-c", `x=0123456789abcdef; i=0; while [ $i -lt 15 ]; do x=$x$x; i=$((i+1)); done; echo "${x}tail-end.."; printf last`}
	if _, err := b.backend.Ensure(t.Context(), compute.Pod{Name: "long", Containers: []compute.Container{c}}); err != nil {
		t.Fatal(err)
	}
	sizes := map[uint64]string{}
	err := b.backend.Logs(t.Context(), "long", "main", 1, func(n uint64, _ time.Time, line string) error {
		sizes[n] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sizes[1]) != longestLine || sizes[2] != "tail-end.." || sizes[3] != "last" || len(sizes) != 3 {
		t.Errorf("lines from 1 on: %d of them, of %d, %d and %d bytes", len(sizes), len(sizes[1]), len(sizes[2]), len(sizes[3]))
	}
	if err := b.backend.Remove(t.Context(), "long"); err != nil {
		t.Fatal(err)
	}
}

func TestHealthIsReported(t *testing.T) {
	t.Parallel()
	makeTestImage(t)
	b := setup(t, nil)
	sick := script(computetest.Script{Name: "main", Run: -1})
	sick.Health = &compute.Health{Command: []string{"CMD-SHELL", "ls /flag"}, Interval: time.Second, Timeout: time.Second, Retries: 1}
	after := script(computetest.Script{Name: "after", Run: -1})
	after.After = []compute.Dependency{{Container: "main", Condition: "HEALTHY"}}
	if _, err := b.backend.Ensure(t.Context(), compute.Pod{Name: "health", Containers: []compute.Container{sick, after}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	flagged, done := false, false
	err := b.backend.Watch(ctx, func(s compute.Status) {
		switch {
		case s.Containers[0].Health == "UNHEALTHY" && !flagged:
			flagged = true
			if !s.Containers[1].StartedAt.IsZero() {
				t.Error("the container that waits for HEALTHY has started")
			}
			if code, out, err := b.backend.Exec(ctx, "health", "main", []string{"/bin/sh", "-c", ": > /flag"}); err != nil || code != 0 {
				t.Errorf("Exec = %d, %s, %v", code, out, err)
			}
		case s.Containers[0].Health == "HEALTHY" && !s.Containers[1].StartedAt.IsZero():
			done = true
			cancel()
		}
	})
	if !done {
		t.Fatalf("it did not become healthy: %v", err)
	}
	if err := b.backend.Remove(t.Context(), "health"); err != nil {
		t.Fatal(err)
	}
}

func TestPauseProgramIsSmall(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"amd64", "arm64"} {
		p, err := pauseProgram(arch)
		if err != nil || len(p) > 200 {
			t.Errorf("%s: %d bytes, %v", arch, len(p), err)
		}
	}
	if _, err := pauseProgram("mips"); err == nil {
		t.Error("a processor without a program was taken")
	}
}
