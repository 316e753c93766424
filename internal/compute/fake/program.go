package fake

import (
	"context"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
)

// Program is what runs in a container. It gives the exit code; ctx ends when the
// container is stopped.
type Program func(ctx context.Context, c compute.Container) (code int)

// program is what the container runs: the one at its entry point, or its script.
func (b *Backend) program(x *box) Program {
	if len(x.spec.Entry) > 0 && b.Programs[x.spec.Entry[0]] != nil {
		return b.Programs[x.spec.Entry[0]]
	}
	return x.script.program(b.clock)
}

func (s Script) program(c clock.Clock) Program {
	return func(ctx context.Context, _ compute.Container) int {
		var alarm <-chan time.Time
		if s.Sleep >= 0 {
			alarm = c.After(s.Sleep)
		}
		select {
		case <-alarm:
		case <-ctx.Done():
		}
		return s.Exit
	}
}
