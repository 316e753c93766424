// Package fake is a compute.Backend without containers: each follows a script in
// its environment. It ships in the product, for rehearsals (a pipeline run through
// without machines), demonstrations and tests. Its pods live in memory only.
package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/course"
)

// Backend implements compute.Backend and compute.Logs.
type Backend struct {
	// Programs run in place of a script in containers whose entry point is the
	// program's path. They are set before the first pod is made.
	Programs map[string]Program

	clock    clock.Clock
	attacher compute.Attacher

	mu      sync.Mutex
	pods    map[string]*pod
	order   []string
	changed chan struct{} // closed and renewed at every change
	serial  int
}

type pod struct {
	spec   compute.Pod
	stage  course.Stage
	reason string
	pause  bool
	boxes  map[string]*box
	status compute.Status // as last told, with its serial
	told   int
}

type box struct {
	spec    compute.Container
	script  Script
	id      string
	state   course.State
	started time.Time
	exit    *compute.Exit
	lines   []line
	stopped int // exit code that ended it early, 0 for none
	cancel  context.CancelFunc
}

// end stops the container early, once.
func (x *box) end(code int) {
	if x.state.Running && x.stopped == 0 {
		x.stopped = code
		x.cancel()
	}
}

type line struct {
	at   time.Time
	text string
}

var (
	_ compute.Backend = (*Backend)(nil)
	_ compute.Logs    = (*Backend)(nil)
)

// New makes an empty machine. attacher may be nil.
func New(c clock.Clock, attacher compute.Attacher) *Backend {
	return &Backend{clock: c, attacher: attacher, pods: map[string]*pod{}, changed: make(chan struct{})}
}

