package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/daemon"
	"github.com/penstock-ci/penstock/internal/demo"
)

// installation is a penstock serve of the test's own, which can be killed and
// started again on the same data.
type installation struct {
	t         *testing.T
	server    daemon.Server
	data, id  string
	env       demo.Env
	aws       *demo.Clients
	connected bool
}

// serve starts one and removes it at the test's end.
func serve(t *testing.T) *installation {
	t.Helper()
	return serveOn(t, filepath.Join(t.TempDir(), "data"))
}

// serveOn is serve with a data folder that the test has chosen.
func serveOn(t *testing.T, data string) *installation {
	t.Helper()
	in := &installation{t: t, data: data, server: daemon.Server{Binary: binary(t), Data: data, Log: filepath.Join(t.TempDir(), "serve.log"), Listen: freePort(t), Site: freePort(t)}}
	in.start()
	t.Cleanup(func() {
		if t.Failed() {
			in.complaints()
		}
		if err := in.server.Remove(context.Background()); err != nil {
			t.Errorf("remove the installation: %v", err)
			return
		}
		if left := leftovers(t, in.id) + pulled(t, in.server.Listen); left != "" {
			t.Errorf("the installation left:\n%s", left)
		}
	})
	return in
}

// complaints shows what the server's log has beyond the usual.
func (in *installation) complaints() {
	raw, err := os.ReadFile(in.server.Log)
	if err != nil {
		in.t.Error(err)
		return
	}
	lines := slices.DeleteFunc(strings.Split(string(raw), "\n"), func(l string) bool { return strings.Contains(l, "level=INFO") })
	in.t.Logf("the server's complaints:\n%s", tail([]byte(strings.Join(lines, "\n")), 60))
}

// pulled are the Engine's images that came from a server at address.
func pulled(t *testing.T, address string) string {
	t.Helper()
	b, err := exec.Command("docker", "images", "--filter", "reference="+address+"/*/*").Output()
	if err != nil {
		t.Fatalf("docker images: %v", err)
	}
	_, images, _ := strings.Cut(string(b), "\n") // after the heading
	return images
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
	if err := in.server.Start(); err != nil {
		raw, readErr := os.ReadFile(in.server.Log)
		in.t.Fatalf("%v\n%s (%v)", err, tail(raw, 20), readErr)
	}
	if !in.connected {
		in.connected = true
		in.connect()
	}
}

func (in *installation) connect() {
	in.t.Helper()
	id, err := os.ReadFile(filepath.Join(in.data, "installation"))
	if err != nil {
		in.t.Fatal(err)
	}
	in.id = strings.TrimSpace(string(id))
	operator, err := in.server.Operator()
	if err != nil {
		in.t.Fatal(err)
	}
	e, err := operator.Env(in.t.Context(), "", "us-east-1")
	if err != nil {
		in.t.Fatalf("the root's keys: %v", err)
	}
	in.env = demo.Env{Endpoint: e.Endpoint, Account: e.Account, Region: e.Region, AccessKeyID: e.AccessKeyID, SecretAccessKey: e.SecretAccessKey}
	if in.aws, err = demo.Connect(in.t.Context(), in.env); err != nil {
		in.t.Fatal(err)
	}
}

// kill is SIGKILL.
func (in *installation) kill() {
	in.t.Helper()
	if err := in.server.Kill(); err != nil {
		in.t.Fatal(err)
	}
}

// patience is far above what anything here takes on two cores.
const patience = 2 * time.Minute

// until asks again and again, as a person at a terminal would, until ok or the deadline.
func until(ctx context.Context, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
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
