package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/demo"
)

// installation is a penstock serve of the test's own, which can be killed and
// started again on the same data.
type installation struct {
	t              *testing.T
	binary         string
	data, id       string
	listen, site   string
	process        *exec.Cmd
	aws            *demo.Clients
	env            demo.Env
	startedOnceYet bool
}

// serve starts one and removes it at the test's end.
func serve(t *testing.T) *installation {
	t.Helper()
	in := &installation{t: t, binary: binary(t), data: filepath.Join(t.TempDir(), "data"), listen: freePort(t), site: freePort(t)}
	in.start()
	t.Cleanup(func() {
		if out, err := exec.Command(in.binary, "uninstall", "--data", in.data).CombinedOutput(); err != nil {
			t.Errorf("uninstall: %v\n%s", err, out)
			in.kill()
			return
		}
		in.wait()
		if left := leftovers(t, in.id); left != "" {
			t.Errorf("the installation left:\n%s", left)
		}
	})
	return in
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the server and returns once it answers.
func (in *installation) start() {
	in.t.Helper()
	ready, told, err := os.Pipe()
	if err != nil {
		in.t.Fatal(err)
	}
	defer ready.Close()
	log, err := os.OpenFile(in.data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		in.t.Fatal(err)
	}
	defer log.Close()
	in.process = exec.Command(in.binary, "serve", "--data", in.data, "--listen", in.listen, "--site", in.site, "--ready-fd", "3")
	in.process.Stdout, in.process.Stderr, in.process.ExtraFiles = log, log, []*os.File{told}
	in.process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = in.process.Start()
	told.Close()
	if err != nil {
		in.t.Fatal(err)
	}
	if err := ready.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		in.t.Fatal(err)
	}
	if _, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		raw, _ := os.ReadFile(log.Name())
		in.t.Fatalf("the server did not come up: %v\n%s", err, tail(raw, 20))
	}
	if in.startedOnceYet {
		return
	}
	in.startedOnceYet = true
	in.connect()
}

func (in *installation) connect() {
	in.t.Helper()
	id, err := os.ReadFile(filepath.Join(in.data, "installation"))
	if err != nil {
		in.t.Fatal(err)
	}
	in.id = strings.TrimSpace(string(id))
	out, err := exec.Command(in.binary, "env", "--data", in.data, "--output", "json").Output()
	if err != nil {
		in.t.Fatalf("penstock env: %v", err)
	}
	var e struct {
		Endpoint, Account, Region string
		AccessKeyID               string `json:"access_key_id"`
		SecretAccessKey           string `json:"secret_access_key"`
	}
	if err := json.Unmarshal(out, &e); err != nil {
		in.t.Fatal(err)
	}
	in.env = demo.Env{Endpoint: e.Endpoint, Account: e.Account, Region: e.Region, AccessKeyID: e.AccessKeyID, SecretAccessKey: e.SecretAccessKey}
	if in.aws, err = demo.Connect(in.t.Context(), in.env); err != nil {
		in.t.Fatal(err)
	}
}

// kill is SIGKILL.
func (in *installation) kill() {
	in.t.Helper()
	if err := in.process.Process.Kill(); err != nil {
		in.t.Fatal(err)
	}
	in.wait()
}

func (in *installation) wait() {
	// Its exit code says that it was killed, which is what was asked for.
	_ = in.process.Wait()
}

// until asks again and again, as a person at a terminal would, until ok or the deadline.
func until(ctx context.Context, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := ok()
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not come about: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}
