package process

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dataplane/balance"
	"github.com/penstock-ci/penstock/internal/dataplane/socket"
)

// Verbs between processes, in the order they are said.
const (
	Take     = "take" // new → old, or → the server that holds duplicates
	Hold     = "hold" // the server → the process: all sockets, and each change
	End      = "end"  // that were all
	Ready    = "ready"
	Done     = "done"
	Reload   = "reload"
	Reloaded = "reloaded"
)

// handoverTimeout bounds each step of a handover: the other side does nothing but
// send descriptors or stop accepting.
const handoverTimeout = 10 * time.Second

// adopt gets the listening sockets: from the process that runs, else from the
// server that holds duplicates; from neither where this is the first process.
func adopt(o Options) ([]socket.Held, *net.UnixConn, error) {
	if c := connect(Sockets(o.Run)); c != nil {
		held, err := take(c, o.Clock)
		if err == nil {
			return held, c, nil
		}
		c.Close()
		o.Log.Warn("the running data plane does not hand over; asking the server", "error", err)
	}
	c := connect(Holder(o.Run))
	if c == nil {
		return nil, nil, nil
	}
	defer c.Close()
	held, err := take(c, o.Clock)
	if err != nil {
		return nil, nil, fmt.Errorf("take the sockets that the server holds: %w", err)
	}
	return held, nil, nil
}

func connect(path string) *net.UnixConn {
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil // nobody is there: the first start, or a crash
	}
	return c
}

func take(c *net.UnixConn, clk clock.Clock) (held []socket.Held, err error) {
	defer func() {
		if err != nil {
			for _, h := range held {
				h.File.Close()
			}
			held = nil
		}
	}()
	if err := c.SetDeadline(clk.Now().Add(handoverTimeout)); err != nil {
		return nil, err
	}
	if err := socket.Send(c, socket.Message{Do: Take}); err != nil {
		return nil, err
	}
	for {
		m, err := socket.Receive(c)
		if err != nil {
			return held, err
		}
		if m.Do == End {
			return held, c.SetDeadline(time.Time{})
		}
		if m.File != nil {
			held = append(held, socket.Held{Key: *m.Key, Inode: m.Ino, File: m.File})
		}
	}
}

// predecessor is a process that was replaced by this one and has connections left.
type predecessor struct {
	c     *net.UnixConn
	clock clock.Clock
	gone  chan struct{}
	acked chan map[string]int
}

// succeed tells the process before that its sockets are served, and follows what
// it has in flight.
func (p *process) succeed(c *net.UnixConn) error {
	if err := socket.Send(c, socket.Message{Do: Ready}); err != nil {
		return err
	}
	if err := c.SetReadDeadline(p.Clock.Now().Add(handoverTimeout)); err != nil {
		return err
	}
	m, err := socket.Receive(c)
	if err != nil {
		return err
	}
	if m.Do != Done {
		return fmt.Errorf("it said %q, not %q", m.Do, Done)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	o := &predecessor{c: c, clock: p.Clock, gone: make(chan struct{}), acked: make(chan map[string]int, 1)}
	id := strconv.FormatInt(p.Clock.Now().UnixNano(), 10)
	p.balance.Extra(id, orEmpty(m.Open))
	p.mu.Lock()
	p.old[id] = o
	p.mu.Unlock()
	p.running.Go(func() { p.follow(id, o) })
	return nil
}

// follow reads what a predecessor has in flight until it is gone.
func (p *process) follow(id string, o *predecessor) {
	for {
		m, err := socket.Receive(o.c)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.Log.Warn("a process being replaced broke off", "error", err)
			}
			break
		}
		if m.Do == Reloaded {
			o.acked <- orEmpty(m.Open)
		} else {
			p.balance.Extra(id, orEmpty(m.Open))
		}
	}
	o.c.Close()
	close(o.gone)
	p.balance.Extra(id, nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.old, id)
}

func orEmpty(m map[string]int) map[string]int {
	if m == nil {
		return map[string]int{}
	}
	return m
}

// reload makes a predecessor use the snapshot on disk, and returns when it does.
func (o *predecessor) reload(b *balance.Balance, id string) error {
	if err := socket.Send(o.c, socket.Message{Do: Reload}); err != nil {
		return err
	}
	select {
	case open := <-o.acked:
		b.Extra(id, open)
		return nil
	case <-o.gone:
		return nil
	case <-o.clock.After(reloadTimeout):
		return os.ErrDeadlineExceeded
	}
}

// reloadTimeout is for a process that hangs: it is going away anyhow.
const reloadTimeout = 2 * time.Second
