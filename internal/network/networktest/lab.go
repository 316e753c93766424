// Package networktest gives tests a network of their own on the real kernel: an
// installation with a plane, hosts to probe from, and "the internet". Only tests import it.
package networktest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/network/kernel"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
)

// Lab is one installation's network.
type Lab struct {
	ID, Root string
	DB       *store.SQL
	Records  *network.Records
	Plane    *network.Plane
	t        testing.TB
}

// Root skips loudly where the kernel may not be touched.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: real packets need root; run this test as root")
	}
}

// New makes an installation and starts its plane; the test's end removes all of it.
func New(t testing.TB, mtu int) *Lab {
	t.Helper()
	Root(t)
	records := network.NewRecords()
	return start(t, storetest.Open(t, records.Tables()...), records, mtu)
}

// On is New on a database that has the records' tables already.
func On(t testing.TB, db *store.SQL, records *network.Records) *Lab {
	t.Helper()
	Root(t)
	return start(t, db, records, 0)
}

func start(t testing.TB, db *store.SQL, records *network.Records, mtu int) *Lab {
	t.Helper()
	id := ids.Lower(6, "")
	l := &Lab{ID: id, Root: "/run/penstock/" + id, DB: db, Records: records, t: t}
	t.Cleanup(func() {
		if err := l.Plane.RemoveAll(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(l.Root); err != nil {
			t.Error(err)
		}
	})
	l.Restart(mtu)
	return l
}

// Restart starts another plane on what the first one left.
func (l *Lab) Restart(mtu int) {
	l.t.Helper()
	l.Plane = network.NewPlane(network.PlaneDeps{Installation: l.ID, Root: l.Root, DB: l.DB, Records: l.Records, MTU: mtu, Log: slog.New(slog.DiscardHandler)})
	if err := l.Plane.Start(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// Change writes records and returns when packets obey.
func (l *Lab) Change(f func(ctx context.Context, tx store.Tx) error) {
	l.t.Helper()
	if err := l.DB.Update(l.t.Context(), f); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.Plane.Publish(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// Netns is the folder of the installation's namespaces.
func (l *Lab) Netns() string { return filepath.Join(l.Root, "netns") }

// Empty makes a namespace as a pause container has it.
func (l *Lab) Empty(name string) *Host {
	l.t.Helper()
	path := filepath.Join(l.Root, "pods", name+".netns")
	ns, _, err := kernel.Ensure(path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := ns.Up("lo"); err != nil {
		l.t.Fatal(err)
	}
	h := &Host{Name: name, Path: path, NS: ns, t: l.t}
	l.t.Cleanup(func() {
		ns.Close()
		if err := kernel.Remove(path); err != nil {
			l.t.Error(err)
		}
	})
	return h
}

// Pod is Empty, attached.
func (l *Lab) Pod(name, interfaceID string) *Host {
	l.t.Helper()
	h := l.Empty(name)
	a, err := l.Plane.AttachPod(l.t.Context(), interfaceID, name, h.Path, "tag of "+name)
	if err != nil {
		l.t.Fatal(err)
	}
	h.Addr = a
	return h
}

// Open is a host for a namespace that is there already.
func (l *Lab) Open(p network.Place) *Host {
	l.t.Helper()
	ns, err := kernel.Open(p.Path(l.Netns()))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(ns.Close)
	return &Host{Name: p.Kind + "-" + p.ID, Path: p.Path(l.Netns()), NS: ns, t: l.t}
}
