package sim

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/fake"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/runner/embed"
	"github.com/penstock-ci/penstock/internal/store"
)

var scope = store.Scope{Account: "100000000001", Region: "us-east-1"}

// world is what outlives servers: the disk, the containers, what users have stored.
type world struct {
	db    *store.SQL
	fate  *fate
	clock clock.Clock
	log   *slog.Logger
	began time.Time
	pods  *fake.Backend

	mu       sync.Mutex
	server   *server       // the one that lives, nil in between
	made     []compute.Pod // in the order in which they were made
	objects  map[string][]byte
	lines    map[logstore.Stream][]logstore.Line
	branch   string        // commit that the repository's branch is at
	failing  int           // builds that are yet to fail
	duration time.Duration // of a build
	problems []string
}

func newWorld(t *testing.T, db *store.SQL, f *fate) *world {
	w := &world{
		db: db, fate: f, clock: clock.System{}, log: slog.New(slog.DiscardHandler), branch: "commit-1",
		pods: fake.New(clock.System{}, nil), objects: map[string][]byte{}, lines: map[logstore.Stream][]logstore.Line{},
	}
	if *verbose {
		w.log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	w.began = w.clock.Now()
	if !f.hasty {
		w.duration = 10 * time.Second
	}
	w.pods.Programs = map[string]fake.Program{"/codebuild/bin/" + embed.Name: w.build}
	t.Cleanup(func() {
		all, _ := w.pods.List(t.Context())
		for _, p := range all {
			_ = w.pods.Remove(t.Context(), p.Pod)
		}
	})
	return w
}

// warm makes n connections for Views. While one is made others may have to wait, for
// a time that no seed decides.
func (w *world) warm(t *testing.T, n int) {
	t.Helper()
	err := w.db.View(t.Context(), func(_ context.Context, r store.Reader) error {
		if n > 1 {
			w.warm(t, n-1) // beside this one, as its context is not handed on
		}
		var facts int
		return store.Row(t.Context(), r, `SELECT count(*) FROM facts`, nil, &facts)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// age is how long the run has lasted, in virtual time.
func (w *world) age() time.Duration { return w.clock.Now().Sub(w.began) }

// serve lets one server live after the other until ctx ends.
func (w *world) serve(ctx context.Context) error {
	for ctx.Err() == nil {
		w.fate.live()
		s, err := newServer(w)
		if err != nil {
			return err
		}
		w.setServer(s)
		err = s.run(ctx)
		w.setServer(nil)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-w.clock.After(w.fate.delay("restart")):
		}
	}
	return nil
}

func (w *world) setServer(s *server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server = s
}

// alive waits for a server that lives.
func (w *world) alive(ctx context.Context) *server {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.clock.After(10 * time.Millisecond):
		}
		w.mu.Lock()
		s := w.server
		w.mu.Unlock()
		if s != nil && !s.isDead() {
			return s
		}
	}
}

// fail makes the next n builds fail.
func (w *world) fail(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failing = n
}

// takes is how long builds take from now on.
func (w *world) takes(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.duration = d
}

// problem notes what must never happen.
func (w *world) problem(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, text)
}

// has tells whether a pod is there.
func (w *world) has(ctx context.Context, pod string) bool {
	all, err := w.pods.List(ctx)
	return err == nil && slices.ContainsFunc(all, func(s compute.Status) bool { return s.Pod == pod })
}

func (w *world) ensure(ctx context.Context, p compute.Pod) (compute.Status, error) {
	isThere := w.has(ctx, p.Name)
	st, err := w.pods.Ensure(ctx, p)
	if err == nil && !isThere {
		w.mu.Lock()
		defer w.mu.Unlock()
		if slices.ContainsFunc(w.made, func(m compute.Pod) bool { return m.Name == p.Name }) {
			w.problems = append(w.problems, "pod "+p.Name+" was made twice")
		}
		w.made = append(w.made, p)
	}
	return st, err
}

// running are the pods that have not been removed.
func (w *world) running(t *testing.T) (pods []compute.Pod) {
	t.Helper()
	for _, p := range w.made {
		if w.has(t.Context(), p.Name) {
			pods = append(pods, p)
		}
	}
	return pods
}

// latest is the state of a pod now, or as it was where it is gone.
func (w *world) latest(ctx context.Context, st compute.Status) compute.Status {
	all, err := w.pods.List(ctx)
	if i := slices.IndexFunc(all, func(s compute.Status) bool { return s.Pod == st.Pod }); err == nil && i >= 0 {
		return all[i]
	}
	return st
}

func (w *world) append(s logstore.Stream, first uint64, lines []logstore.Line) (next uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, l := range lines {
		if first+uint64(i) == uint64(len(w.lines[s])) {
			w.lines[s] = append(w.lines[s], l)
		}
	}
	return uint64(len(w.lines[s]))
}

func (w *world) linesOf(s logstore.Stream) []logstore.Line {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines[s]
}

func (w *world) put(name string, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[name] = body
}

func (w *world) object(name string) ([]byte, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, ok := w.objects[name]
	return b, ok
}
