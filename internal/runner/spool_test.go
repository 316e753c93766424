package runner

import (
	"strconv"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// Far more than memory holds is written while nobody answers, some of it between
// two acknowledgements: the lines come back in order, each once.
func TestSpoolKeepsTheOrderOverDisk(t *testing.T) {
	t.Parallel()
	s := newSpool(t.TempDir())
	const total = 3000
	pad := strings.Repeat("x", 4<<10)
	written, next := 0, uint64(0)
	write := func(n int) {
		for ; n > 0 && written < total; n-- {
			s.put(protocol.Line{Text: strconv.Itoa(written) + " " + pad})
			written++
		}
	}
	write(2000)
	if s.file == nil || s.pending() > memoryLimit+8<<10 {
		t.Fatalf("%d bytes are kept in memory", s.pending())
	}
	for next < total {
		first, lines, _ := s.batch()
		if first != next || len(lines) == 0 {
			t.Fatalf("batch of %d lines from %d, want from %d", len(lines), first, next)
		}
		for i, l := range lines {
			if !strings.HasPrefix(l.Text, strconv.Itoa(int(first)+i)+" ") {
				t.Fatalf("line %d is %.10q", int(first)+i, l.Text)
			}
		}
		next = first + uint64(len(lines))
		if err := s.acknowledge(next); err != nil {
			t.Fatal(err)
		}
		write(7)
	}
}

func TestFullDiskHoldsTheWriterBack(t *testing.T) {
	t.Parallel()
	s := newSpool("/nonexistent")
	done := make(chan int)
	go func() {
		for range 2000 {
			s.put(protocol.Line{Text: strings.Repeat("x", 4<<10)})
		}
		close(done)
	}()
	next := uint64(0)
	for next < 2000 {
		<-s.wake
		for {
			first, lines, _ := s.batch()
			if len(lines) == 0 {
				break
			}
			next = first + uint64(len(lines))
			if err := s.acknowledge(next); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-done
}
