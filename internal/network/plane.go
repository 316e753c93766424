package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/network/kernel"
	"github.com/penstock-ci/penstock/internal/store"
)

// PlaneDeps is what a Plane borrows.
type PlaneDeps struct {
	Installation string // its id: part of the name of what lies outside namespaces
	Root         string // /run/penstock/<installation>; claims lie beside it
	DB           store.DB
	Records      *Records
	MTU          int // 0 = the host's uplink's
	Log          *slog.Logger
}

// Plane puts the records in force on this host's kernel. What it made outlives
// it: a new Plane of the same installation finds it and applies differences only.
type Plane struct {
	d PlaneDeps

	publishing sync.Mutex // one at a time; guards edge, host, link
	edge, host *kernel.Namespace
	link       netip.Prefix // the edge's link to the host: its /30
	mtu        int
	ready      chan struct{} // closed when Start has ended well
	remade     atomic.Bool   // namespaces, or the public addresses they are known by, came or went

	mu       sync.Mutex
	number   uint64
	inForce  bool // number is
	vpcs     map[string]*live
	ports    map[string]Port   // of all plans in force, by interface
	owners   map[string]string // interface → VPC
	attached attachments
}

// live is one VPC's namespace.
type live struct {
	mu    sync.Mutex // apply and attach exclude each other
	ns    *kernel.Namespace
	inode uint64
	plan  VPCPlan
	text  string // of plan, once it is in force
	gone  bool
}

var _ compute.Attacher = (*Plane)(nil)

// NewPlane touches nothing yet.
func NewPlane(d PlaneDeps) *Plane {
	return &Plane{d: d, ready: make(chan struct{}), vpcs: map[string]*live{}, ports: map[string]Port{}, owners: map[string]string{}}
}

func (p *Plane) netns() string           { return p.d.Root + "/netns" }
func (p *Plane) place(vpc string) string { return Place{"vpc", vpc}.Path(p.netns()) }

// Start makes the edge and the link to the host, or finds them, and puts the
// records in force, the service namespace among them.
func (p *Plane) Start(ctx context.Context) error {
	if err := p.start(); err != nil {
		return fmt.Errorf("start the network: %w", err)
	}
	close(p.ready)
	if _, err := p.Publish(ctx); err != nil {
		return fmt.Errorf("start the network: %w", err)
	}
	return nil
}

func (p *Plane) start() error {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	var err error
	if p.host, err = kernel.Open(""); err != nil {
		return err
	}
	p.mtu = p.d.MTU
	if p.mtu == 0 {
		if p.mtu, err = p.host.UplinkMTU(); err != nil {
			return err
		}
	}
	if err := p.attached.load(p.d.Root); err != nil {
		return err
	}
	if p.link, err = p.claimLink(); err != nil {
		return err
	}
	return p.makeEdge()
}

// Publish reads all records at one commit, brings them in force and tells their number.
func (p *Plane) Publish(ctx context.Context) (uint64, error) {
	select {
	case <-p.ready:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	p.publishing.Lock()
	defer p.publishing.Unlock()
	var s State
	same := false
	err := p.d.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		if s.Number, err = p.d.Records.Number(ctx, r); err != nil {
			return err
		}
		if same = p.isApplied(s.Number); same {
			return nil
		}
		s, err = p.d.Records.State(ctx, r)
		return err
	})
	if err != nil || same {
		return s.Number, err
	}
	return s.Number, p.apply(MakePlan(s))
}

func (p *Plane) isApplied(number uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inForce && p.number == number
}

// apply brings plan in force. One VPC's failure does not keep the others from
// theirs, but then the plan's number is not in force.
func (p *Plane) apply(plan Plan) error {
	var errs []error
	want := map[string]bool{}
	var routes []kernel.Route
	for _, v := range plan.VPCs {
		want[v.ID] = true
		if err := p.applyVPC(v); err != nil {
			errs = append(errs, fmt.Errorf("VPC %s: %w", v.ID, err))
		}
		for _, a := range v.Publics {
			routes = append(routes, kernel.Route{To: netip.PrefixFrom(a, 32), Link: linkOf("v", v.ID), Via: downVia})
		}
	}
	errs = append(errs, p.removeOthers(want)...)
	routes = append(routes, kernel.Route{To: ownRange}, kernel.Route{To: anywhere, Link: hostLink, Via: p.link.Addr().Next()})
	if err := p.edge.SetRoutes(routes); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("apply the network's plan %d: %w", plan.Number, err)
	}
	p.mu.Lock()
	p.number, p.inForce = plan.Number, true
	p.mu.Unlock()
	return nil
}

// downVia is the VPC's end of an uplink, as the edge names it.
var downVia = netip.AddrFrom4([4]byte{169, 254, 1, 2})

// ownRange is 198.18.0.0/15: what of it nobody has must not leave to the host.
var ownRange = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18}), 15)

// removeOthers takes down the VPCs that are not wanted, those of an earlier process too.
func (p *Plane) removeOthers(want map[string]bool) (errs []error) {
	p.mu.Lock()
	known := slices.Collect(maps.Keys(p.vpcs))
	p.mu.Unlock()
	for _, id := range append(known, p.files("vpc-")...) {
		if want[id] {
			continue
		}
		if err := p.removeVPC(id); err != nil {
			errs = append(errs, fmt.Errorf("remove VPC %s: %w", id, err))
		}
	}
	p.mu.Lock()
	ports := maps.Clone(p.ports)
	p.mu.Unlock()
	for _, id := range p.files("eni-") {
		if port, ok := ports[id]; !ok || !port.IsOwn {
			p.remade.Store(true)
			if err := kernel.Remove(Place{"eni", id}.Path(p.netns())); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}

func (p *Plane) removeVPC(id string) error {
	p.mu.Lock()
	p.remade.Store(true)
	l := p.vpcs[id]
	delete(p.vpcs, id)
	maps.DeleteFunc(p.owners, func(i, vpc string) bool {
		if vpc == id {
			delete(p.ports, i)
		}
		return vpc == id
	})
	p.mu.Unlock()
	if l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.gone = true
	}
	errs := []error{p.edge.Delete(linkOf("v", id))}
	if l != nil && l.ns != nil {
		errs = append(errs, l.ns.DeleteLinks("e"))
		l.ns.Close()
	}
	return errors.Join(append(errs, kernel.Remove(p.place(id)))...)
}
