package network

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
)

// Listener tells of commits (store.SQL).
type Listener interface {
	Listen(topic string) (rung <-chan struct{}, stop func())
}

// PublisherDeps is what a Publisher borrows.
type PublisherDeps struct {
	DB    Listener
	Plane *Plane
	// Remade is called when namespaces came or went, or the public addresses by
	// which they are known, so that the data plane opens its sockets there. May be nil.
	Remade func()
	Clock  clock.Clock
	Log    *slog.Logger
}

// Publisher brings the records into force after every commit that changed one.
type Publisher struct {
	d PublisherDeps

	mu      sync.Mutex
	inForce uint64
	moved   chan struct{} // closed when inForce grows
}

// NewPublisher needs Run to do anything.
func NewPublisher(d PublisherDeps) *Publisher {
	return &Publisher{d: d, moved: make(chan struct{})}
}

// Wait returns when packets obey a state of at least number.
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
			return fmt.Errorf("wait until number %d of the network is in force (it is at %d): %w", number, have, context.Cause(ctx))
		}
	}
}

const (
	retryAfter = time.Second
	checkEvery = 10 * time.Second // another firewall's reload takes our rules away without telling
)

// Run publishes and checks until ctx ends.
func (p *Publisher) Run(ctx context.Context) error {
	rung, stop := p.d.DB.Listen(Topic)
	defer stop()
	check := p.d.Clock.After(checkEvery)
	var retry <-chan time.Time
	for {
		retry = nil
		if err := p.publish(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			p.d.Log.Error("the network's records are not in force; trying again", "error", err)
			retry = p.d.Clock.After(retryAfter)
		}
		select {
		case <-rung:
		case <-retry:
		case <-check:
			p.check(ctx)
			check = p.d.Clock.After(checkEvery)
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *Publisher) publish(ctx context.Context) error {
	number, err := p.d.Plane.Publish(ctx)
	if err != nil {
		return err
	}
	if p.d.Plane.remade.Swap(false) && p.d.Remade != nil {
		p.d.Remade()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if number > p.inForce {
		p.inForce = number
		close(p.moved)
		p.moved = make(chan struct{})
	}
	return nil
}

func (p *Publisher) check(ctx context.Context) {
	mended, err := p.d.Plane.Check(ctx)
	if err != nil && ctx.Err() == nil {
		p.d.Log.Error("checking the network", "error", err)
	}
	if len(mended) > 0 {
		p.d.Log.Warn("the kernel's state was not ours any more and was mended", "what", mended)
	}
}
