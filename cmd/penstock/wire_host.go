package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/docker"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/client"
	"github.com/penstock-ci/penstock/internal/host/baseimage"
	"github.com/penstock-ci/penstock/internal/images"
	"github.com/penstock-ci/penstock/internal/mirror"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/store"
)

// hostParts are what makes records real on this machine: packets, containers, and
// the process that outlives this one.
type hostParts struct {
	records   *network.Records
	plane     *network.Plane
	publisher *network.Publisher

	names     *dataplane.Records
	data      *client.Client
	snapshots *dataplane.Publisher
	seen      *dataplane.Observed

	pods   *docker.Backend
	mirror *mirror.Mirror
	images *images.Images
}

func (s *server) openHost(context.Context) error {
	h := &hostParts{records: network.NewRecords(), names: dataplane.NewRecords(dataplane.Define()), seen: dataplane.NewObserved()}
	s.host = h
	s.tables = append(append(s.tables, h.records.Tables()...), h.names.Tables()...)
	s.tables = append(s.tables, mirror.Tables()...)
	if err := s.openPackets(); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	h.data = client.New(client.Options{
		Run: s.in.Root(), Command: []string{exe, "dataplane", "--data", s.in.Data}, LogFile: s.in.Path("dataplane.log"),
		Version: version(), Started: func() { h.snapshots.Wake() }, Clock: s.clock, Log: s.log,
	})
	h.snapshots = dataplane.NewPublisher(dataplane.PublisherDeps{
		DB: s.db, Records: h.names, Plane: h.data, VPCs: h.networks, Names: mirrored(), Origin: s.in.ID, Site: s.cmd.Site, Clock: s.clock, Log: s.log,
	})
	s.loops = append(s.loops, loop{"data plane", h.data.Run}, loop{"data plane snapshots", h.snapshots.Run})
	return s.openPods()
}

func (s *server) openPackets() error {
	h := s.host
	h.plane = network.NewPlane(network.PlaneDeps{Installation: s.in.ID, Root: s.in.Root(), DB: s.db, Records: h.records, Log: s.log})
	h.publisher = network.NewPublisher(network.PublisherDeps{DB: s.db, Plane: h.plane, Remade: func() { h.snapshots.Wake() }, Clock: s.clock, Log: s.log})
	s.opens = append(s.opens, h.plane.Start)
	s.loops = append(s.loops, loop{"network", h.publisher.Run})
	return nil
}

func (s *server) openPods() (err error) {
	h := s.host
	h.pods, err = docker.New(docker.Config{
		Installation: s.in.ID, Data: s.in.Data, Runtime: s.in.Root(), Host: s.cmd.Engine,
		Attacher: h.plane, Pull: absent, Trust: func() []byte { return s.trust }, Owned: s.owned, Ready: s.cmd.Ready, NoPrivileged: s.cmd.NoPrivileged, Clock: s.clock, Log: s.log,
	})
	if err != nil {
		return err
	}
	h.mirror = mirror.New(mirror.Deps{DB: s.db, Blobs: s.blobs, Engine: h.pods.Engine(), Clock: s.clock})
	s.loops = append(s.loops, loop{"pods", h.pods.Run})
	return nil
}

// absent is the answer for an image that the Engine should have and has not: somebody
// removed it.
func absent(_ context.Context, image string) error {
	if baseimage.Is(image) {
		return errors.New("not found: it is one of Penstock's own images, which `penstock setup` makes again")
	}
	return fmt.Errorf("not found: `penstock mirror add %s` brings an image that this host's Docker has", image)
}

// withEngine begins run when the Engine has answered: it follows containers.
func (s *server) withEngine(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := s.host.pods.Answered(ctx); err != nil {
			return err
		}
		return run(ctx)
	}
}

// owner answers for the pods of one service: whether it still needs one, and
// whether it is its own at all.
type owner func(ctx context.Context, owner string) (needed, mine bool, err error)

// owned is for the sweeper. A pod that no service knows is left alone: a newer
// release may have made it.
func (s *server) owned(ctx context.Context, name string) (bool, error) {
	for _, owns := range s.owners {
		if needed, mine, err := owns(ctx, name); err != nil || mine {
			return needed, err
		}
	}
	return true, nil
}

// networks tells the data plane of the VPCs, at the same commit as its own records.
func (h *hostParts) networks(ctx context.Context, r store.Reader) ([]dataplane.VPC, error) {
	all, err := h.records.Networks(ctx, r)
	if err != nil {
		return nil, err
	}
	out := make([]dataplane.VPC, 0, len(all))
	for _, n := range all {
		out = append(out, dataplane.VPC{ID: n.ID, CIDRs: n.CIDRs, Sources: n.Sources})
	}
	return out, nil
}

// mirrored are the public registries, which lead to our own inside: it serves what
// the mirror holds under their names.
func mirrored() (names []dataplane.Name) {
	for _, host := range []string{"public.ecr.aws", "registry-1.docker.io", "index.docker.io", "docker.io"} {
		names = append(names, dataplane.Name{Name: host, Addresses: []netip.Addr{dataplane.ServiceAddress}})
	}
	return names
}

// hostMemory is this machine's memory in bytes.
func hostMemory() (int64, error) {
	var i unix.Sysinfo_t
	if err := unix.Sysinfo(&i); err != nil {
		return 0, fmt.Errorf("ask for this machine's memory: %w", err)
	}
	return int64(i.Totalram) * int64(i.Unit), nil
}

// networkInForce waits until the packets obey every commit so far.
func (s *server) networkInForce(ctx context.Context) error {
	var number uint64
	err := s.db.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		number, err = s.host.records.Number(ctx, r)
		return err
	})
	if err != nil {
		return err
	}
	return s.host.publisher.Wait(ctx, number)
}

// daily runs f now and every day.
func daily(c clock.Clock, f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			if err := f(ctx); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-c.After(day):
			}
		}
	}
}
