package logstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/logstore"
)

var stream = logstore.Stream{Account: "1", Region: "r", Group: "/aws/codebuild/demo", Name: "b1"}

func setup(t *testing.T) *logstore.Database {
	t.Helper()
	d, err := logstore.Open(t.Context(), logstore.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Shut(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func lines(from, to int) (out []logstore.Line) {
	for i := from; i < to; i++ {
		out = append(out, logstore.Line{At: time.UnixMicro(int64(1e15 + i)).UTC(), Text: fmt.Sprintf("line %d", i)})
	}
	return out
}

func add(t *testing.T, d *logstore.Database, from, to, want int) {
	t.Helper()
	next, err := d.Append(t.Context(), stream, uint64(from), lines(from, to))
	if err != nil || next != uint64(want) {
		t.Fatalf("append [%d,%d): next %d, want %d: %v", from, to, next, want, err)
	}
}

func read(t *testing.T, d *logstore.Database, cursor string, limit int) logstore.Page {
	t.Helper()
	p, err := d.Read(t.Context(), stream, cursor, limit)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantLines(t *testing.T, p logstore.Page, from, to int) {
	t.Helper()
	if fmt.Sprint(p.Lines) != fmt.Sprint(lines(from, to)) {
		t.Fatalf("got %d lines %.200v, want [%d,%d)", len(p.Lines), p.Lines, from, to)
	}
}

func TestEachLineIsKeptOnceHoweverOftenItIsSent(t *testing.T) {
	t.Parallel()
	d := setup(t)
	add(t, d, 0, 10, 10)
	add(t, d, 0, 10, 10)
	add(t, d, 5, 15, 15)
	if next, err := d.Append(t.Context(), stream, 20, lines(20, 22)); !errors.Is(err, logstore.ErrGap) || next != 15 {
		t.Fatalf("next %d, %v", next, err)
	}
	wantLines(t, read(t, d, "", 100), 0, 15)
}

func TestPagesGoBothWaysAndSurviveClosing(t *testing.T) {
	t.Parallel()
	d := setup(t)
	for i := 0; i < 100; i += 7 {
		add(t, d, i, min(i+7, 100), min(i+7, 100))
	}
	for _, closed := range []bool{false, true} {
		if closed {
			if err := d.Close(t.Context(), stream); err != nil {
				t.Fatal(err)
			}
			add(t, d, 90, 100, 100) // an acknowledgement that was lost is given again
			if _, err := d.Append(t.Context(), stream, 100, lines(100, 101)); !errors.Is(err, logstore.ErrClosed) {
				t.Fatalf("got %v", err)
			}
		}
		p := read(t, d, "", 30)
		wantLines(t, p, 0, 30)
		p = read(t, d, p.Forward, 30)
		wantLines(t, p, 30, 60)
		wantLines(t, read(t, d, p.Back, 10), 20, 30)
		p = read(t, d, logstore.Tail, 25)
		wantLines(t, p, 75, 100)
		wantLines(t, read(t, d, p.Back, 25), 50, 75)
		p = read(t, d, p.Forward, 10)
		wantLines(t, p, 100, 100)
		if again := read(t, d, p.Forward, 10); again.Forward != p.Forward {
			t.Fatalf("the end moved from %s to %s", p.Forward, again.Forward)
		}
	}
}

func TestLongLinesAreSplitIntoBatches(t *testing.T) {
	t.Parallel()
	d := setup(t)
	var many []logstore.Line
	for range 50 {
		many = append(many, logstore.Line{At: time.UnixMicro(1), Text: strings.Repeat("x", 10_000)})
	}
	if _, err := d.Append(t.Context(), stream, 0, many); err != nil {
		t.Fatal(err)
	}
	if n := len(read(t, d, "f/13", 100).Lines); n != 37 {
		t.Fatalf("%d lines, want 37", n)
	}
}

func TestWaitWakesForALineAndForTheEnd(t *testing.T) {
	t.Parallel()
	d := setup(t)
	wait := func(cursor string) chan error {
		done := make(chan error, 1)
		go func() { done <- d.Wait(t.Context(), stream, cursor) }()
		return done
	}
	first := wait("")
	add(t, d, 0, 1, 1)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	end := wait(read(t, d, "", 10).Forward)
	if err := d.Close(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if err := <-end; err != nil {
		t.Fatal(err)
	}
}

func TestProducersOfOneStreamNumberOnTheirOwn(t *testing.T) {
	t.Parallel()
	d := setup(t)
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			for i := range 10 {
				if _, err := d.AppendFrom(t.Context(), stream, fmt.Sprint(p), uint64(i), lines(i, i+1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(read(t, d, "", 1000).Lines); n != 80 {
		t.Fatalf("%d lines, want 80", n)
	}
	if next, err := d.Next(t.Context(), stream, "3"); err != nil || next != 10 {
		t.Fatalf("next %d, %v", next, err)
	}
	list, err := d.List(t.Context(), "1", "r", stream.Group, "b", "", 0)
	if err != nil || len(list) != 1 || list[0].Lines != 80 {
		t.Fatalf("%+v, %v", list, err)
	}
}

func TestExpireForgetsOldLines(t *testing.T) {
	t.Parallel()
	d := setup(t)
	add(t, d, 0, 10, 10)
	add(t, d, 10, 20, 20)
	if err := d.Expire(t.Context(), stream, time.UnixMicro(1e15+10)); err != nil {
		t.Fatal(err)
	}
	p := read(t, d, "", 100)
	wantLines(t, p, 10, 20)
	add(t, d, 20, 21, 21)
}
