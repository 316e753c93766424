package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/penstock-ci/penstock/internal/dataplane/client"
)

const (
	planeUpgrades = 30
	planeKills    = 10
)

// TestDataPlane replaces and kills the process that answers for a site, under load. A
// replacement fails no request; a kill fails those in flight only, and no connection
// is refused.
func TestDataPlane(t *testing.T) {
	in := serve(t)
	s := in.site(t)
	plane := client.New(client.Options{
		Run: "/run/penstock/" + in.id, Command: []string{in.server.Binary, "dataplane", "--data", in.data}, LogFile: in.data + ".dataplane.log",
	})
	t.Run("thirty upgrades", func(t *testing.T) {
		v, stop := s.visited(t)
		for range planeUpgrades {
			if err := plane.Upgrade(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := v.answered(t.Context(), visitorsAtOnce, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		t.Log(v)
		if failed := v.failed(func(visit) bool { return false }); len(failed) > 0 {
			t.Errorf("%d requests failed:\n%s", len(failed), strings.Join(failed, "\n"))
		}
	})
	t.Run("kills", func(t *testing.T) {
		v, stop := s.visited(t)
		var kills []kill
		for range planeKills {
			kills = append(kills, killPlane(t, plane))
			if err := v.answered(t.Context(), 1+rand.IntN(200), kills[len(kills)-1].gone); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		t.Log(v)
		failed := v.failed(func(one visit) bool {
			for _, k := range kills {
				if one.begun.Before(k.gone) && one.ended.After(k.called) {
					return !errors.Is(one.err, syscall.ECONNREFUSED)
				}
			}
			return false
		})
		if len(failed) > 0 {
			t.Errorf("%d requests failed that were not in flight at a kill, or were refused:\n%s", len(failed), strings.Join(failed, "\n"))
		}
	})
}

// visited lets visitors come until stop, or the test's end.
func (s *site) visited(t *testing.T) (v *visitors, stop func()) {
	t.Helper()
	v = s.visitors()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); v.run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	if err := v.answered(t.Context(), visitorsAtOnce, time.Time{}); err != nil {
		t.Fatal(err)
	}
	return v, stop
}

// kill is the time in which a process came to its end.
type kill struct{ called, gone time.Time }

// killPlane is SIGKILL to the process that answers now; it returns when that one is gone.
func killPlane(t *testing.T, plane *client.Client) (k kill) {
	t.Helper()
	status, err := plane.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(status.PID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	k.called = time.Now()
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
	k.gone = time.Now()
	return k
}
