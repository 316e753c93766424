package runner

import (
	"context"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// flushAge is how old a line may become before it is sent: a live log follows
// within it, and a chatty command costs at most twenty requests a second.
const flushAge = 50 * time.Millisecond

// sender brings lines and reports to the server, in order, until all are acknowledged.
type sender struct {
	client *client
	clock  clock.Clock
	spool  *spool

	mu      sync.Mutex
	reports []protocol.Report // not acknowledged
	next    uint64            // number of the next report

	closing chan struct{} // closed: nothing more comes, so nothing is worth waiting for
	done    chan struct{}
	err     error // why it ended; after done
}

func newSender(c *client, k clock.Clock, dir string) *sender {
	return &sender{client: c, clock: k, spool: newSpool(dir), closing: make(chan struct{}), done: make(chan struct{})}
}

// report adds a report; N and At are filled in.
func (s *sender) report(r protocol.Report) {
	s.mu.Lock()
	r.N, s.next = s.next, s.next+1
	if r.At == 0 {
		r.At = s.clock.Now().UnixMilli()
	}
	s.reports = append(s.reports, r)
	s.mu.Unlock()
	s.spool.notify()
}

// run sends until close was called and everything is acknowledged, or ctx ends.
func (s *sender) run(ctx context.Context) {
	defer close(s.done)
	defer s.spool.close()
	for {
		sent, last, err := s.once(ctx)
		if err != nil {
			s.err = err
			return
		}
		if last {
			return
		}
		if !sent {
			select {
			case <-ctx.Done():
				s.err = ctx.Err()
				return
			case <-s.spool.wake:
			}
			continue
		}
		if !s.isUrgent() {
			select {
			case <-ctx.Done():
				s.err = ctx.Err()
				return
			case <-s.closing:
			case <-s.clock.After(flushAge):
			}
		}
	}
}

// isUrgent tells whether waiting for more lines is pointless.
func (s *sender) isUrgent() bool { return s.spool.pending() >= batchLimit }

func (s *sender) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// once sends one batch. The reports go with the last of the lines that were
// written before them: the log of a phase is complete when its end is known.
func (s *sender) once(ctx context.Context) (sent, last bool, err error) {
	closing := s.isClosing() // before what is there is taken: then that is all
	s.mu.Lock()
	reports := append([]protocol.Report(nil), s.reports...)
	s.mu.Unlock()
	first, lines, more := s.spool.batch()
	if more {
		reports = nil
	}
	if len(lines) == 0 && len(reports) == 0 {
		return false, closing && !more, nil
	}
	var ack protocol.Ack
	if err := s.client.post(ctx, protocol.SyncPath, protocol.Sync{First: first, Lines: lines, Reports: reports}, &ack); err != nil {
		return false, false, err
	}
	s.mu.Lock()
	for len(s.reports) > 0 && s.reports[0].N < ack.Reports {
		s.reports = s.reports[1:]
	}
	s.mu.Unlock()
	return true, false, s.spool.acknowledge(ack.Lines)
}

// close, called once, waits until everything is acknowledged.
func (s *sender) close() error {
	close(s.closing)
	s.spool.notify()
	<-s.done
	return s.err
}
