package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// dockerd is a Docker Engine of the test's own: what befalls it, befalls nobody else.
type dockerd struct {
	folder  string
	process *exec.Cmd // nil while it is not running
	other   string    // address of the machine's own, which has the images
}

// startDockerd starts one, has this test's programs use it, and takes it down with
// all that runs on it at the test's end.
func startDockerd(t *testing.T) *dockerd {
	t.Helper()
	d := &dockerd{folder: t.TempDir(), other: cmp.Or(os.Getenv("DOCKER_HOST"), "unix:///var/run/docker.sock")}
	t.Setenv("DOCKER_HOST", "unix://"+d.path("docker.sock"))
	t.Cleanup(func() { d.remove(t) })
	d.start(t)
	return d
}

func (d *dockerd) path(name string) string { return filepath.Join(d.folder, name) }

// start returns once it answers. It has no bridge and no rules of its own: pods need neither.
func (d *dockerd) start(t *testing.T, args ...string) {
	t.Helper()
	log, err := os.OpenFile(d.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d.process = exec.Command("dockerd", append([]string{
		"--data-root", d.path("data"), "--exec-root", d.path("run"), "--pidfile", d.path("pid"), "--host", "unix://" + d.path("docker.sock"),
		"--bridge=none", "--iptables=false", "--ip-forward=false",
	}, args...)...)
	d.process.Stdout, d.process.Stderr = log, log
	if err := d.process.Start(); err != nil {
		t.Fatal(err)
	}
	err = until(context.WithoutCancel(t.Context()), "the Engine's answer", func() (bool, error) {
		return exec.Command("docker", "version").Run() == nil, nil
	})
	if err != nil {
		raw, readErr := os.ReadFile(d.path("log"))
		t.Fatalf("%v\n%s (%v)", err, tail(raw, 20), readErr)
	}
}

// load copies images from the machine's own Engine.
func (d *dockerd) load(t *testing.T, images ...string) {
	t.Helper()
	save := exec.Command("docker", append([]string{"--host", d.other, "save"}, images...)...)
	load := exec.Command("docker", "load")
	var err error
	if load.Stdin, err = save.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := save.Start(); err != nil {
		t.Fatal(err)
	}
	out, err := load.CombinedOutput()
	if err := errors.Join(err, save.Wait()); err != nil {
		t.Fatalf("copy %v from this machine's Engine (penstock setup makes them): %v: %s", images, err, out)
	}
}

// kill is SIGKILL of the Engine, as the kernel's when memory is short: its containerd
// dies with it, the containers run on.
func (d *dockerd) kill(t *testing.T) { d.end(t, unix.SIGKILL) }

// stop is the Engine's own end, as before an upgrade: it stops the containers first.
func (d *dockerd) stop(t *testing.T) { d.end(t, unix.SIGTERM) }

func (d *dockerd) end(t *testing.T, by unix.Signal) {
	t.Helper()
	containerd, err := os.ReadFile(d.path("run/containerd/containerd.pid"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.process.Process.Signal(by); err != nil {
		t.Fatal(err)
	}
	d.process.Wait() // its exit code is our signal
	d.process = nil
	gone(t, string(containerd))
}

// powerOff ends the Engine and all that runs on it as a power cut does: no process of
// it is left to tidy up, and what lies in /run is gone.
func (d *dockerd) powerOff(t *testing.T) {
	t.Helper()
	for pids := d.processes(t); len(pids) > 0; pids = d.processes(t) {
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				t.Fatal(err)
			}
		}
		if d.process != nil {
			d.process.Wait() // its exit code is our signal
			d.process = nil
		}
		for _, pid := range pids {
			gone(t, strconv.Itoa(pid))
		}
	}
	d.sweep(t)
}

// gone waits until nobody has a process's number, not even a child that is yet to be
// waited for: an Engine takes whoever has the number for its containerd, and the
// kernel keeps its control group.
func gone(t *testing.T, pid string) {
	t.Helper()
	err := until(context.WithoutCancel(t.Context()), "the end of process "+pid, func() (bool, error) {
		_, err := os.Stat("/proc/" + pid)
		return errors.Is(err, os.ErrNotExist), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// remove is the test's end.
func (d *dockerd) remove(t *testing.T) {
	d.powerOff(t)
	if left := below(t, d.folder); len(left) > 0 {
		t.Errorf("the Engine left mounts: %v", left)
	}
}

// sweep takes away what the machine's own shutdown would: mounts, control groups,
// sockets and the Engine's runtime folder.
func (d *dockerd) sweep(t *testing.T) {
	t.Helper()
	addresses, err := filepath.Glob(d.path("run/containerd/daemon/io.containerd.runtime.v2.task/moby/*/address"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range addresses {
		address, err := os.ReadFile(file)
		if err == nil {
			err = os.Remove(strings.TrimPrefix(string(address), "unix://"))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
	containers, err := os.ReadDir(d.path("data/containers"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		groups, err := filepath.Glob("/sys/fs/cgroup/*/docker/" + c.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range append(groups, "/sys/fs/cgroup/docker/"+c.Name()) {
			if err := os.Remove(group); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Error(err)
			}
		}
	}
	mounts := below(t, d.folder)
	slices.Reverse(mounts)
	for _, m := range mounts {
		if err := unix.Unmount(m, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", m, err)
		}
	}
	if err := os.RemoveAll(d.path("run")); err != nil {
		t.Error(err)
	}
}

// below are the mount points in a folder, in the order in which they came.
func below(t *testing.T, folder string) (points []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if point := strings.Fields(line)[4]; strings.HasPrefix(point, folder+"/") {
			points = append(points, point)
		}
	}
	return points
}

// processes are those that name the Engine's folder (itself, containerd, the shims)
// and all that they started.
func (d *dockerd) processes(t *testing.T) (pids []int) {
	t.Helper()
	parent, named := map[int]int{}, map[int]bool{}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range lines {
		line, err := os.ReadFile(file)
		stat, statErr := os.ReadFile(filepath.Join(filepath.Dir(file), "stat"))
		if err != nil || statErr != nil {
			continue // it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		// pid (name) state parent
		_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(" "))
		var state string
		var up int
		if _, err := fmt.Sscan(string(rest), &state, &up); err != nil {
			t.Fatal(err)
		}
		if state != "Z" {
			parent[pid] = up
			program, _, _ := bytes.Cut(line, []byte{0})
			named[pid] = bytes.Contains(line, []byte(d.folder)) && slices.Contains(engineParts, filepath.Base(string(program)))
		}
	}
	for pid := range parent {
		for up := pid; up != 0; up = parent[up] {
			if named[up] {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

var engineParts = []string{"dockerd", "containerd", "containerd-shim-runc-v2"}
