// Package postgrestest starts a PostgreSQL cluster of its own for a test binary.
// Only tests import it. Nothing of it is durable, and nothing listens on a port.
package postgrestest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// ErrMissing: this machine has no PostgreSQL server.
var ErrMissing = errors.New("no PostgreSQL under /usr/lib/postgresql")

// Cluster is a running server.
type Cluster struct {
	dir       string
	server    *exec.Cmd
	databases atomic.Int64
}

// Need is a cluster for one test; the test is skipped where PostgreSQL is not installed.
func Need(t testing.TB) *Cluster {
	t.Helper()
	c, err := Start(t.Context())
	if errors.Is(err, ErrMissing) {
		t.Skipf("SKIPPED LOUDLY: %v; make test installs it", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Start makes and starts a cluster, as user postgres when we are root.
func Start(ctx context.Context) (*Cluster, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return nil, ErrMissing
	}
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("", "postgrestest-") // short: a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir}
	as, err := owner(dir)
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "-D", data)
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), c.Stop())
	}
	c.server = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-h", "", "-F", "-c", "max_connections=400")
	c.server.SysProcAttr, c.server.Dir = as, dir
	log, err := c.server.StderrPipe()
	if err == nil {
		err = c.server.Start()
	}
	if err != nil {
		c.server = nil
		return nil, errors.Join(fmt.Errorf("start postgres: %w", err), c.Stop())
	}
	lines := bufio.NewScanner(log)
	said := ""
	for lines.Scan() {
		said += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "ready to accept connections") {
			go func() {
				for lines.Scan() { // ends with the server; its log is not for us
				}
			}()
			return c, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("postgres did not start: %s", said), c.Stop())
}

// owner gives dir to user postgres when we are root, as the server refuses to be root.
func owner(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, uid, gid)
}

// DSN of a database of the cluster.
func (c *Cluster) DSN(database string) string {
	return "postgres:///" + database + "?host=" + c.dir + "&user=postgres"
}

// New makes an empty database and gives its DSN.
func (c *Cluster) New(t testing.TB) string {
	t.Helper()
	db, err := sql.Open("pgx", c.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := fmt.Sprintf("test%d", c.databases.Add(1))
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return c.DSN(name)
}

// Stop ends the server at once and removes its files.
func (c *Cluster) Stop() error {
	if c.server != nil {
		if err := c.server.Process.Signal(syscall.SIGQUIT); err != nil {
			return fmt.Errorf("stop postgres: %w", err)
		}
		c.server.Wait() // SIGQUIT makes its exit status an error
	}
	return os.RemoveAll(c.dir)
}
