package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// visitors ask a site from several sides at once and remember every request. Half of
// them keep their connection, as a browser does: one that the site has closed
// meanwhile is not used again. Nothing that failed is asked again.
type visitors struct {
	address, host string

	mu   sync.Mutex
	all  []visit
	more chan struct{} // closed and made anew with each visit
}

// visit is one request.
type visit struct {
	begun, ended time.Time
	err          error
}

const (
	visitorsAtOnce = 8
	visitorsPace   = 50 * time.Millisecond // 160 requests a second in all
	visitPatience  = 10 * time.Second
)

func (s *site) visitors() *visitors {
	return &visitors{address: s.address, host: s.host, more: make(chan struct{})}
}

// run sends until ctx ends, and waits for the answers under way.
func (v *visitors) run(ctx context.Context) {
	var all sync.WaitGroup
	for i := range visitorsAtOnce {
		all.Go(func() { v.visit(ctx, i%2 == 0) })
	}
	all.Wait()
}

func (v *visitors) visit(ctx context.Context, keep bool) {
	tick := time.NewTicker(visitorsPace)
	defer tick.Stop()
	var c net.Conn
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			if c != nil {
				c.Close()
			}
			return
		case <-tick.C:
		}
		begun := time.Now()
		next, err := v.ask(c, n%2 == 0, keep)
		c = next
		v.note(visit{begun, time.Now(), err})
	}
}

// ask sends one request, on c if that is open yet; the connection for the next comes back, or nil.
func (v *visitors) ask(c net.Conn, post, keep bool) (_ net.Conn, err error) {
	if c != nil && isClosed(c) {
		c.Close()
		c = nil
	}
	if c == nil {
		if c, err = net.DialTimeout("tcp", v.address, visitPatience); err != nil {
			return nil, err
		}
	}
	closes := true
	if err = c.SetDeadline(time.Now().Add(visitPatience)); err == nil {
		closes, err = v.exchange(c, post)
	}
	if err != nil || closes || !keep {
		c.Close()
		c = nil
	}
	return c, err
}

func (v *visitors) exchange(c net.Conn, post bool) (closes bool, err error) {
	request := fmt.Sprintf("GET / HTTP/1.1\r\nHost: %s\r\n\r\n", v.host)
	if post {
		request = fmt.Sprintf("POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 7\r\n\r\nvisitor", v.host)
	}
	if _, err := io.WriteString(c, request); err != nil {
		return true, fmt.Errorf("send: %w", err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return true, fmt.Errorf("receive: %w", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return true, fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return true, fmt.Errorf("%s: %s", res.Status, body)
	}
	return res.Close, nil
}

// isClosed tells whether the other side has ended the connection.
func isClosed(c net.Conn) bool {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return true
	}
	var n int
	var got error
	err = raw.Control(func(fd uintptr) { n, _, got = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT) })
	return err != nil || n == 0 && !errors.Is(got, unix.EAGAIN)
}

func (v *visitors) note(one visit) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, one)
	close(v.more)
	v.more = make(chan struct{})
}

// answered waits for n answers to requests that were begun after since.
func (v *visitors) answered(ctx context.Context, n int, since time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		v.mu.Lock()
		have, more := 0, v.more
		for _, one := range v.all {
			if one.err == nil && one.begun.After(since) {
				have++
			}
		}
		v.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("the site gave %d of %d answers: %w", have, n, ctx.Err())
		}
	}
}

// gap is the longest time without an answer.
func (v *visitors) gap() (longest time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var last time.Time
	for _, one := range v.all { // they were noted as they ended
		if one.err != nil {
			continue
		}
		if !last.IsZero() {
			longest = max(longest, one.ended.Sub(last))
		}
		last = one.ended
	}
	return longest
}

// failed are the failures that excused does not excuse.
func (v *visitors) failed(excused func(visit) bool) (out []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, one := range v.all {
		if one.err != nil && !excused(one) {
			out = append(out, fmt.Sprintf("%s to %s: %v", one.begun.Format("15:04:05.000"), one.ended.Format("15:04:05.000"), one.err))
		}
	}
	return out
}

func (v *visitors) String() string {
	failed := v.failed(func(visit) bool { return false })
	v.mu.Lock()
	n := len(v.all)
	v.mu.Unlock()
	return strings.TrimSpace(fmt.Sprintf("%d requests, %d failed, longest time without an answer %d ms", n, len(failed), v.gap().Milliseconds()))
}
