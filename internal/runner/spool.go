package runner

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// memoryLimit is how many bytes of lines are kept in memory while nobody answers;
// what is more lies on disk.
const memoryLimit = 4 << 20

// batchLimit is the size of one batch of lines, as the server's log store takes them.
const batchLimit = 64 << 10

// spool keeps numbered lines until they are acknowledged: the oldest in memory,
// the rest in a file without a name. Where the disk is full, put waits: the
// commands are held back rather than a line lost.
type spool struct {
	mu     sync.Mutex
	room   *sync.Cond
	first  uint64 // number of lines[0]
	lines  []protocol.Line
	size   int // bytes of lines
	dir    string
	file   *os.File // nil until needed
	read   int64    // offset of the oldest line in file
	write  int64
	closed bool
	wake   chan struct{} // there is something new
}

func newSpool(dir string) *spool {
	s := &spool{dir: dir, wake: make(chan struct{}, 1)}
	s.room = sync.NewCond(&s.mu)
	return s
}

// put adds a line.
func (s *spool) put(l protocol.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && (s.size >= memoryLimit || s.read < s.write) {
		if s.spill(l) == nil {
			return
		}
		s.room.Wait()
	}
	s.lines = append(s.lines, l)
	s.size += cost(l)
	s.notify()
}

// notify wakes the sender.
func (s *spool) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// spill writes l to the file.
func (s *spool) spill(l protocol.Line) error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "lines-*")
		if err != nil {
			return fmt.Errorf("make the spool file: %w", err)
		}
		// Without a name no command can remove it, and nothing is left of it.
		if err := os.Remove(f.Name()); err != nil {
			f.Close()
			return fmt.Errorf("unlink the spool file: %w", err)
		}
		s.file = f
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if _, err := s.file.WriteAt(b, s.write); err != nil {
		return fmt.Errorf("write the spool file: %w", err)
	}
	s.write += int64(len(b))
	return nil
}

// batch is the oldest lines that are not acknowledged; pending counts the bytes in memory.
func (s *spool) batch() (first uint64, lines []protocol.Line, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, 0
	for n < len(s.lines) && size < batchLimit {
		size += cost(s.lines[n])
		n++
	}
	return s.first, append([]protocol.Line(nil), s.lines[:n]...), n < len(s.lines) || s.read < s.write
}

// pending is how many bytes wait in memory.
func (s *spool) pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// acknowledge forgets what lies below next and brings lines back from disk.
func (s *spool) acknowledge(next uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.first < next && len(s.lines) > 0 {
		s.size -= cost(s.lines[0])
		s.lines = s.lines[1:]
		s.first++
	}
	if len(s.lines) == 0 {
		s.lines = nil
	}
	err := s.refill()
	s.room.Broadcast()
	return err
}

// refill reads from the file until memory is half full.
func (s *spool) refill() error {
	if s.read == s.write || s.size > 0 {
		return nil
	}
	r := bufio.NewReader(io.NewSectionReader(s.file, s.read, s.write-s.read))
	for s.read < s.write && s.size < memoryLimit/2 {
		b, err := r.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("read the spool file: %w", err)
		}
		var l protocol.Line
		if err := json.Unmarshal(b, &l); err != nil {
			return fmt.Errorf("read the spool file: %w", err)
		}
		s.read += int64(len(b))
		s.lines = append(s.lines, l)
		s.size += cost(l)
	}
	if s.read < s.write {
		return nil
	}
	s.read, s.write = 0, 0
	if err := s.file.Truncate(0); err != nil {
		return fmt.Errorf("truncate the spool file: %w", err)
	}
	return nil
}

// close lets whoever waits for room go on: nobody will take the lines any more.
func (s *spool) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.room.Broadcast()
}

// cost is what a line takes in memory and on the wire, about.
func cost(l protocol.Line) int { return len(l.Text) + 32 }
