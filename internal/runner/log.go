package runner

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// lineLimit is the longest line: CloudWatch's events are limited, and a program
// that prints megabytes without a newline must not hold its output back.
const lineLimit = 64 << 10

// stampForm is how CodeBuild stamps its own lines.
const stampForm = "2006/01/02 15:04:05.000000"

// buildLog numbers the lines of a build: the runner's own, stamped, and those of
// the commands, raw. One pipe takes all commands' output, also that of the daemons
// they leave behind, and lives as long as the build.
type buildLog struct {
	clock  clock.Clock
	spool  *spool
	output *os.File // the commands' stdout and stderr
	marker []byte
	marked chan struct{}
	ended  chan struct{}

	mu     sync.Mutex
	redact *redactor
	line   []byte // of the commands' output, not ended yet
}

func newBuildLog(k clock.Clock, s *spool) (*buildLog, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make the pipe for the commands' output: %w", err)
	}
	l := &buildLog{
		clock: k, spool: s, output: w,
		marker: []byte("\x00" + rand.Text() + "\x00"),
		marked: make(chan struct{}), ended: make(chan struct{}),
	}
	l.redact = newRedactor(lineWriter{l})
	go l.read(r)
	return l, nil
}

// hide keeps a value out of the log from now on.
func (l *buildLog) hide(v string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.redact.add(v)
	// A value of several lines is also hidden when only one of them is printed.
	for _, part := range strings.Split(v, "\n") {
		if len(part) >= 16 && len(part) < len(v) {
			l.redact.add(part)
		}
	}
}

// say writes a line of the runner's own.
func (l *buildLog) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	// Through the redactor: a command's text may hold a secret that was pasted into it.
	l.endLine()
	fmt.Fprintf(l.redact, "[Container] %s %s\n", l.clock.Now().Format(stampForm), strings.TrimRight(text, "\n"))
	l.endLine()
}

// raw writes text that a command printed.
func (l *buildLog) raw(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.redact.Write([]byte(text)) // it ends in the spool, which takes everything
	l.endLine()
}

// drain returns when everything that was written to the pipe is in the log. It
// never waits for the end of the pipe, which a daemon holds open.
func (l *buildLog) drain() error {
	if _, err := l.output.Write(l.marker); err != nil {
		return fmt.Errorf("mark the end of a command's output: %w", err)
	}
	select {
	case <-l.marked:
	case <-l.ended:
	}
	return nil
}

// read takes the commands' output in.
func (l *buildLog) read(r io.ReadCloser) {
	defer close(l.ended)
	defer r.Close()
	buf := make([]byte, 32<<10)
	var held []byte // may be the beginning of the marker
	for {
		n, err := r.Read(buf)
		held = append(held, buf[:n]...)
		for {
			i := bytes.Index(held, l.marker)
			if i < 0 {
				break
			}
			l.take(held[:i])
			held = append([]byte(nil), held[i+len(l.marker):]...)
			l.mu.Lock()
			l.endLine()
			l.mu.Unlock()
			l.marked <- struct{}{}
		}
		keep := partial(held, l.marker)
		l.take(held[:len(held)-keep])
		held = append(held[:0], held[len(held)-keep:]...)
		if err != nil {
			return
		}
	}
}

func (l *buildLog) take(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.redact.Write(b) // it ends in the spool, which takes everything
}

// endLine ends a line that has no newline yet. l.mu is held.
func (l *buildLog) endLine() {
	_ = l.redact.Flush() // as in take
	if len(l.line) > 0 {
		l.put(l.line)
		l.line = l.line[:0]
	}
}

func (l *buildLog) put(b []byte) {
	text := string(bytes.TrimSuffix(b, []byte("\r")))
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	l.spool.put(protocol.Line{At: l.clock.Now().UnixMilli(), Text: text})
}

// lineWriter cuts what the redactor lets through into lines.
type lineWriter struct{ l *buildLog }

func (w lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.l.line = append(w.l.line, p...)
			p = nil
		} else {
			w.l.line = append(w.l.line, p[:i]...)
			p = p[i+1:]
		}
		for len(w.l.line) > lineLimit {
			w.l.put(w.l.line[:lineLimit])
			w.l.line = append(w.l.line[:0], w.l.line[lineLimit:]...)
		}
		if i >= 0 {
			w.l.put(w.l.line)
			w.l.line = w.l.line[:0]
		}
	}
	return n, nil
}

// partial is the length of the longest end of b that marker begins with.
func partial(b, marker []byte) int {
	for n := min(len(b), len(marker)-1); n > 0; n-- {
		if bytes.HasPrefix(marker, b[len(b)-n:]) {
			return n
		}
	}
	return 0
}
