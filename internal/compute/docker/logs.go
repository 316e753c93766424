package docker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute/course"
)

// longestLine is where a longer one is split; each part counts as a line.
const longestLine = 256 << 10

// Logs follows a container from its first line on, and counts: a line's number is
// its place in the Engine's own file, so that it is the same after a restart of
// this program. Nothing is given before the container starts.
func (b *Backend) Logs(ctx context.Context, pod, name string, from uint64, f func(n uint64, at time.Time, line string) error) error {
	full := b.containerName(pod, name)
	for {
		if err := b.awaitStart(ctx, pod, name); err != nil {
			return err
		}
		l := &lines{from: from, f: f}
		err := b.readLogs(ctx, full, l, true)
		from = max(from, l.n)
		if l.refused != nil {
			return l.refused
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c, found, ierr := b.inspect(ctx, full)
		if ierr != nil {
			return ierr
		}
		if !found {
			return fmt.Errorf("docker: container %s was removed while its output was read", full)
		}
		if err == nil && !c.State.Running {
			return b.lastLines(ctx, full, from, f)
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("docker: reading the output of container %s: %w", full, err)
		}
		// The connection ended and the container did not: the Engine was restarted.
		if _, err := b.engine.Ping(ctx); err != nil {
			return err
		}
	}
}

// lastLines reads an ended container's output once more, to its end: an Engine may
// end a follower before it has given the lines that came last.
func (b *Backend) lastLines(ctx context.Context, full string, from uint64, f func(n uint64, at time.Time, line string) error) error {
	l := &lines{from: from, f: f}
	if err := b.readLogs(ctx, full, l, false); err != nil {
		return errors.Join(l.refused, fmt.Errorf("docker: reading the end of the output of container %s: %w", full, err))
	}
	l.flush()
	return l.refused
}

// awaitStart waits until the container has started once, or never can.
func (b *Backend) awaitStart(ctx context.Context, pod, name string) error {
	w := b.hub.add()
	defer b.hub.drop(w)
	for {
		c, found, err := b.inspect(ctx, b.containerName(pod, name))
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("docker: pod %s has no container %s", pod, name)
		}
		if !parseTime(c.State.StartedAt).IsZero() {
			return nil
		}
		rec, found, err := b.readRecord(pod)
		if err != nil {
			return err
		}
		if found && (rec.Stage == course.Lost || rec.Stage == course.Stopping) {
			return nil // it never starts: its output is empty
		}
		if err := b.hub.await(ctx, w, pod); err != nil {
			return err
		}
	}
}

// await returns when something happened to pod.
func (h *hub) await(ctx context.Context, w *watcher, pod string) error {
	for {
		for s, ok := h.next(w); ok; s, ok = h.next(w) {
			if s.Pod == pod {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
		}
	}
}

func (b *Backend) readLogs(ctx context.Context, full string, l *lines, follow bool) error {
	r, err := b.client().ContainerLogs(ctx, full, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: follow,
	})
	if err != nil {
		return err
	}
	defer r.Close()
	return l.read(r)
}

// lines turns the Engine's frames into numbered lines. A frame is a message: a
// whole line with its instant, or a piece of at most 16 KiB of one.
type lines struct {
	n, from uint64
	f       func(n uint64, at time.Time, line string) error
	refused error
	open    [3]struct { // by stream
		at   time.Time
		text []byte
	}
}

func (l *lines) read(r io.Reader) error {
	var head [8]byte
	var body []byte
	for l.refused == nil {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		size := binary.BigEndian.Uint32(head[4:])
		if head[0] > 2 || size > 64<<20 {
			return fmt.Errorf("a frame of stream %d and %d bytes makes no sense", head[0], size)
		}
		if uint32(cap(body)) < size {
			body = make([]byte, size)
		}
		body = body[:size]
		if _, err := io.ReadFull(r, body); err != nil {
			return io.ErrUnexpectedEOF
		}
		l.message(int(head[0]), body)
	}
	return nil
}

func (l *lines) message(stream int, body []byte) {
	stamp, text, _ := bytes.Cut(body, []byte{' '})
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		text = body // an Engine that gives no instant for the rest of a line
	}
	o := &l.open[stream]
	if len(o.text) == 0 {
		o.at = at
	}
	text, whole := bytes.CutSuffix(text, []byte{'\n'})
	o.text = append(o.text, text...)
	for len(o.text) > longestLine {
		l.give(o.at, o.text[:longestLine])
		o.text = append(o.text[:0], o.text[longestLine:]...)
	}
	if whole {
		l.give(o.at, bytes.TrimSuffix(o.text, []byte{'\r'}))
		o.text = o.text[:0]
	}
}

// flush gives the lines that the container's end left without a line break.
func (l *lines) flush() {
	for i := range l.open {
		if o := &l.open[i]; len(o.text) > 0 && l.refused == nil {
			l.give(o.at, o.text)
			o.text = nil
		}
	}
}

func (l *lines) give(at time.Time, text []byte) {
	if l.n >= l.from && l.refused == nil {
		l.refused = l.f(l.n, at.UTC(), string(text))
	}
	if l.refused == nil {
		l.n++
	}
}
