package identity

import (
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/op"
)

// known is a credential that was looked up before. It is believed for
// lookupAge, so that a key deleted through another server ends within it; this
// server forgets at once.
type known struct {
	secret string
	caller op.Caller
	token  string
	until  time.Time
}

const (
	// lookupAge trades a database read per request for how long a key outlives
	// its deletion on another server.
	lookupAge = 2 * time.Second
	// maxKnown bounds the memory: past it all are looked up anew.
	maxKnown = 4096
)

// lookups remembers known credentials by access key id.
type lookups struct {
	mu   sync.RWMutex
	byID map[string]known
}

func (l *lookups) get(id, token string, now time.Time) (known, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	k, ok := l.byID[id]
	return k, ok && k.token == token && now.Before(k.until)
}

func (l *lookups) put(id string, k known) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil || len(l.byID) >= maxKnown {
		l.byID = map[string]known{}
	}
	l.byID[id] = k
}

// forget drops one, or all for "".
func (l *lookups) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id == "" {
		clear(l.byID)
		return
	}
	delete(l.byID, id)
}
