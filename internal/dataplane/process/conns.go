package process

import "sync"

// conns counts the connections and requests of the process, so that a replaced
// one knows when its work is done.
type conns struct {
	mu    sync.Mutex
	n     int
	empty chan struct{} // closed at zero, if someone asked
}

func (c *conns) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *conns) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.n == 0 && c.empty != nil {
		close(c.empty)
		c.empty = nil
	}
}

// drained is closed when there is none; it may become more again after that.
func (c *conns) drained() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	if c.empty == nil {
		c.empty = make(chan struct{})
	}
	return c.empty
}
