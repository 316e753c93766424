package store

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// channel is the name under which servers of one PostgreSQL database wake each other.
const channel = "penstock"

// relisten is the pause before a lost connection is made again.
const relisten = time.Second

// notifier tells other servers which topics were woken: after the commit, not in
// it (NOTIFY makes commits wait for each other), and many at once.
type notifier struct {
	db     *SQL
	mu     sync.Mutex
	topics map[string]bool
	rung   chan struct{}
}

// startNotify runs the notifier and the listener until the database is closed.
func (db *SQL) startNotify(dsn string) {
	ctx, cancel := context.WithCancel(context.Background())
	n := &notifier{db: db, topics: map[string]bool{}, rung: make(chan struct{}, 1)}
	db.notifier = n
	var work sync.WaitGroup
	work.Go(func() { n.send(ctx) })
	work.Go(func() { db.hear(ctx, dsn) })
	db.close = append(db.close, func() error {
		cancel()
		work.Wait()
		return nil
	})
}

func (n *notifier) add(topics map[string]bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for t := range topics {
		n.topics[t] = true
	}
	select {
	case n.rung <- struct{}{}:
	default:
	}
}

func (n *notifier) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.rung:
		}
		n.mu.Lock()
		var topics []string
		for t := range n.topics {
			topics = append(topics, t)
		}
		clear(n.topics)
		n.mu.Unlock()
		if len(topics) == 0 {
			continue
		}
		_, err := n.db.write.ExecContext(ctx, `SELECT pg_notify($1, t) FROM unnest($2::text[]) t`, channel, topics)
		if err != nil && ctx.Err() == nil {
			n.db.log.Warn("wake other servers", "error", err) // they look by themselves, later
		}
	}
}

// hear rings what other servers have woken. After a lost connection everything is
// rung, as anything may have been missed.
func (db *SQL) hear(ctx context.Context, dsn string) {
	for ctx.Err() == nil {
		if err := db.hearOnce(ctx, dsn); err != nil && ctx.Err() == nil {
			db.log.Warn("listen to other servers, connecting again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-db.clock.After(relisten):
		}
	}
}

func (db *SQL) hearOnce(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	db.bells.ringAll()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		db.bells.ring(n.Payload)
	}
}
