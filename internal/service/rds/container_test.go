package rds

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/authority"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/docker"
	"github.com/penstock-ci/penstock/internal/ids"
)

// alone attaches nothing: the test talks to the server inside its own container.
type alone struct{}

func (alone) AttachPod(context.Context, string, string, string, string) (netip.Addr, error) {
	return netip.MustParseAddr("10.0.9.9"), nil
}
func (alone) DetachPod(context.Context, string, string) error { return nil }

func realPods(t *testing.T) (*docker.Backend, string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	if out, err := exec.Command("docker", "image", "inspect", image).CombinedOutput(); err != nil {
		t.Skipf("needs a Docker Engine with the image %s: %s", image, out)
	}
	dir, id := t.TempDir(), "rdst"+ids.Lower(5, "")
	runtime := "/run/penstock-test-" + id
	b, err := docker.New(docker.Config{Installation: id, Data: dir, Runtime: runtime, Attacher: alone{}, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		pods, err := b.List(context.Background())
		for _, p := range pods {
			err = errors.Join(err, b.Remove(context.Background(), p.Pod))
		}
		cancel()
		<-done
		if err := errors.Join(err, os.RemoveAll(runtime)); err != nil {
			t.Error(err)
		}
	})
	return b, dir
}

func TestARealDatabaseKeepsItsData(t *testing.T) {
	pods, dir := realPods(t)
	w := newWorld(t, pods, dir)
	ca, err := authority.Open(t.TempDir(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	w.Certificate = func(name string) (*tls.Certificate, error) { return ca.Leaf(name) }
	w.subnetGroup()
	in := order("db")
	in.Port = new(int32(5499))
	call(w, api.CreateDBInstance, in)
	i := w.await("db", is(available))
	sql := func(i Instance, password, text string) string {
		t.Helper()
		url := "postgresql://app:" + password + "@127.0.0.1:5499/shop?sslmode=require"
		code, out, err := pods.Exec(t.Context(), i.pod(), containerName, []string{"psql", "-X", "-t", "-A", "-d", url, "-c", text})
		if err != nil || code != 0 {
			t.Fatalf("psql: code %d, %v: %s", code, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	sql(i, "correct-horse", "CREATE TABLE kept AS SELECT 42 AS n")
	kill := func(i Instance) {
		t.Helper()
		if out, err := exec.Command("docker", "kill", containerOf(t, pods, i)).CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
	}
	kill(i)
	i = w.await("db", func(i Instance) bool { return i.Status == available && i.Attempt == 2 })
	if got := sql(i, "correct-horse", "SELECT n FROM kept"); got != "42" {
		t.Errorf("after the kill: %q", got)
	}

	call(w, api.ModifyDBInstance, &api.ModifyDBInstanceInput{DBInstanceIdentifier: new("db"), MasterUserPassword: new("battery-staple")})
	i = w.await("db", is(available))
	if got := sql(i, "battery-staple", "SELECT current_user"); got != "app" {
		t.Errorf("as %q", got)
	}
	call(w, api.RebootDBInstance, &api.RebootDBInstanceInput{DBInstanceIdentifier: new("db")})
	i = w.await("db", func(i Instance) bool { return i.Status == available && i.Attempt == 3 })
	if got := sql(i, "battery-staple", "SELECT n FROM kept"); got != "42" {
		t.Errorf("after the reboot: %q", got)
	}
	call(w, api.DeleteDBInstance, &api.DeleteDBInstanceInput{DBInstanceIdentifier: new("db"), SkipFinalSnapshot: new(true)})
	w.await("db", func(i Instance) bool { return i.ID == "" })
	if left, err := os.ReadDir(filepath.Join(dir, "rds")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

func containerOf(t *testing.T, pods *docker.Backend, i Instance) string {
	t.Helper()
	all, err := pods.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Pod == i.pod() {
			return p.Containers[0].ID
		}
	}
	t.Fatalf("no pod %s in %+v", i.pod(), all)
	return ""
}
