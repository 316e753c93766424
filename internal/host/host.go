// Package host makes a machine able to run Penstock, and tells what it lacks:
// `penstock setup` and `penstock doctor`. It knows Debian's packages and the Docker
// Engine; it never changes what is there already and works.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/docker"
)

// Setup makes the machine ready. Every step looks first, so that a second run
// changes nothing and takes moments.
type Setup struct {
	Engine string // address of the Docker Engine; "" = DOCKER_HOST or the default socket
	// Folder is where the log and the process id of an Engine that Setup starts lie.
	Folder string
	Clock  clock.Clock
	Out    io.Writer // one line per step, with its duration
}

// need is a program and the Debian package that brings it.
type need struct{ program, pack string }

var needs = []need{
	{"git", "git"}, {"ip", "iproute2"}, {"nft", "nftables"}, {"iptables", "iptables"},
	{"mmdebstrap", "mmdebstrap"}, {"update-ca-certificates", "ca-certificates"},
}

// Run does all steps.
func (s Setup) Run(ctx context.Context) error {
	e, err := docker.Connect(s.Engine)
	if err != nil {
		return err
	}
	defer e.Close()
	facts, engineErr := e.Facts(ctx)
	missing := lacking(needs, exec.LookPath)
	if engineErr != nil {
		missing = append(missing, lacking([]need{{"dockerd", "docker.io"}}, exec.LookPath)...)
	}
	if err := s.install(ctx, missing); err != nil {
		return err
	}
	if engineErr == nil {
		return s.tell(fmt.Sprintf("Docker Engine %s answers", facts.Version), time.Time{})
	}
	return s.startEngine(ctx, e)
}

// lacking gives the packages of programs that are not found.
func lacking(needs []need, look func(string) (string, error)) []string {
	var packs []string
	for _, n := range needs {
		if _, err := look(n.program); err != nil && !slices.Contains(packs, n.pack) {
			packs = append(packs, n.pack)
		}
	}
	return packs
}

// install brings packages by the machine's own apt.
func (s Setup) install(ctx context.Context, packs []string) error {
	if len(packs) == 0 {
		return s.tell("packages are installed", time.Time{})
	}
	if os.Getuid() != 0 {
		return fmt.Errorf("host: packages %s are missing: run penstock setup as root, or install them", strings.Join(packs, ", "))
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("host: packages %s are missing and this machine has no apt-get: install them by hand", strings.Join(packs, ", "))
	}
	start := s.Clock.Now()
	if err := apt(ctx, "update"); err != nil {
		return err
	}
	if err := apt(ctx, append([]string{"install", "--yes", "--no-install-recommends"}, packs...)...); err != nil {
		return err
	}
	return s.tell("installed "+strings.Join(packs, ", "), start)
}

func apt(ctx context.Context, args ...string) error {
	c := exec.CommandContext(ctx, "apt-get", append([]string{"-qq"}, args...)...)
	// In runlevel 1 a package starts no service: the Engine is started by Setup, with
	// a log of its own.
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("host: apt-get %s: %w; its last words:\n%s", strings.Join(args, " "), err, tail(out))
	}
	return nil
}

func tail(b []byte) []byte {
	if len(b) > 2000 {
		b = b[len(b)-2000:]
	}
	return b
}

// engineDeadline is how long a started Engine has to answer; a first start on a
// slow disk takes some seconds.
const engineDeadline = time.Minute

// startEngine starts an Engine as this machine does: as a service where there is a
// running systemd, else on its own, in a session of its own.
func (s Setup) startEngine(ctx context.Context, e *docker.Engine) error {
	start := s.Clock.Now()
	if os.Getuid() != 0 {
		return errors.New("host: no Docker Engine answers: start it, or run penstock setup as root")
	}
	var died <-chan error
	if facts, err := e.Facts(ctx); err == nil { // its package started it after all
		return s.tell(fmt.Sprintf("Docker Engine %s answers", facts.Version), start)
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		if out, err := exec.CommandContext(ctx, "systemctl", "start", "docker").CombinedOutput(); err != nil {
			return fmt.Errorf("host: systemctl start docker: %w: %s", err, tail(out))
		}
	} else if died, err = s.launch(ctx); err != nil {
		return err
	}
	limit := s.Clock.After(engineDeadline)
	for {
		if facts, err := e.Facts(ctx); err == nil {
			return s.tell(fmt.Sprintf("started Docker Engine %s", facts.Version), start)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-died:
			return fmt.Errorf("host: dockerd ended at once (%v): see %s", err, s.log())
		case <-limit:
			return fmt.Errorf("host: dockerd does not answer after %v: see %s", engineDeadline, s.log())
		case <-s.Clock.After(100 * time.Millisecond): // a socket tells nobody that it listens
		}
	}
}

func (s Setup) log() string { return filepath.Join(s.Folder, "dockerd.log") }

// launch starts dockerd so that it outlives this program.
func (s Setup) launch(ctx context.Context) (<-chan error, error) {
	if err := os.MkdirAll(s.Folder, 0o755); err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	defer log.Close()
	if err := removeStalePID("/var/run/docker.pid"); err != nil {
		return nil, err
	}
	c := exec.Command("dockerd")
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("host: starting dockerd: %w", err)
	}
	died := make(chan error, 1)
	go func() { died <- c.Wait() }()
	pid := filepath.Join(s.Folder, "dockerd.pid")
	if err := os.WriteFile(pid, fmt.Appendln(nil, c.Process.Pid), 0o644); err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return died, ctx.Err()
}

// removeStalePID removes the file of an Engine that a reboot ended: dockerd refuses
// to start while some other process has the number by now.
func removeStalePID(path string) error {
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	name, err := os.ReadFile("/proc/" + strings.TrimSpace(string(body)) + "/comm")
	if err == nil && strings.TrimSpace(string(name)) == "dockerd" {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("host: removing the process number of an Engine that is gone: %w", err)
	}
	return nil
}

// tell writes one line of progress; a step that only looked has no start.
func (s Setup) tell(what string, start time.Time) error {
	if start.IsZero() {
		_, err := fmt.Fprintln(s.Out, what)
		return err
	}
	_, err := fmt.Fprintf(s.Out, "%s (%.1f s)\n", what, s.Clock.Now().Sub(start).Seconds())
	return err
}
