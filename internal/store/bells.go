package store

import (
	"maps"
	"slices"
	"sync"
)

// bells wakes whoever waits for a topic. A waiter misses nothing: the channel
// keeps one ring until it is read.
type bells struct {
	mu      sync.Mutex
	waiters map[string]map[chan struct{}]bool
}

func (b *bells) listen(topic string) (<-chan struct{}, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := make(chan struct{}, 1)
	if b.waiters[topic] == nil {
		b.waiters[topic] = map[chan struct{}]bool{}
	}
	b.waiters[topic][c] = true
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.waiters[topic], c)
		if len(b.waiters[topic]) == 0 {
			delete(b.waiters, topic)
		}
	}
}

func (b *bells) ring(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.waiters[topic] {
		select {
		case c <- struct{}{}:
		default: // rung already
		}
	}
}

func (b *bells) ringAll() {
	b.mu.Lock()
	topics := slices.Collect(maps.Keys(b.waiters))
	b.mu.Unlock()
	for _, t := range topics {
		b.ring(t)
	}
}

// Wake wakes every Listen of topic once tx is committed, on every server of this database.
func Wake(tx Tx, topic string) {
	t := tx.reader()
	if t.wakes == nil {
		t.wakes = map[string]bool{}
	}
	t.wakes[topic] = true
}

// Listen gives a channel that holds a value whenever a commit has woken topic
// since the last receive. stop ends it.
func (db *SQL) Listen(topic string) (rung <-chan struct{}, stop func()) {
	return db.bells.listen(topic)
}
