package rds

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/store"
)

var update = flag.Bool("update", false, "write the golden files")

func fresh() Instance {
	return Instance{Scope: store.Scope{Account: "1", Region: "r"}, ID: "db", ResourceID: "db-X", Suffix: "s", Status: creating, Attempt: 1, Port: 5432}
}

// sim is one instance and its outside: effects are done in any order.
type sim struct {
	t          *testing.T
	i          Instance
	waiting    []engine.Effect
	timer      bool
	interfaces map[string]bool
	pods       map[int]bool // attempts whose container is there
	gone       bool
}

func newSim(t *testing.T) *sim {
	s := &sim{t: t, i: fresh(), interfaces: map[string]bool{}, pods: map[int]bool{}}
	s.tell(evCreated, 0)
	return s
}

func (s *sim) send(e engine.Event) {
	s.t.Helper()
	turn, err := step(s.i, e)
	if err != nil {
		s.t.Fatal(err)
	}
	s.i = turn.Next
	exclusive := 0
	for _, f := range turn.Effects {
		if f.Do == "" {
			s.timer = true
			continue
		}
		if !slices.ContainsFunc(s.waiting, func(w engine.Effect) bool { return w.Name == f.Name }) {
			s.waiting = append(s.waiting, f)
		}
	}
	for _, w := range s.waiting {
		if w.Do != "publish" && w.Do != "apply" {
			exclusive++
		}
	}
	if exclusive > 1 {
		s.t.Fatalf("two effects on container or interface at once after %s: %+v", e.Name, s.waiting)
	}
}

func (s *sim) tell(name string, n int) {
	f := s.i.effect(name, n)
	s.send(engine.Event{ID: f.Name, Name: name, Body: f.Body})
}

// do ends one effect.
func (s *sim) do(k int, fails bool) {
	s.t.Helper()
	f := s.waiting[k]
	s.waiting = slices.Delete(slices.Clone(s.waiting), k, k+1)
	if fails {
		body, _ := json.Marshal(engine.Failure{Do: f.Do, Error: "no"})
		s.send(engine.Event{Name: f.Name + ".failed", Body: body})
		return
	}
	var n int
	_ = json.Unmarshal(f.Body, &n)
	switch f.Do {
	case "attach":
		s.interfaces["eni"] = true
		body, _ := json.Marshal(attachment{"eni", netip.MustParseAddr("10.0.0.9")})
		s.send(engine.Event{ID: f.Name, Name: evAttached, Body: body})
	case "publish":
		s.tell(evPublished, 0)
	case "apply":
		s.tell(evApplied, n)
	case "start":
		if n == s.i.Attempt && s.i.runs() {
			s.pods = map[int]bool{n: true}
		}
		s.tell(evStarted, n)
	case "halt":
		s.pods = map[int]bool{}
		s.tell(evHalted, n)
	case "remove":
		s.pods, s.interfaces = map[int]bool{}, map[string]bool{}
		s.tell(evRemoved, 0)
	case "forget":
		s.gone = true
	}
}

// random does one thing that may happen next.
func (s *sim) random(r *rand.Rand, n int) {
	user := func(from string, to, event string) {
		if s.i.Status == from {
			s.i.Status = to
			s.tell(event, 1000+n)
		}
	}
	switch k := r.IntN(14); {
	case k < 6 && len(s.waiting) > 0:
		s.do(r.IntN(len(s.waiting)), r.IntN(12) == 0)
	case k < 9:
		if s.pods[s.i.Attempt] {
			s.tell(evHealthy, s.i.Attempt)
		}
	case k == 9:
		if s.pods[s.i.Attempt] {
			at := s.i.Attempt
			delete(s.pods, at)
			s.tell(evLost, at)
		}
	case k == 10:
		user(available, rebooting, evRestart)
	case k == 11:
		user(available, stopping, evStop)
		user(stopped, starting, evStart)
	case k == 12:
		if s.i.Status == available {
			s.i.changed()
			s.tell(evModified, 1000+n)
		}
	case s.timer:
		s.timer = false
		s.send(engine.Event{Name: s.i.ResourceID + "/again", ID: fmt.Sprint("timer", n)})
	}
}

// rest lets everything succeed until nothing is to be done.
func (s *sim) rest() {
	for range 200 {
		switch {
		case len(s.waiting) > 0:
			s.do(0, false)
		case s.timer:
			s.timer = false
			s.send(engine.Event{Name: s.i.ResourceID + "/again", ID: "timer"})
		case s.i.runs() && !s.i.Ready && s.pods[s.i.Attempt]:
			s.tell(evHealthy, s.i.Attempt)
		default:
			return
		}
	}
	s.t.Fatalf("never comes to rest: %+v", s.i)
}

