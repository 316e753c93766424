package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/pem"
	"io"
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
	own := makeImageWithItsOwnRoots(t)
	block, _ := pem.Decode(bundlePEM)
	middle := string(bytes.Split(pem.EncodeToMemory(block), []byte("\n"))[3])
	const (
		system = "/etc/ssl/certs/ca-certificates.crt"
		show   = "echo bundle $SSL_CERT_FILE; cat $SSL_CERT_FILE"
		// What is linked with OpenSSL and told nothing looks into the folder of hashed names.
		hashed = show + "; sed -n '/Penstock adds/,$p' $SSL_CERT_FILE | env -i /usr/bin/openssl verify -no-CAfile -CApath /etc/ssl/certs"
	)
	for name, c := range map[string]struct {
		image, user string
		readOnly    bool
		bundle      string
		roots       bool // the image brings roots of its own
	}{
		"without-certificates":           {image: testImage, bundle: system},
		"without-certificates-read-only": {image: testImage, readOnly: true, user: "1000", bundle: system},
		"its-own-variable":               {image: own, user: "1000", bundle: "/app/roots.pem"},
		"its-own-variable-read-only":     {image: own, readOnly: true, bundle: "/app/roots.pem"},
		"debian":                         {image: debian, user: "1000", bundle: system, roots: true},
		"debian-read-only":               {image: debian, readOnly: true, user: "1000", bundle: system, roots: true},
	} {
		if c.image == debian && id == "" {
			t.Logf("skipped %s: image %s is not there", name, debian)
			continue
		}
		command := show
		if c.image == debian {
			command = hashed
		}
		p := compute.Pod{Name: name, Containers: []compute.Container{{
			Name: "main", Image: c.image, User: c.user, TrustCA: true, ReadOnlyRoot: c.readOnly, Entry: []string{"/bin/sh", "-c", command},
		}}}
		if _, err := b.backend.Ensure(t.Context(), p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out := b.output(t, name, "main")
		if !strings.HasPrefix(out, "bundle "+c.bundle+"\n") || !strings.Contains(out, middle) {
			t.Errorf("%s: the authority is not in the bundle:\n%.300s", name, out)
		}
		if n := strings.Count(out, "BEGIN CERT"); (n > 50) != c.roots {
			t.Errorf("%s: the bundle has %d certificates", name, n)
		}
		if c.image == debian && !strings.HasSuffix(out, "stdin: OK\n") {
			t.Errorf("%s: OpenSSL's folder lacks the authority:\n%s", name, out[max(0, len(out)-300):])
		}
		if c.image == own && !strings.Contains(out, "THEIRS\n") {
			t.Errorf("%s: the image's own roots are gone:\n%s", name, out)
		}
		if err := b.backend.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

// makeImageWithItsOwnRoots makes an image that names a bundle at a place of its own.
func makeImageWithItsOwnRoots(t *testing.T) string {
	t.Helper()
	const name = "penstock/test-own-roots:1"
	e, err := Connect("")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	shell, err := computetest.ShellRoot("cat")
	if err != nil {
		t.Fatal(err)
	}
	roots, err := pack([]compute.File{{Path: "/app/roots.pem", Mode: 0o644, Body: []byte("THEIRS\n")}})
	if err != nil {
		t.Fatal(err)
	}
	var both bytes.Buffer
	w := tar.NewWriter(&both)
	for _, part := range [][]byte{shell, roots} {
		r := tar.NewReader(bytes.NewReader(part))
		for h, err := r.Next(); err != io.EOF; h, err = r.Next() {
			if err != nil {
				t.Fatal(err)
			}
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(w, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.ImportImage(t.Context(), name, &both, "ENV PATH=/bin SSL_CERT_FILE=/app/roots.pem", "LABEL io.penstock.test=1"); err != nil {
		t.Fatal(err)
	}
	return name
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
