package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// session is what survives from one command to the next: the working directory
// and the environment. Functions, options and traps do not, as on CodeBuild.
type session struct {
	self   string // this program, which saves the state at a command's end
	tmp    string // /codebuild/output/tmp
	shell  string
	dir    string // of the next command
	home   string // CODEBUILD_SRC_DIR, where dir is gone
	env    []string
	output *os.File
	runAs  string
	clock  clock.Clock
	// isolated is buildspec version 0.1: nothing survives.
	isolated bool
}

// set puts a variable into the environment of the commands to come.
func (s *session) set(name, value string) { s.env = setVariable(s.env, name, value) }

func setVariable(env []string, name, value string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(e string) bool { return strings.HasPrefix(e, name+"=") })
	return append(env, name+"="+value)
}

// get is a variable as the last command left it.
func (s *session) get(name string) string {
	for _, e := range s.env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

// errStopped is the end of a command by the build's stop.
var errStopped = errors.New("stopped")

// script frames a command: its text begins at line 4, which is where users' error
// messages point to, and its state is saved after it. An exit in the text skips that.
// The saving's own trace (set -x) is kept out of the log.
const script = `# Penstock: the next lines run with the directory and the
# environment that the last command left.
set -a
%s
{ CODEBUILD_LAST_EXIT=$?; '%s' ` + saveStateWord + ` '%s'; exit $CODEBUILD_LAST_EXIT; } 2>/dev/null
`

// run executes one command. A command that fails is an *exec.ExitError.
func (s *session) run(ctx context.Context, command, runAs string) error {
	file, state := filepath.Join(s.tmp, "script.sh"), filepath.Join(s.tmp, "state")
	if err := os.WriteFile(file, fmt.Appendf(nil, script, command, s.self, state), 0o755); err != nil {
		return fmt.Errorf("write the command's script: %w", err)
	}
	if err := os.Remove(state); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the last command's state: %w", err)
	}
	cmd := exec.Command(s.shell, file)
	cmd.Path, cmd.Err = s.findShell()
	if cmd.Err != nil {
		return cmd.Err
	}
	cmd.Env, cmd.Dir = s.env, s.dir
	if fi, err := os.Stat(cmd.Dir); err != nil || !fi.IsDir() {
		cmd.Dir = s.home
	}
	cmd.Stdout, cmd.Stderr = s.output, s.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.become(cmd, runAs); err != nil {
		return err
	}
	err := s.wait(ctx, cmd)
	if !s.isolated {
		s.restore(state, runAs)
	}
	return err
}

// commandGrace is what a stopped command gets between SIGTERM and SIGKILL; the
// container itself has a few seconds more, in which the log is delivered.
const commandGrace = 4 * time.Second

// wait runs cmd to its end. When ctx ends, its whole group is ended.
func (s *session) wait(ctx context.Context, cmd *exec.Cmd) error {
	if ctx.Err() != nil {
		return errStopped
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // the group may be gone already
	select {
	case <-ended:
	case <-s.clock.After(commandGrace):
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // as above
		<-ended
	}
	return errStopped
}

// findShell looks along the build's own PATH: the image decides what sh is.
func (s *session) findShell() (string, error) {
	name := s.shell
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range append(filepath.SplitList(s.get("PATH")), "/bin", "/usr/bin") {
		p := filepath.Join(dir, name)
		if fi, err := os.Stat(p); err == nil && !fi.IsDir() && fi.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("the build image has no %s: a build needs it", name)
}

// become gives cmd the user runAs.
func (s *session) become(cmd *exec.Cmd, runAs string) error {
	if runAs == "" || runAs == "root" {
		return nil
	}
	u, err := user.Lookup(runAs)
	if err != nil {
		return fmt.Errorf("run-as %s: the build image has no such user", runAs)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32) // the system's own numbers
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	cred := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	groups, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("run-as %s: groups: %w", runAs, err)
	}
	for _, g := range groups {
		n, _ := strconv.ParseUint(g, 10, 32)
		cred.Groups = append(cred.Groups, uint32(n))
	}
	cmd.SysProcAttr.Credential = cred
	cmd.Env = setVariable(setVariable(cmd.Env, "HOME", u.HomeDir), "USER", u.Username)
	return nil
}

// ownVariables are the shell's own: they are not carried.
var ownVariables = []string{"_", "SHLVL", "PWD"}

// restore takes over what the command left. Without a saved state (exit, exec, a
// killed shell) everything stays as it was.
func (s *session) restore(state, runAs string) {
	b, err := os.ReadFile(state)
	if err != nil || len(b) == 0 {
		return
	}
	parts := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
	home, userName := s.get("HOME"), s.get("USER")
	s.dir = parts[0]
	s.env = slices.DeleteFunc(parts[1:], func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(ownVariables, name) || strings.HasPrefix(name, "BASH_FUNC_")
	})
	if runAs != "" && runAs != "root" {
		s.set("HOME", home)
		s.set("USER", userName)
	}
}

// saveState writes the directory and the environment of the shell that calls it.
func saveState(file string) error {
	dir := os.Getenv("PWD")
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		if dir, err = os.Getwd(); err != nil {
			return fmt.Errorf("find the working directory: %w", err)
		}
	}
	var b bytes.Buffer
	for _, v := range append([]string{dir}, os.Environ()...) {
		b.WriteString(v)
		b.WriteByte(0)
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// exitStatus is how CodeBuild words the end of a command, "" for success.
func exitStatus(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return "signal: " + ws.Signal().String()
		}
		return "exit status " + strconv.Itoa(exit.ExitCode())
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// contextOf words a failed command as BatchGetBuilds shows it.
func contextOf(command string, err error) protocol.Context {
	return protocol.Context{
		Code:    protocol.CommandExecutionError,
		Message: "Error while executing command: " + command + ". Reason: " + exitStatus(err),
	}
}