func TestWhateverHappensItServesAndIsRemovedWhole(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newSim(t)
		for n := range r.IntN(80) {
			s.random(r, n)
		}
		if seed%2 == 0 {
			s.rest()
			if st := s.i.Status; st != available && st != stopped && st != stateFailed && st != incompatible {
				t.Fatalf("seed %d rests %s: %+v", seed, st, s.i)
			}
			if s.i.Status == available && !s.pods[s.i.Attempt] {
				t.Fatalf("seed %d: available without a container: %+v", seed, s.i)
			}
		}
		s.i.Status = deleting
		s.tell(evDeleted, 9999)
		s.rest()
		if !s.gone || len(s.interfaces)+len(s.pods) > 0 {
			t.Fatalf("seed %d: gone %v, left %v %v: %+v", seed, s.gone, s.interfaces, s.pods, s.i)
		}
	}
}

func TestALostContainerIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	s := newSim(t)
	s.rest()
	if s.i.Status != available || s.i.Attempt != 1 {
		t.Fatalf("%+v", s.i)
	}
	s.tell(evLost, 1)
	if s.i.Status != rebooting || s.timer || len(s.waiting) != 1 || s.waiting[0].Name != "db-X/start/2" {
		t.Fatalf("%+v %+v", s.i, s.waiting)
	}
	s.rest()
	if s.i.Status != available || s.i.Interface != "eni" {
		t.Errorf("%+v", s.i)
	}
	s.tell(evLost, 1) // late: the first container's
	if s.i.Status != available {
		t.Errorf("%+v", s.i)
	}
}

func TestAFirstStartThatNeverServesFails(t *testing.T) {
	t.Parallel()
	s := newSim(t)
	for range startTries {
		for len(s.waiting) > 0 {
			s.do(0, false)
		}
		s.tell(evLost, s.i.Attempt)
		if s.timer {
			s.timer = false
			s.send(engine.Event{Name: "db-X/again"})
		}
	}
	if s.i.Status != stateFailed || s.i.Reason == "" {
		t.Errorf("%+v", s.i)
	}
}

func TestAnEventOfAnEarlierInstanceIsIgnored(t *testing.T) {
	t.Parallel()
	i := fresh()
	turn, err := step(i, engine.Event{ID: "db-OLD/removed/0", Name: evRemoved})
	if err != nil || turn.Next.Removed || len(turn.Effects) > 0 {
		t.Errorf("%+v %v", turn, err)
	}
}

// TestDrawing walks the states as a user meets them.
func TestDrawing(t *testing.T) {
	t.Parallel()
	const file = "../../../docs/states/rds-instance.md"
	var b strings.Builder
	b.WriteString("# A DB instance\n\nDrawn from `internal/service/rds/machine.go` by its test (`go test ./internal/service/rds -run Drawing -update`).\n" +
		"What a user asks for is written in capitals; the rest are the machine's events.\n\n```mermaid\nstateDiagram-v2\n    [*] --> creating: CREATE\n")
	edge := func(from, to, why string) { fmt.Fprintf(&b, "    %s --> %s: %s\n", from, to, why) }
	try := func(from string, why string, change func(*sim)) {
		s := newSim(t)
		if from != creating {
			s.rest()
		}
		if from != creating && from != available {
			s.i.Status = from
		}
		change(s)
		if s.i.Status != from {
			edge(from, s.i.Status, why)
		}
	}
	lose := func(s *sim) { s.tell(evLost, s.i.Attempt) }
	settle := func(s *sim) { s.i.Ready = false; s.tell(evHealthy, s.i.Attempt) }
	try(creating, "healthy and published", func(s *sim) { s.rest() })
	try(creating, "attach.failed", func(s *sim) { s.do(0, true) })
	try(creating, "start.failed, or lost "+fmt.Sprint(startTries)+" times", func(s *sim) { s.do(0, false); s.do(len(s.waiting)-1, true) })
	try(available, "lost", lose)
	edge(available, rebooting, "REBOOT")
	edge(available, modifying, "MODIFY")
	edge(available, stopping, "STOP")
	try(modifying, "applied", func(s *sim) { s.i.Changes = 1; s.tell(evApplied, 1) })
	try(modifying, "lost", lose)
	try(rebooting, "healthy", settle)
	try(stopping, "halted", func(s *sim) { s.tell(evHalted, 1) })
	edge(stopped, starting, "START")
	try(starting, "healthy", settle)
	for _, from := range []string{creating, available, modifying, rebooting, stopping, stopped, starting, stateFailed, incompatible} {
		edge(from, deleting, "DELETE")
	}
	edge(deleting, "[*]", "removed")
	b.WriteString("```\n")
	got := strings.ReplaceAll(b.String(), "incompatible-network", "incompatible_network")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("the drawing is old: run with -update (%v)", err)
	}
}

func TestPausesGrow(t *testing.T) {
	t.Parallel()
	i := fresh()
	var last time.Duration
	at := time.Unix(1000, 0)
	for range 12 {
		i.Status = starting
		due := i.lost(at)[0].Due.Sub(at)
		if due < last || due > maxPause {
			t.Fatalf("pause %s after %s", due, last)
		}
		last = due
	}
	if last != maxPause {
		t.Errorf("ends at %s", last)
	}
}