// Ensure finds the pod or makes it.
func (b *Backend) Ensure(ctx context.Context, p compute.Pod) (compute.Status, error) {
	b.mu.Lock()
	have, found := b.pods[p.Name]
	if found {
		defer b.mu.Unlock()
		return have.status, nil
	}
	b.mu.Unlock()
	n, err := newPod(p)
	if err != nil {
		return compute.Status{}, err
	}
	if b.attacher != nil {
		if n.status.Address, err = b.attacher.AttachPod(ctx, p.Interface, p.Name, "", p.Tag); err != nil {
			return compute.Status{}, fmt.Errorf("ResourceInitializationError: %w", err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if have, found := b.pods[p.Name]; found { // made meanwhile
		return have.status, nil
	}
	b.pods[p.Name] = n
	b.order = append(b.order, p.Name)
	b.advance(n)
	return n.status, nil
}

func newPod(p compute.Pod) (*pod, error) {
	n := &pod{spec: p, stage: course.Running, pause: true, boxes: map[string]*box{}}
	for i, c := range p.Containers {
		s, err := ScriptOf(c)
		if err != nil {
			return nil, fmt.Errorf("CannotCreateContainerError: container %s: %w", c.Name, err)
		}
		if strings.Contains(c.Image, "no-such-image") {
			return nil, fmt.Errorf("CannotPullContainerError: image %s is not there", c.Image)
		}
		if s.NoStart {
			return nil, fmt.Errorf("CannotStartContainerError: container %s: its script says so", c.Name)
		}
		n.boxes[c.Name] = &box{spec: c, script: s, id: fmt.Sprintf("%s-%d", p.Name, i)}
	}
	return n, nil
}

func members(p compute.Pod) []course.Member {
	var ms []course.Member
	for _, c := range p.Containers {
		ms = append(ms, course.Member{Name: c.Name, Essential: c.Essential, After: c.After})
	}
	return ms
}

// advance does what course.Decide says until it says nothing. b.mu is held.
func (b *Backend) advance(p *pod) {
	for {
		have := map[string]course.State{}
		for name, x := range p.boxes {
			have[name] = x.state
		}
		d := course.Decide(p.stage, members(p.spec), p.pause, have)
		if d.Stage != "" {
			p.stage, p.reason = d.Stage, d.Reason
			continue
		}
		for _, name := range d.Start {
			b.start(p, p.boxes[name])
		}
		for _, name := range d.Stop {
			p.boxes[name].end(143)
		}
		if d.StopPause {
			p.pause = false
		}
		if len(d.Start) == 0 && !d.StopPause {
			b.tell(p)
			return
		}
	}
}

func (b *Backend) start(p *pod, x *box) {
	x.started = b.clock.Now()
	x.state = course.State{Started: true, Running: true, Healthy: !x.script.Unhealthy}
	for _, text := range x.script.Print {
		x.lines = append(x.lines, line{x.started, text})
	}
	program := b.program(x)
	ctx, cancel := context.WithCancel(context.Background())
	x.cancel = cancel
	go func() {
		defer cancel()
		code := program(ctx, x.spec)
		b.mu.Lock()
		defer b.mu.Unlock()
		early := x.stopped != 0
		if early {
			code = x.stopped
		}
		x.state.Running, x.state.Code = false, code
		x.exit = &compute.Exit{Code: code, OOM: x.script.OOM && !early, At: b.clock.Now()}
		if x.script.Lost && !early {
			p.pause = false
		}
		b.advance(p)
	}()
}

// tell renews the pod's status and wakes who waits. b.mu is held.
func (b *Backend) tell(p *pod) {
	s := compute.Status{
		Pod: p.spec.Name, Owner: p.spec.Owner, Reason: p.reason, Address: p.status.Address, Phase: compute.Running,
	}
	switch {
	case p.stage == course.Lost:
		s.Phase = compute.Lost
	case !p.pause:
		s.Phase = compute.Stopped
	}
	for _, c := range p.spec.Containers {
		x := p.boxes[c.Name]
		cs := compute.ContainerStatus{Name: c.Name, ID: x.id, StartedAt: x.started, Exit: x.exit}
		if c.Health != nil && x.state.Running {
			cs.Health = "HEALTHY"
			if x.script.Unhealthy {
				cs.Health = "UNHEALTHY"
			}
		}
		s.Containers = append(s.Containers, cs)
	}
	b.serial++
	p.status, p.told = s, b.serial
	close(b.changed)
	b.changed = make(chan struct{})
}

// Stop ends the pod's containers, those that others depend on last.
func (b *Backend) Stop(_ context.Context, name string, _ time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, found := b.pods[name]; found && p.stage == course.Running {
		p.stage = course.Stopping
		b.advance(p)
	}
	return nil
}

// Remove ends and forgets the pod.
func (b *Backend) Remove(ctx context.Context, name string) error {
	b.mu.Lock()
	p, found := b.pods[name]
	if found {
		p.stage = course.Stopping
		for _, x := range p.boxes {
			x.end(137)
		}
		delete(b.pods, name)
		b.order = slices.DeleteFunc(b.order, func(o string) bool { return o == name })
		close(b.changed)
		b.changed = make(chan struct{})
	}
	b.mu.Unlock()
	if found && b.attacher != nil {
		return b.attacher.DetachPod(ctx, p.spec.Interface, name)
	}
	return nil
}

// Lose takes the pod's network namespace away, as the end of its pause container does.
func (b *Backend) Lose(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, found := b.pods[name]; found && p.stage == course.Running {
		p.pause = false
		b.advance(p)
	}
}

// List gives the pods in the order in which they were made.
func (b *Backend) List(context.Context) ([]compute.Status, error) {
	all, _, _ := b.since(0)
	return all, nil
}

// since gives the statuses told after serial.
func (b *Backend) since(serial int) (all []compute.Status, now int, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range b.order {
		if p, found := b.pods[name]; found && p.told > serial {
			all = append(all, p.status)
		}
	}
	return all, b.serial, b.changed
}

// Watch calls f with all pods now, then with every change.
func (b *Backend) Watch(ctx context.Context, f func(compute.Status)) error {
	serial := 0
	for {
		all, now, changed := b.since(serial)
		serial = now
		for _, s := range all {
			f(s)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Logs gives what the script prints, and ends with the container.
func (b *Backend) Logs(ctx context.Context, pod, name string, from uint64, f func(n uint64, at time.Time, line string) error) error {
	for {
		b.mu.Lock()
		p, found := b.pods[pod]
		if !found || p.boxes[name] == nil {
			b.mu.Unlock()
			return errors.New("fake: no such container: " + pod + "." + name)
		}
		x := p.boxes[name]
		lines, changed := x.lines, b.changed
		over := x.exit != nil || p.stage != course.Running && !x.state.Started
		b.mu.Unlock()
		for ; from < uint64(len(lines)); from++ {
			if err := f(from, lines[from].at, lines[from].text); err != nil {
				return err
			}
		}
		if over {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}
