package process

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/balance"
	"github.com/penstock-ci/penstock/internal/dataplane/resolver"
	"github.com/penstock-ci/penstock/internal/dataplane/socket"
	"golang.org/x/sys/unix"
)

// process is one data plane.
type process struct {
	Options
	ctx     context.Context // ends when the process is to end at once
	started time.Time
	files   files
	httpLog *log.Logger

	names    *resolver.Resolver
	balance  *balance.Balance
	splicer  *splicer
	sockets  *socket.Set
	conns    conns
	running  sync.WaitGroup
	replaced chan struct{} // closed when another process has the sockets
	replace  sync.Once
	stopped  chan struct{} // closed when a stop was asked for
	stopOnce sync.Once

	mu       sync.Mutex // one snapshot at a time
	snapshot dataplane.Snapshot
	servers  map[socket.Key]server
	moving   bool // the sockets are on their way to another process
	old      map[string]*predecessor
	problems string
	retry    *time.Timer
}

// lastMoment is how long connections may go on after a stop is asked for.
const lastMoment = 5 * time.Second

// Main runs the process until ctx ends, or another process has taken its place
// and its last connection is done.
func Main(ctx context.Context, o Options) error {
	o = o.withDefaults()
	for _, dir := range []string{o.Run, o.State} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the data plane's folder: %w", err)
		}
	}
	unlock, err := lock(filepath.Join(o.Run, "dataplane.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	p, err := begin(work, o)
	if err != nil {
		return err
	}
	stopControl, err := p.listen()
	if err != nil {
		return err
	}
	unlock()
	o.Log.Info("the data plane is ready", "snapshot", p.snapshot.Number, "version", o.Version, "pid", os.Getpid())
	ctx, stop := contextUntil(ctx, p.stopped)
	defer stop()
	select {
	case <-ctx.Done():
		p.leave()
		p.waitFor(p.conns.drained(), lastMoment)
	case <-p.replaced:
		p.linger(ctx)
	}
	cancel()
	stopControl()
	p.balance.Close()
	p.sockets.Close()
	return nil
}

// begin takes over what there is and brings the last snapshot into force.
func begin(ctx context.Context, o Options) (*process, error) {
	adopted, before, err := adopt(o)
	if err != nil {
		return nil, err
	}
	f := files{o.State}
	health, err := f.health()
	if err != nil {
		o.Log.Warn("the targets' last health is unknown; they are checked anew", "error", err)
	}
	ns := socket.Namespaces{Root: o.Netns}
	p := &process{
		Options: o, ctx: ctx, started: o.Clock.Now(), files: f,
		httpLog:  slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		names:    resolver.New(resolver.NewUpstream(o.Resolv)),
		balance:  balance.New(ns, o.Clock, o.Log, health),
		splicer:  &splicer{socket: o.Serve, hold: o.Hold, clock: o.Clock},
		sockets:  socket.NewSet(ns, adopted),
		replaced: make(chan struct{}), stopped: make(chan struct{}),
		servers: map[socket.Key]server{}, old: map[string]*predecessor{},
	}
	p.splicer.know(dataplane.Snapshot{})
	s, ok, err := f.snapshot()
	if err != nil {
		o.Log.Warn("the last snapshot cannot be read; waiting for the server's", "error", err)
	}
	if ok {
		p.mu.Lock()
		p.use(s)
		p.reconcile()
		p.mu.Unlock()
	}
	if before != nil {
		if err := p.succeed(before); err != nil {
			o.Log.Warn("the process before did not hand over in order", "error", err)
		}
	}
	p.running.Go(p.keepHealth)
	return p, nil
}

var errMoving = errors.New("the sockets are being handed to another process")

// apply brings s into force.
func (p *process) apply(s dataplane.Snapshot) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.moving {
		return errMoving
	}
	if s.Origin == p.snapshot.Origin && s.Number < p.snapshot.Number {
		return nil
	}
	if err := p.files.save(snapshotFile, s); err != nil {
		return err
	}
	for id, old := range p.old {
		if err := old.reload(p.balance, id); err != nil {
			p.Log.Warn("a process being replaced did not take the snapshot", "error", err)
		}
	}
	p.use(s)
	p.reconcile()
	return nil
}

// use puts what s says in force on the sockets there are; the lock is held, or
// nobody else is there yet.
func (p *process) use(s dataplane.Snapshot) {
	p.names.Use(resolver.NewTable(s))
	p.splicer.know(s)
	p.balance.Apply(s)
	p.snapshot = s
}

const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 5 * time.Second
)

// reconcile opens and closes sockets until they are those of the snapshot. What
// cannot be opened, for a namespace that is not there yet or a port in use on
// the host, is tried again and told by status.
func (p *process) reconcile() {
	if p.reconcileOnce() == nil || p.moving {
		return
	}
	wait := retryFirst
	if p.retry != nil {
		p.retry.Stop()
	}
	var again func()
	again = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.moving || p.ctx.Err() != nil || p.reconcileOnce() == nil {
			return
		}
		wait = min(2*wait, retryLast)
		p.retry = time.AfterFunc(wait, again)
	}
	p.retry = time.AfterFunc(wait, again)
}

func (p *process) reconcileOnce() error {
	uses := plan(p.snapshot)
	fresh, err := p.sockets.Want(keys(uses))
	for _, k := range fresh {
		if s, ok := p.servers[k]; ok {
			s.end()
			delete(p.servers, k)
		}
	}
	for k, s := range p.servers {
		if uses[k] != s.use {
			s.end()
			delete(p.servers, k)
		}
	}
	for k, u := range uses {
		if _, ok := p.servers[k]; ok {
			continue
		}
		h, ok := p.sockets.Get(k)
		if !ok {
			continue
		}
		s, startErr := p.start(h, u)
		if startErr != nil {
			err = errors.Join(err, startErr)
			continue
		}
		p.servers[k] = s
	}
	p.note(err)
	return err
}

// note logs problems when they change.
func (p *process) note(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != p.problems && text != "" {
		p.Log.Warn("some sockets are not open; trying again", "error", err)
	}
	p.problems = text
}

// leave stops accepting.
func (p *process) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moving = true
	p.balance.Drain()
	for _, s := range p.servers {
		s.leave()
	}
}

// linger waits for the last connection of a replaced process, and for those of
// the processes that it replaced itself, whose counts it passes on.
func (p *process) linger(ctx context.Context) {
	for {
		select {
		case <-p.conns.drained():
		case <-ctx.Done():
			return
		}
		older := p.oldest()
		if older == nil {
			return
		}
		select {
		case <-older.gone:
		case <-ctx.Done():
			return
		}
	}
}

func (p *process) oldest() *predecessor {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.old {
		return o
	}
	return nil
}

func (p *process) waitFor(c <-chan struct{}, atMost time.Duration) {
	select {
	case <-c:
	case <-p.Clock.After(atMost):
	}
}

// keepHealth writes the targets' health whenever it changes, for the next process.
func (p *process) keepHealth() {
	fired, stop := p.balance.Notify()
	defer stop()
	for {
		select {
		case <-fired:
		case <-p.ctx.Done():
			return
		case <-p.replaced:
			return
		}
		if err := p.files.save(healthFile, p.balance.Health()); err != nil {
			p.Log.Warn("the targets' health is not kept", "error", err)
		}
	}
}

// contextUntil ends with ctx or when c is closed.
func contextUntil(ctx context.Context, c <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-c:
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// lock makes starts take turns. The lock ends with the process, however it ends.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data plane's start: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the data plane's start: %w", err)
	}
	return sync.OnceFunc(func() { f.Close() }), nil
}
