package identity

import (
	"sync"

	"github.com/penstock-ci/penstock/internal/identity/policy"
)

// documents keeps parsed policies by their text. A text never changes its
// meaning, so nothing has to be told when a policy is replaced.
type documents struct {
	mu     sync.RWMutex
	parsed map[documentKey]*policy.Document
}

type documentKey struct {
	kind policy.Kind
	text string
}

// maxDocuments bounds the memory to some 10 MB of policies; past it the cache
// starts anew, which costs microseconds a document.
const maxDocuments = 4096

func (d *documents) parse(kind policy.Kind, text string) (*policy.Document, error) {
	key := documentKey{kind, text}
	d.mu.RLock()
	doc, ok := d.parsed[key]
	d.mu.RUnlock()
	if ok {
		return doc, nil
	}
	doc, err := policy.Parse(kind, text)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parsed == nil || len(d.parsed) >= maxDocuments {
		d.parsed = map[documentKey]*policy.Document{}
	}
	d.parsed[key] = doc
	return doc, nil
}
