package network

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/store"
)

// PlaneDeps is what a Plane borrows.
type PlaneDeps struct {
	Installation string // its id: part of the name of what lies outside namespaces
	Root         string // /run/penstock/<installation>
	DB           store.DB
	Records      *Records
	MTU          int // 0 = the host's uplink's
	Log          *slog.Logger
}

// Plane puts the records in force on this host's kernel. What it made outlives
// it: a new Plane of the same installation finds it and applies differences only.
type Plane struct{ d PlaneDeps }

var _ compute.Attacher = (*Plane)(nil)

// NewPlane touches nothing yet.
func NewPlane(d PlaneDeps) *Plane { return &Plane{d: d} }

var errNotYet = errors.New("network plane: not built yet")

// Start makes the edge, the link to the host and the service namespace, or finds them.
func (p *Plane) Start(ctx context.Context) error { return errNotYet }

// Publish reads all records at one commit, brings them in force and tells their number.
func (p *Plane) Publish(ctx context.Context) (uint64, error) { return 0, errNotYet }

// AttachPod gives the namespace at path netns its eth0. Interface "": an address in the service namespace.
func (p *Plane) AttachPod(ctx context.Context, interfaceID, pod, netns, tag string) (netip.Addr, error) {
	return netip.Addr{}, errNotYet
}

// DetachPod takes it away; gone already is success.
func (p *Plane) DetachPod(ctx context.Context, interfaceID, pod string) error { return errNotYet }

// Attachment is a pod's place in the network.
type Attachment struct {
	Interface, Pod, NetNS, Tag, VPC string
	Address                         netip.Addr
}

// Attachment finds the pod that has an address in a VPC (or ServiceVPC).
func (p *Plane) Attachment(vpc string, a netip.Addr) (Attachment, bool) { return Attachment{}, false }

// Check compares the kernel with what was applied, mends it, and tells what it had to mend.
func (p *Plane) Check(ctx context.Context) ([]string, error) { return nil, errNotYet }

// RemoveAll takes down everything of the installation: links, namespaces, tables, claims.
func (p *Plane) RemoveAll(ctx context.Context) error { return errNotYet }
