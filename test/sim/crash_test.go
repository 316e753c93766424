package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/penstock-ci/penstock/internal/store"
)

var errCrashed = errors.New("the server has crashed")

// fate decides where the server dies. It outlives the servers.
type fate struct {
	mu      sync.Mutex
	rng     *rand.Rand
	crashes int
	points  int
}

const (
	// One point in so many is a crash, so often at most: a run must come to its end.
	odds, maxCrashes = 8, 40
)

func (f *fate) strikes() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.points++
	if f.crashes >= maxCrashes || f.rng.IntN(odds) > 0 {
		return false
	}
	f.crashes++
	return true
}

// server is one life: a database handle that is dead for good once fate has struck.
type server struct {
	store.DB
	fate *fate
	once sync.Once
	dead chan struct{}
}

func (s *server) crash() {
	s.once.Do(func() { close(s.dead) })
}

func (s *server) isDead() bool {
	select {
	case <-s.dead:
		return true
	default:
		return false
	}
}

// point is where the server may die.
func (s *server) point() error {
	if s.isDead() {
		return errCrashed
	}
	if s.fate.strikes() {
		s.crash()
		return errCrashed
	}
	return nil
}

func (s *server) View(ctx context.Context, f func(context.Context, store.Reader) error) error {
	if s.isDead() {
		return errCrashed
	}
	return s.DB.View(ctx, f)
}

// Update may crash before the commit, when nothing is kept, and after it, when
// everything is but nobody hears of it.
func (s *server) Update(ctx context.Context, f func(context.Context, store.Tx) error) error {
	err := s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := f(ctx, tx); err != nil {
			return err
		}
		return s.point()
	})
	if err != nil {
		return err
	}
	return s.point()
}
