package dataplane

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/store"
)

// DB is the part of the database that a Publisher uses.
type DB interface {
	View(ctx context.Context, f func(ctx context.Context, r store.Reader) error) error
	Listen(topic string) (rung <-chan struct{}, stop func())
}

// PublisherDeps is what a Publisher borrows.
type PublisherDeps struct {
	DB      DB
	Records *Records
	Plane   Plane
	// VPCs are the networks at the same commit, from the network's records.
	VPCs   func(ctx context.Context, r store.Reader) ([]VPC, error)
	Names  []Name         // known always, such as mirrored registries
	Origin string         // the installation's id
	Site   netip.AddrPort // the host's loopback port for all balancers
	Clock  clock.Clock
	Log    *slog.Logger
}

// Publisher brings the records into force: it wakes on a commit, reads
// all records at one commit and applies them.
type Publisher struct {
	d    PublisherDeps
	wake chan struct{}

	mu      sync.Mutex
	inForce uint64
	moved   chan struct{} // closed when inForce grows
}

// NewPublisher needs Run to do anything.
func NewPublisher(d PublisherDeps) *Publisher {
	return &Publisher{d: d, wake: make(chan struct{}, 1), moved: make(chan struct{})}
}

// Wake publishes again although no record changed: the network's namespaces
// were made anew, or a process was started.
func (p *Publisher) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Wait returns when a snapshot with at least number is in force.
func (p *Publisher) Wait(ctx context.Context, number uint64) error {
	for {
		p.mu.Lock()
		have, moved := p.inForce, p.moved
		p.mu.Unlock()
		if have >= number {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("wait until number %d of the data plane is in force (it is at %d): %w", number, have, context.Cause(ctx))
		}
	}
}

const (
	retryAfter = 200 * time.Millisecond // the process is being started or replaced
	netEvery   = 15 * time.Second       // for changes that another server committed
)

// Run publishes until ctx ends.
func (p *Publisher) Run(ctx context.Context) error {
	rung, stop := p.d.DB.Listen(Topic)
	defer stop()
	told := ""
	for {
		wait := netEvery
		if err := p.publish(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if text := err.Error(); text != told {
				told = text
				p.d.Log.Warn("the data plane did not take a snapshot; trying again", "error", err)
			}
			wait = retryAfter
		} else {
			told = ""
		}
		select {
		case <-rung:
		case <-p.wake:
		case <-p.d.Clock.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *Publisher) publish(ctx context.Context) error {
	s, err := p.read(ctx)
	if err != nil {
		return err
	}
	if err := p.d.Plane.Apply(ctx, s); err != nil {
		return fmt.Errorf("apply snapshot %d: %w", s.Number, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.Number > p.inForce {
		p.inForce = s.Number
		close(p.moved)
		p.moved = make(chan struct{})
	}
	return nil
}

func (p *Publisher) read(ctx context.Context) (s Snapshot, err error) {
	err = p.d.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		if s, err = p.d.Records.Snapshot(ctx, r); err != nil {
			return err
		}
		if p.d.VPCs == nil {
			return nil
		}
		if s.VPCs, err = p.d.VPCs(ctx, r); err != nil {
			return fmt.Errorf("read VPCs: %w", err)
		}
		return nil
	})
	s.Names = append(s.Names, p.d.Names...)
	s.Site, s.Origin = p.d.Site, p.d.Origin
	s.sort()
	return s, err
}
