package process

import (
	"maps"
	"net"
	"time"

	"github.com/penstock-ci/penstock/internal/dataplane/socket"
)

// give serves one connection to the socket of sockets.
func (p *process) give(c *net.UnixConn) {
	defer c.Close()
	m, err := socket.Receive(c)
	if err != nil {
		return // it connected and left
	}
	switch m.Do {
	case Hold:
		p.giveDuplicates(c)
	case Take:
		if err := p.giveAll(c); err != nil {
			p.Log.Warn("another process did not take over", "error", err)
		}
	}
}

// giveDuplicates feeds the server that holds them, until either goes.
func (p *process) giveDuplicates(c *net.UnixConn) {
	now, changes, stop := p.sockets.Follow()
	defer stop()
	if sendAll(c, now) != nil {
		return
	}
	for {
		select {
		case ch, ok := <-changes:
			if !ok {
				return
			}
			m := socket.Message{Key: &ch.Key, Ino: ch.Inode, File: ch.File, Gone: ch.Gone}
			err := socket.Send(c, m)
			if ch.File != nil {
				ch.File.Close()
			}
			if err != nil {
				return
			}
		case <-p.ctx.Done():
			return
		}
	}
}

func sendAll(c *net.UnixConn, all []socket.Held) error {
	var failed error
	for _, h := range all {
		if failed == nil {
			failed = socket.SendHeld(c, h)
		}
		h.File.Close()
	}
	if failed != nil {
		return failed
	}
	return socket.Send(c, socket.Message{Do: End})
}

// giveAll hands the sockets over. Until the other process is ready this one goes
// on accepting, so between them somebody always does.
func (p *process) giveAll(c *net.UnixConn) error {
	if !p.beginMove() {
		return errMoving
	}
	moved := false
	defer func() {
		if !moved {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.moving = false
		}
	}()
	if err := p.files.save(healthFile, p.balance.Health()); err != nil {
		return err
	}
	now, _, stop := p.sockets.Follow()
	stop()
	if err := sendAll(c, now); err != nil {
		return err
	}
	if err := c.SetReadDeadline(p.Clock.Now().Add(handoverTimeout)); err != nil {
		return err
	}
	if m, err := socket.Receive(c); err != nil || m.Do != Ready {
		return err
	}
	moved = true
	p.leave()
	p.replace.Do(func() { close(p.replaced) })
	p.sockets.Close()
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if err := socket.Send(c, socket.Message{Do: Done, Open: p.balance.Open()}); err != nil {
		return err
	}
	p.Log.Info("another data plane has taken over; finishing what is open", "version", p.Version)
	p.obey(c)
	return nil
}

func (p *process) beginMove() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.moving {
		return false
	}
	p.moving = true
	return true
}

// obey follows the successor's snapshots and tells it what is in flight.
func (p *process) obey(c *net.UnixConn) {
	reloads := make(chan struct{})
	go func() {
		defer close(reloads)
		for {
			m, err := socket.Receive(c)
			if err != nil {
				return // the successor is gone; what is open here goes on
			}
			if m.Do == Reload {
				select {
				case reloads <- struct{}{}:
				case <-p.ctx.Done():
					return
				}
			}
		}
	}()
	fired, stop := p.balance.Notify()
	defer stop()
	var said map[string]int
	for {
		if open := p.balance.Open(); said == nil || !maps.Equal(open, said) {
			if socket.Send(c, socket.Message{Open: open}) != nil {
				return
			}
			said = open
		}
		select {
		case _, ok := <-reloads:
			if !ok || p.reload(c) != nil {
				return
			}
		case <-fired:
		case <-p.Clock.After(time.Second):
		case <-p.ctx.Done():
			return
		}
	}
}

// reload uses the snapshot that the successor wrote, for what is open here.
func (p *process) reload(c *net.UnixConn) error {
	s, ok, err := p.files.snapshot()
	if err != nil {
		p.Log.Warn("the successor's snapshot cannot be read", "error", err)
	}
	if ok {
		p.mu.Lock()
		for id, old := range p.old {
			if err := old.reload(p.balance, id); err != nil {
				p.Log.Warn("a process being replaced did not take the snapshot", "error", err)
			}
		}
		p.use(s)
		p.mu.Unlock()
	}
	return socket.Send(c, socket.Message{Do: Reloaded, Open: p.balance.Open()})
}
