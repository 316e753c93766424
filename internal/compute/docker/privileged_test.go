package docker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/compute"
)

// nested starts a Docker daemon in the container and has it run and build. It is
// the recipe that the runner follows, in shell.
const nested = `set -e
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mount -o remount,bind,rw /sys/fs/cgroup
  mkdir -p /sys/fs/cgroup/init
  for p in $(cat /sys/fs/cgroup/cgroup.procs); do echo $p > /sys/fs/cgroup/init/cgroup.procs || true; done
  for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$c > /sys/fs/cgroup/cgroup.subtree_control; done
else
  for m in /sys/fs/cgroup/*; do [ -L $m ] || mount -o remount,bind,rw $m; done
fi
dockerd --storage-driver overlay2 >/tmp/dockerd.log 2>&1 &
n=0; until curl -sf --unix-socket /var/run/docker.sock http://d/_ping >/dev/null; do
  n=$((n+1)); [ $n -lt 100 ] || { cat /tmp/dockerd.log; exit 1; }; sleep 0.2; done
mkdir -p /tmp/root/bin /tmp/root/lib /tmp/root/lib64
cp /bin/sh /tmp/root/bin/
for l in $(ldd /bin/sh | grep -o '/[^ ]*'); do mkdir -p /tmp/root$(dirname $l); cp $l /tmp/root$l; done
tar c -C /tmp/root . | docker import - small:1 >/dev/null
docker run --rm small:1 /bin/sh -c 'echo nested run'
printf 'FROM small:1\nRUN echo nested build > /made\n' > /tmp/root/Dockerfile
docker build -q /tmp/root >/dev/null && echo nested build
`

func TestPrivilegedContainerRunsItsOwnDocker(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	const image = "penstock/build:1"
	if id, err := b.backend.engine.HasImage(t.Context(), image); err != nil || id == "" {
		t.Skipf("image %s is needed (%v)", image, err)
	}
	p := compute.Pod{Name: "nested", Containers: []compute.Container{{
		Name: "main", Image: image, Privileged: true, Entry: []string{"/bin/sh", "-c", nested},
		Mounts: []compute.Mount{{Volume: "docker", Path: "/var/lib/docker"}},
	}}}
	if _, err := b.backend.Ensure(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	out := b.output(t, "nested", "main")
	if !strings.Contains(out, "nested run\n") || !strings.Contains(out, "nested build\n") {
		t.Errorf("output:\n%s", out)
	}
	if err := b.backend.Remove(t.Context(), "nested"); err != nil {
		t.Fatal(err)
	}
}

func TestPrivilegedIsRefusedWhereForbidden(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.NoPrivileged = true })
	_, err := b.backend.Ensure(t.Context(), compute.Pod{Name: "no", Containers: []compute.Container{{Name: "c", Image: testImage, Privileged: true}}})
	if err == nil || !strings.Contains(err.Error(), "--no-privileged") {
		t.Errorf("Ensure = %v", err)
	}
}

func TestHostCapabilities(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]struct {
		all bool
		n   int
	}{
		"CapBnd:\t000001ffffffffff": {true, 41},
		"CapBnd:\t000001fffeffffff": {false, 40},
		"CapBnd:\t0000003fffffffff": {true, 38}, // an older kernel
	} {
		file := filepath.Join(t.TempDir(), "status")
		if err := os.WriteFile(file, []byte("Name:\tx\n"+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := hostCapabilities(file)
		if err != nil || got.all != want.all || len(got.names) != want.n {
			t.Errorf("%s: all %v, %d names, %v; want %+v", line, got.all, len(got.names), err, want)
		}
	}
}
