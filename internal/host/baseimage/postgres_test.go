package baseimage

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/docker"
	"github.com/penstock-ci/penstock/internal/ids"
)

// TestPostgresKeepsItsData runs the database image twice on one folder: it makes
// the user's database once, and finds it again.
func TestPostgresKeepsItsData(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	b, err := docker.New(docker.Config{Installation: "t" + ids.Hex(8, ""), Data: t.TempDir(), Runtime: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := b.Engine().HasImage(ctx, Postgres); err != nil || id == "" || os.Getuid() != 0 {
		t.Skipf("image %s and root are needed (%v)", Postgres, err)
	}
	done := make(chan struct{})
	running, stop := context.WithCancel(context.Background())
	go func() { defer close(done); _ = b.Run(running) }()
	defer func() { stop(); <-done }()
	data := filepath.Join(t.TempDir(), "db")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ pod, sql, want string }{
		{"first", "CREATE TABLE t AS SELECT 42 AS answer; SELECT current_user, answer FROM t", "master|42"},
		{"second", "SELECT current_setting('max_connections'), answer FROM t", "17|42"},
	} {
		start := time.Now()
		_, err := b.Ensure(ctx, compute.Pod{Name: step.pod, Containers: []compute.Container{{
			Name: "db", Image: Postgres, Args: []string{"-c", "max_connections=17"}, StopSignal: "SIGINT",
			Env:    []string{"POSTGRES_USER=master", "POSTGRES_PASSWORD=it's secret", "POSTGRES_DB=app"},
			Mounts: []compute.Mount{{HostPath: data, Path: "/var/lib/postgresql/data"}},
			Health: &compute.Health{Command: []string{"CMD", "pg_isready", "-q", "-h", "127.0.0.1"}, Interval: time.Second, Retries: 60},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		healthy(ctx, t, b, step.pod)
		t.Logf("%s: ready after %v", step.pod, time.Since(start).Round(100*time.Millisecond))
		for _, q := range [][]string{{"env", "PGPASSWORD=it's secret", "psql", "-h", "127.0.0.1", "-U", "master", "-d", "app", "-qAtc", step.sql}} {
			if code, out, err := b.Exec(ctx, step.pod, "db", q); err != nil || code != 0 || strings.TrimSpace(string(out)) != step.want {
				t.Errorf("%s: %d %q %v, want %q", step.pod, code, out, err, step.want)
			}
		}
		wrong := []string{"env", "PGPASSWORD=wrong", "psql", "-h", "127.0.0.1", "-U", "master", "-d", "app", "-c", "SELECT 1"}
		if code, out, err := b.Exec(ctx, step.pod, "db", wrong); err != nil || code == 0 {
			t.Errorf("%s: a wrong password was taken: %q %v", step.pod, out, err)
		}
		if err := b.Remove(ctx, step.pod); err != nil {
			t.Fatal(err)
		}
	}
}

func healthy(ctx context.Context, t *testing.T, b *docker.Backend, pod string) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ok := false
	err := b.Watch(ctx, func(s compute.Status) {
		if s.Pod != pod {
			return
		}
		if ok = s.Containers[0].Health == "HEALTHY"; ok || s.Phase != compute.Running {
			cancel()
		}
	})
	if !ok {
		t.Fatalf("pod %s did not become healthy: %v", pod, err)
	}
}
