package client

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"

	"github.com/penstock-ci/penstock/internal/dataplane/process"
	"github.com/penstock-ci/penstock/internal/dataplane/socket"
)

// holder keeps duplicates of the process's listening sockets.
type holder struct {
	mu   sync.Mutex
	held map[socket.Key]socket.Held
}

// follow takes the sockets of the process and their changes until it is gone.
func (h *holder) follow(ctx context.Context, path string) error {
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if err := socket.Send(c, socket.Message{Do: process.Hold}); err != nil {
		return err
	}
	now := map[socket.Key]socket.Held{}
	for whole := false; ; {
		m, err := socket.Receive(c)
		if err != nil {
			if !whole {
				closeAll(now)
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		switch {
		case m.Do == process.End:
			h.replace(now)
			whole = true
		case m.Key == nil:
		case whole:
			h.change(m)
		case m.File != nil:
			now[*m.Key] = socket.Held{Key: *m.Key, Inode: m.Ino, File: m.File}
		}
	}
}

func closeAll(all map[socket.Key]socket.Held) {
	for _, s := range all {
		s.File.Close()
	}
}

func (h *holder) replace(all map[socket.Key]socket.Held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	closeAll(h.held)
	h.held = all
}

func (h *holder) change(m socket.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old, ok := h.held[*m.Key]; ok {
		old.File.Close()
		delete(h.held, *m.Key)
	}
	if m.File != nil {
		h.held[*m.Key] = socket.Held{Key: *m.Key, Inode: m.Ino, File: m.File}
	}
}

// listen answers a process that starts after a crash.
func (h *holder) listen(path string) (stop func(), err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			h.give(c)
		}
	}()
	return func() {
		l.Close()
		<-done
		h.replace(nil)
	}, nil
}

// give sends all that is held. The lock keeps the descriptors open meanwhile.
func (h *holder) give(c *net.UnixConn) {
	defer c.Close()
	if m, err := socket.Receive(c); err != nil || m.Do != process.Take {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.held {
		if socket.SendHeld(c, s) != nil {
			return // the process is gone: the next one asks again
		}
	}
	_ = socket.Send(c, socket.Message{Do: process.End}) // as above
}
