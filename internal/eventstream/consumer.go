package eventstream

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/store"
)

// Bell wakes on commits; *store.SQL is one.
type Bell interface {
	Listen(topic string) (rung <-chan struct{}, stop func())
}

// Database is what a Consumer needs; *store.SQL is one.
type Database interface {
	store.DB
	Bell
}

// Consumer handles every fact exactly once as far as the database sees it: Handle
// and the cursor's move are one transaction. What touches the world goes through
// a machine that Handle sends to.
type Consumer struct {
	Name   string
	DB     Database
	Stream Stream
	Clock  clock.Clock
	// Handle gets facts in order. Its error stops Run.
	Handle func(ctx context.Context, tx store.Tx, f Fact) error
}

const (
	batch = 100
	// A wake may be lost only with a server of a cluster; this is the net under it.
	net = 10 * time.Second
	// After a wake, look once more so soon: on PostgreSQL the fact that woke may
	// still lie above another open transaction.
	soon = 50 * time.Millisecond
)

// Run handles facts until ctx is over.
func (c *Consumer) Run(ctx context.Context) error {
	rung, stop := c.DB.Listen(topic)
	defer stop()
	wait := net
	for {
		for {
			n, err := c.step(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return fmt.Errorf("consume facts as %s: %w", c.Name, err)
			}
			if n == 0 {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-rung:
			wait = soon
		case <-c.Clock.After(wait):
			wait = min(wait*2, net)
		}
	}
}

// step looks in a View first, so that an idle wake never takes the writer.
func (c *Consumer) step(ctx context.Context) (n int, err error) {
	err = c.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		facts, err := c.Stream.Read(ctx, r, c.Name, 1)
		n = len(facts)
		return err
	})
	if err != nil || n == 0 {
		return 0, err
	}
	err = c.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		facts, err := c.Stream.Read(ctx, tx, c.Name, batch)
		if err != nil {
			return err
		}
		for _, f := range facts {
			if err := c.Handle(ctx, tx, f); err != nil {
				return fmt.Errorf("fact %s (%s): %w", f.ID, f.DetailType, err)
			}
		}
		n = len(facts)
		return c.Stream.Done(ctx, tx, c.Name, n)
	})
	return n, err
}
