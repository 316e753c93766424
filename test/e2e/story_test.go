package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/store/storetest/postgrestest"
)

// storyTime is far above what the story takes on two cores (a few minutes).
const storyTime = 25 * time.Minute

// binary is what `make build` made: the one with the build runner inside.
func binary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end tests are not short")
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED LOUDLY: end-to-end tests make network namespaces and need root: run `sudo make test`")
	}
	path, err := filepath.Abs("../../bin/penstock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is missing: run `make build` first (make test does)", path)
	}
	return path
}

// TestStory is `make demo`: the stack, three commits, the kill in the middle, the
// rollback, all under load; the command itself exits with 0 only if all was observed.
// Then nothing of it may be left on the machine.
func TestStory(t *testing.T) { story(t) }

// TestStoryOnPostgreSQL is the same with PostgreSQL in place of the data folder's SQLite.
func TestStoryOnPostgreSQL(t *testing.T) {
	binary(t)
	t.Setenv("PENSTOCK_DATABASE", postgrestest.Need(t).New(t))
	story(t)
}

func story(t *testing.T) {
	penstock := binary(t)
	data := filepath.Join(t.TempDir(), "data")
	ctx, cancel := context.WithTimeout(t.Context(), storyTime)
	defer cancel()
	t.Cleanup(func() {
		id, err := os.ReadFile(data + "-demo/installation")
		if err != nil {
			t.Fatal(err)
		}
		if err := run(t, context.Background(), penstock, "demo", "--down", "--data", data); err != nil {
			t.Errorf("demo --down: %v", err)
		}
		if got := leftovers(t, strings.TrimSpace(string(id))); got != "" {
			t.Errorf("the demo left on the machine:\n%s", got)
		}
	})
	if err := run(t, ctx, penstock, "demo", "--data", data); err != nil {
		log, readErr := os.ReadFile(data + "-demo/serve.log")
		t.Fatalf("the story was not as it must be: %v\nend of the server's log (%v):\n%s", err, readErr, tail(log, 60))
	}
}

// run shows a command's output as it comes.
func run(t *testing.T, ctx context.Context, name string, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(ctx, name, args...)
	// The demo's server outlives the command and must not keep the pipe open.
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	cmd.WaitDelay = 10 * time.Second
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			t.Log(lines.Text())
		}
	}()
	err := cmd.Run()
	w.Close()
	<-done
	return err
}

// leftovers are what carries the installation's id outside its data folder.
func leftovers(t *testing.T, id string) string {
	t.Helper()
	var out bytes.Buffer
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if strings.Contains(l.Name, id) {
			fmt.Fprintln(&out, "link", l.Name)
		}
	}
	for _, c := range [][]string{
		{"docker", "ps", "--all", "--format", "container {{.Names}} {{.Labels}}"},
		{"nft", "list", "tables"},
	} {
		b, err := exec.Command(c[0], c[1:]...).Output()
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, id) {
				out.WriteString(line)
			}
		}
	}
	if _, err := os.Stat(filepath.Join("/run/penstock", id)); err == nil {
		fmt.Fprintln(&out, "folder /run/penstock/"+id)
	}
	return out.String()
}

func tail(b []byte, lines int) string {
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
