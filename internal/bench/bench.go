package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/demo"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Server is the bench's own penstock serve.
type Server interface {
	// Start returns once it answers.
	Start(ctx context.Context) (demo.Env, error)
	// Kill sends SIGKILL and waits for the end.
	Kill() error
	// Processes are those of the installation: the server's and the data plane's.
	Processes(ctx context.Context) ([]int, error)
}

// Container runs commands by the Engine's API alone.
type Container interface {
	// Run tells when the first byte of the output was there and when the exit code was.
	Run(ctx context.Context, command ...string) (first, ended time.Duration, err error)
	Close(ctx context.Context) error
}

// Inside is the server's own foundation in this process, on a database of its own.
type Inside struct {
	DB    store.DB
	Calls op.Dispatcher
	Root  op.Caller
	Close func() error
}

// Options are what the command gives.
type Options struct {
	Server    Server
	Container func(ctx context.Context) (Container, error) // on the image of the builds
	Inside    func(ctx context.Context, tables ...store.Table) (*Inside, error)
	Program   string // this program's file
	Folder    string // on the disk of the server's data; made and removed by the caller
	Clock     clock.Clock
	Progress  io.Writer
}

// Bench takes the measures.
type Bench struct {
	Options
	stack *stack // nil until a measure needs the server
}

// measure is how some rows are taken.
type measure struct {
	rows []string
	take func(ctx context.Context) ([]Row, error)
}

// measures are in the order in which they disturb each other least: inside first,
// then the idle server, and last what leaves a thousand builds waiting.
func (b *Bench) measures() []measure {
	return []measure{
		{[]string{"internal-call"}, b.internalCall},
		{[]string{"change"}, b.changes},
		{[]string{"memory"}, b.memory},
		{[]string{"ready"}, b.ready},
		{[]string{"first-line", "build"}, b.builds},
		{[]string{"next-action", "next-build"}, b.pipeline},
		{[]string{"secret"}, b.secrets},
		{[]string{"burst"}, b.burst},
	}
}

// Check refuses names of rows that there are not.
func Check(only []string) error {
	for _, name := range only {
		if !slices.ContainsFunc(promises(), func(p promise) bool { return p.name == name }) {
			return fmt.Errorf("there is no row %q: choose of %s", name, strings.Join(Names(), ", "))
		}
	}
	return nil
}

// Run takes the rows that are asked for, all if none is named. The error tells of those
// that could not be taken; a promise that is not kept is no error.
func (b *Bench) Run(ctx context.Context, only []string) ([]Row, error) {
	isAsked := func(name string) bool { return len(only) == 0 || slices.Contains(only, name) }
	rows := []Row{}
	var failed error
	for _, m := range b.measures() {
		if !slices.ContainsFunc(m.rows, isAsked) {
			continue
		}
		fmt.Fprintf(b.Progress, "measuring %s\n", strings.Join(m.rows, ", "))
		taken, err := m.take(ctx)
		if ctx.Err() != nil {
			return rows, errors.Join(failed, fmt.Errorf("measure %s: %w", m.rows[0], context.Cause(ctx)))
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("measure %s: %w", m.rows[0], err))
		}
		for _, r := range taken {
			if isAsked(r.Name) {
				rows = append(rows, r)
			}
		}
	}
	return rows, failed
}

// timed is how long f takes.
func (b *Bench) timed(f func() error) (time.Duration, error) {
	begun := b.Clock.Now()
	err := f()
	return b.Clock.Now().Sub(begun), err
}

func (b *Bench) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-b.Clock.After(d):
		return nil
	}
}

// until asks again and again, every pace, until is tells true.
func (b *Bench) until(ctx context.Context, pace time.Duration, is func() (bool, error)) error {
	for {
		done, err := is()
		if done || err != nil {
			return err
		}
		if err := b.pause(ctx, pace); err != nil {
			return err
		}
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
