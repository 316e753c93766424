package ecs

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/store"
)

// world plays everything around a service's machine: tasks that come up, fail their
// checks, crash, drain and end, in an order that a seed chooses.
type world struct {
	t       *testing.T
	rand    *rand.Rand
	now     time.Time
	step    engine.Step[Service]
	service Service
	tasks   map[string]*Replica
	names   []string // of tasks, in the order of their starts
	wake    time.Time
	facts   []string
	drained map[string]bool
	n       int

	hasTargets  bool
	breaks      func(deployment string) bool // revisions whose tasks never come up
	sick        func(deployment string) bool // revisions whose targets stay unhealthy
	misfortunes bool                         // tasks may fall ill or crash at any time
}

func newWorld(t *testing.T, seed int64, desired, minimum, maximum int) *world {
	w := &world{
		t: t, rand: rand.New(rand.NewSource(seed)), now: time.Unix(1_700_000_000, 0).UTC(),
		step: stepService(2 * time.Second), tasks: map[string]*Replica{}, drained: map[string]bool{},
		breaks: func(string) bool { return false }, sick: func(string) bool { return false },
	}
	w.service = Service{
		Scope: store.Scope{Account: "100000000001", Region: "us-east-1"}, Cluster: "c", Name: "web", Status: "ACTIVE",
		Desired: desired, Settings: Settings{Minimum: minimum, Maximum: maximum},
	}
	w.service.deploy(Revision{TaskDefinition: "web:1"}, w.now)
	return w
}

func (w *world) deploy(definition string) {
	w.service.deploy(Revision{TaskDefinition: definition}, w.now)
	w.send(serviceChanged, nil)
}

// send turns the machine and holds its decision against the bounds.
func (w *world) send(name string, body any) {
	w.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.n++
	turned, err := w.step(w.service, engine.Event{ID: fmt.Sprint(w.n), Name: name, At: w.now, Body: b})
	if err != nil {
		w.t.Fatal(err)
	}
	w.service = turned.Next
	for _, f := range turned.Publish {
		w.facts = append(w.facts, f.DetailType+" "+string(f.Detail))
	}
	for _, e := range turned.Effects {
		w.do(e)
	}
	w.check(turned.Effects)
}

func (w *world) do(e engine.Effect) {
	switch {
	case e.Name == serviceWoken:
		w.wake = e.Due
	case e.Do == "start":
		id := strings.TrimPrefix(e.Name, "start-")
		r := *w.service.replica(id)
		if w.hasTargets {
			r.Targets = []Target{{Group: "tg", Port: 80}}
		}
		w.tasks[id] = &r
		w.names = append(w.names, id)
	case e.Do == "stop":
		w.leave(w.tasks[strings.TrimPrefix(e.Name, "stop-")], "ServiceSchedulerInitiated")
	}
}

func (w *world) leave(r *Replica, code string) {
	if !r.Leaving {
		r.Leaving, r.StopCode = true, code
	}
}

// check holds a turn against the minimum and the maximum.
func (w *world) check(effects []engine.Effect) {
	w.t.Helper()
	lower, upper := Bounds(w.service.Desired, w.service.Settings.Minimum, w.service.Settings.Maximum)
	alive, healthy := 0, 0
	for i := range w.service.Replicas {
		r := &w.service.Replicas[i]
		if r.isAlive() {
			alive++
		}
		if ok, _ := r.isHealthy(w.now, 2*time.Second); ok {
			healthy++
		}
	}
	for _, e := range effects {
		switch e.Do {
		case "start":
			if alive > upper {
				w.t.Fatalf("started above the maximum: %d living, %d allowed", alive, upper)
			}
		case "stop":
			r := *w.tasks[strings.TrimPrefix(e.Name, "stop-")]
			r.Leaving = false
			known := w.service.replica(r.ID)
			if known == nil {
				continue
			}
			before := *known
			before.Leaving = false
			if ok, _ := before.isHealthy(w.now, 2*time.Second); ok && healthy < lower {
				w.t.Fatalf("stopped healthy task %s: %d healthy left, %d required", r.ID, healthy, lower)
			}
		}
	}
}

// advance moves one task one step on and reports it.
func (w *world) advance() {
	w.t.Helper()
	w.now = w.now.Add(time.Duration(w.rand.Intn(1500)) * time.Millisecond)
	if !w.wake.IsZero() && !w.now.Before(w.wake) {
		w.wake = time.Time{}
		w.send(serviceWoken, nil)
		return
	}
	var living []string
	for _, id := range w.names {
		if w.tasks[id].Status != Stopped {
			living = append(living, id)
		}
	}
	if len(living) == 0 {
		if !w.wake.IsZero() {
			w.now = w.wake
		}
		return
	}
	r := w.tasks[living[w.rand.Intn(len(living))]]
	w.live(r)
	r.Version++
	w.send(serviceReported, *r)
}

func (w *world) live(r *Replica) {
	if r.Leaving {
		w.end(r)
		return
	}
	switch r.Status {
	case Provisioning:
		r.Status = Pending
	case Pending:
		if w.breaks(r.Deployment) || w.misfortunes && w.rand.Intn(10) == 0 {
			w.leave(r, "TaskFailedToStart")
			return
		}
		r.Status = Activating
	case Activating:
		r.Status, r.StartedAt = Running, w.now
		w.mark(r, "initial")
	case Running:
		switch {
		case w.sick(r.Deployment) || w.misfortunes && w.rand.Intn(20) == 0:
			w.mark(r, "unhealthy")
		case w.misfortunes && w.rand.Intn(40) == 0:
			w.leave(r, "EssentialContainerExited")
		default:
			w.mark(r, "healthy")
		}
	}
}

// end takes a leaving task down: targets first.
func (w *world) end(r *Replica) {
	switch {
	case r.Status.before(Running):
		r.Status = Stopped
	case r.Status == Running:
		r.Status = Deactivating
		w.mark(r, "draining")
	case r.Status == Deactivating:
		w.drained[r.ID] = true
		r.Status = Stopping
	case r.Status == Stopping:
		r.Status = Deprovisioning
	default:
		r.Status = Stopped
	}
}

func (w *world) mark(r *Replica, state string) {
	for i := range r.Targets {
		r.Targets[i].State, r.Targets[i].Reason = state, "Health checks failed"
	}
}

// settled is what the services-stable waiter of the AWS clients asks.
func (w *world) settled() bool {
	_, running := w.service.counts("")
	return len(w.service.Deployments) == 1 && running == w.service.Desired && w.service.Steady
}

func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for range 20_000 {
		if ok() {
			return
		}
		w.advance()
	}
	w.t.Fatalf("never: %s\n%s", what, w.tell())
}

func (w *world) tell() string {
	var b strings.Builder
	for _, d := range w.service.Deployments {
		fmt.Fprintf(&b, "%s %s %s failed %d\n", d.ID, d.Revision.TaskDefinition, d.Rollout, d.FailedTasks)
	}
	for _, r := range w.service.Replicas {
		fmt.Fprintf(&b, "%+v\n", r)
	}
	for i := len(w.service.Events) - 1; i >= 0; i-- {
		fmt.Fprintln(&b, w.service.Events[i].Message)
	}
	return b.String()
}
