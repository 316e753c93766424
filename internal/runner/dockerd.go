package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
)

const (
	dockerSocket = "/var/run/docker.sock"
	// dockerWait is how long a build waits for its daemon, as on CodeBuild.
	dockerWait = 60 * time.Second
	// dockerPause lies between two tries to connect: the daemon says nothing when it is ready.
	dockerPause = 20 * time.Millisecond
)

// daemon is the build's own Docker daemon. Nothing of the host's is shared with it.
type daemon struct {
	cmd *exec.Cmd
	log string
}

// startDocker starts the image's dockerd with this program as its runtime; an image
// without one starts its own, or does without (nil).
func startDocker(self, tmp string, env []string, mtu int) (*daemon, error) {
	path, err := exec.LookPath("dockerd")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find dockerd: %w", err)
	}
	if err := prepareCgroups(); err != nil {
		return nil, err
	}
	args := []string{
		"--host=unix://" + dockerSocket,
		// Hosts that cannot grant SYS_RESOURCE refuse to raise this limit.
		"--default-ulimit", "nofile=" + strconv.FormatUint(fileLimit(), 10),
	}
	if _, err := os.Stat("/etc/docker/daemon.json"); err != nil {
		args = append(args, "--storage-driver="+storageDriver())
	}
	if mtu > 0 {
		args = append(args, "--mtu", strconv.Itoa(mtu))
	}
	wrapper := filepath.Dir(self)
	if _, err := os.Stat(filepath.Join(wrapper, "runc")); err == nil {
		path := (&session{env: env}).get("PATH")
		env = setVariable(env, "PATH", wrapper+":"+path)
	}
	d := &daemon{log: filepath.Join(tmp, "dockerd.log")}
	f, err := os.Create(d.log)
	if err != nil {
		return nil, fmt.Errorf("make the daemon's log: %w", err)
	}
	defer f.Close()
	d.cmd = exec.Command(path, args...)
	d.cmd.Env = env
	d.cmd.Stdout, d.cmd.Stderr = f, f
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start dockerd: %w", err)
	}
	return d, nil
}

// wait returns when the daemon answers; when it ends before, with its last words.
func (d *daemon) wait(ctx context.Context, k clock.Clock) error {
	ended := make(chan error, 1)
	go func() { ended <- d.cmd.Wait() }()
	deadline := k.After(dockerWait)
	for {
		c, err := net.Dial("unix", dockerSocket)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return errStopped
		case err := <-ended:
			return fmt.Errorf("the build's Docker daemon ended (%v): %s", err, d.lastWords())
		case <-deadline:
			return fmt.Errorf("the build's Docker daemon did not answer within %s: %s", dockerWait, d.lastWords())
		case <-k.After(dockerPause):
		}
	}
}

// forget removes what the build before left in a kept folder beside its images.
func (d *daemon) forget(ctx context.Context, env []string) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", "docker ps -aq | xargs -r docker rm -fv && docker network prune -f && docker volume ls -q | xargs -r docker volume rm -f")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("remove the containers of earlier builds: %w: %s", err, out)
	}
	return nil
}

// lastWords are the last lines of the daemon's log.
func (d *daemon) lastWords() string {
	b, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// storageDriver is overlay2 where its folder lies on a real file system, as the
// server mounts one; an overlay on an overlay does not work.
func storageDriver() string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "vfs"
	}
	for _, line := range strings.Split(string(mounts), "\n") {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "/var/lib/docker" && f[2] != "overlay" {
			return "overlay2"
		}
	}
	return "vfs"
}

// prepareCgroups lets a daemon make groups below this container's: under cgroup v2
// no process may sit in a group that hands controllers down, so all move into one
// of their own. A version 1 hierarchy that the Engine mounted read-only is remounted.
func prepareCgroups() error {
	const root = "/sys/fs/cgroup"
	if controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers")); err == nil {
		return nestControllers(root, strings.Fields(string(controllers)))
	}
	dirs, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the control groups: %w", err)
	}
	for _, d := range dirs {
		if d.IsDir() {
			// Where this is refused the daemon runs without that controller.
			_ = remountWritable(filepath.Join(root, d.Name()))
		}
	}
	return nil
}

func nestControllers(root string, controllers []string) error {
	// Where this is refused, the next step says what is wrong.
	_ = remountWritable(root)
	own := filepath.Join(root, "penstock")
	if err := os.MkdirAll(own, 0o755); err != nil {
		return fmt.Errorf("make a control group for the build: %w", err)
	}
	procs, err := os.ReadFile(filepath.Join(root, "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("read the build's processes: %w", err)
	}
	for _, pid := range strings.Fields(string(procs)) {
		// One that has ended meanwhile cannot be moved, and need not.
		_ = os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte(pid), 0o644)
	}
	for _, c := range controllers {
		// A controller that this host does not hand down is one less limit inside.
		_ = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+c), 0o644)
	}
	return nil
}
