package runner

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// Words by which the binary is called for another purpose than running a build.
const (
	saveStateWord     = "save-state"
	gitCredentialWord = "git-credential"
)

// Main is the program; it returns the exit code.
func Main(args []string) int {
	var err error
	switch {
	case filepath.Base(args[0]) == "runc":
		err = wrapRuntime(args)
	case filepath.Base(args[0]) == hashFilesName:
		err = hashFiles(args[1:], os.Stdout)
	case filepath.Base(args[0]) == breakpointName:
		_, err = fmt.Println("codebuild-breakpoint: debug sessions are not supported, the build goes on")
	case len(args) > 2 && args[1] == saveStateWord:
		err = saveState(args[2])
	case len(args) > 2 && args[1] == gitCredentialWord:
		err = gitCredential(args[2], os.Stdin, os.Stdout)
	case len(args) > 2 && args[1] == forgetWord:
		err = layerBeside(args[2]).forget()
	case os.Getpid() == 1:
		var code int
		if code, err = superviseSelf(args); err == nil {
			return code
		}
	default:
		err = runBuild()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "penstock-runner: %v\n", err)
		return 1
	}
	return 0
}

// runBuild does the build that the environment names.
func runBuild() error {
	control, token := os.Getenv(protocol.ControlVariable), os.Getenv(protocol.TokenVariable)
	if control == "" {
		return fmt.Errorf("%s is not set: this program is started by Penstock in a build container", protocol.ControlVariable)
	}
	os.Unsetenv(protocol.ControlVariable)
	os.Unsetenv(protocol.TokenVariable)
	// The first signal ends the running command; the container's end is the last word.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	c := &client{base: control, token: token, clock: clock.System{}, http: newHTTP()}
	return newBuild(c, clock.System{}).run(ctx)
}

// superviseSelf is PID 1: it starts the program again as its child and reaps what
// is orphaned, for a build leaves daemons behind. Signals go to the child.
func superviseSelf(args []string) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("find the program's own file: %w", err)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	child, err := syscall.ForkExec(self, args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 0, fmt.Errorf("start the build's process: %w", err)
	}
	go func() {
		for s := range signals {
			_ = syscall.Kill(child, s.(syscall.Signal)) // it is gone already, or it gets it
		}
	}()
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, fmt.Errorf("wait for the build's process: %w", err)
		case pid == child && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case pid == child:
			return ws.ExitStatus(), nil
		}
	}
}
