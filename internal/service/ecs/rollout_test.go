package ecs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n%s", name, got)
	}
}

// readable replaces derived ids by short names in the order of their appearance.
func readable(w *world, text string) string {
	for i, id := range w.names {
		text = strings.ReplaceAll(text, id, fmt.Sprintf("task%d", i+1))
	}
	ids := append([]Deployment(nil), w.service.Past...)
	for _, d := range append(ids, w.service.Deployments...) {
		text = strings.ReplaceAll(text, d.ID, "ecs-svc/"+strings.TrimPrefix(d.Revision.TaskDefinition, "web:"))
	}
	return text
}

func (w *world) events() string {
	var b strings.Builder
	for i := len(w.service.Events) - 1; i >= 0; i-- {
		fmt.Fprintln(&b, w.service.Events[i].Message)
	}
	return readable(w, b.String())
}

func TestRollingUpdateTellsWhatAWSTells(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 2, 100, 200)
	w.hasTargets = true
	w.send(serviceChanged, nil)
	w.until("first deployment steady", w.settled)
	w.deploy("web:2")
	w.until("second deployment steady", w.settled)
	golden(t, "rolling-events.txt", w.events())
	golden(t, "rolling-facts.txt", readable(w, strings.Join(w.facts, "\n")+"\n"))
}

func TestBreakerRollsBackToTheOldDeploymentUnderItsOldID(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"never starts", "never healthy"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, 2, 100, 200)
			w.hasTargets = true
			w.service.Settings.Breaker, w.service.Settings.Rollback = true, true
			w.send(serviceChanged, nil)
			w.until("first deployment steady", w.settled)
			good := w.service.primary().ID
			bad := func(d string) bool { return d != good }
			if kind == "never starts" {
				w.breaks = bad
			} else {
				w.sick = bad
			}
			w.deploy("web:2")
			failed := w.service.primary().ID
			w.until("rolled back", func() bool { return w.service.primary().ID == good })
			if d := w.service.deployment(failed); d == nil || d.Rollout != Failed || d.FailedTasks != 3 || d.Outcome != "ROLLBACK_IN_PROGRESS" {
				t.Fatalf("the failed deployment: %+v", d)
			}
			if got, want := w.service.primary().RolloutReason, "ECS deployment circuit breaker: rolling back to deploymentId "+good+"."; got != want {
				t.Errorf("reason %q, want %q", got, want)
			}
			w.until("steady again", w.settled)
			if w.service.Past[0].ID != failed || w.service.Past[0].Outcome != "ROLLBACK_SUCCESSFUL" {
				t.Errorf("past: %+v", w.service.Past)
			}
			golden(t, "rollback-"+strings.ReplaceAll(kind, " ", "-")+".txt", w.events())
		})
	}
}

func TestBreakerWithNothingToGoBackToStalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, 1, 100, 200)
	w.service.Settings.Breaker, w.service.Settings.Rollback = true, true
	w.breaks = func(string) bool { return true }
	w.send(serviceChanged, nil)
	w.until("failed", func() bool { return w.service.primary().Rollout == Failed })
	started := len(w.names)
	for range 200 {
		w.advance()
	}
	if len(w.names) != started || w.service.primary().Outcome != "STOPPED" {
		t.Errorf("a failed deployment went on: %s", w.tell())
	}
}

func TestStuckPercentagesAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4, 1, 100, 100)
	w.send(serviceChanged, nil)
	w.until("first deployment steady", w.settled)
	w.deploy("web:2")
	const want = "(service web) was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
	w.until("told", func() bool { return w.service.Events[0].Message == want })
	w.service.Settings.Minimum = 0
	w.send(serviceChanged, nil)
	w.until("steady", w.settled)
}

func TestDeletionEndsInactive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 3, 100, 200)
	w.hasTargets = true
	w.send(serviceChanged, nil)
	w.until("steady", w.settled)
	w.service.Status, w.service.Desired = "DRAINING", 0
	w.send(serviceChanged, nil)
	w.until("inactive", func() bool { return w.service.Status == "INACTIVE" })
	for _, id := range w.names {
		if !w.drained[id] {
			t.Errorf("task %s was not drained", id)
		}
	}
}

func FuzzRolloutKeepsItsBoundsAndEnds(f *testing.F) {
	for seed := range int64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed int64) {
		w := newWorld(t, seed, 1, 100, 200)
		r := w.rand
		w.hasTargets = r.Intn(2) == 0
		w.service.Desired = r.Intn(7)
		w.service.Settings.Minimum = []int{0, 33, 50, 75, 100}[r.Intn(5)]
		w.service.Settings.Maximum = []int{125, 150, 200}[r.Intn(3)]
		w.service.Settings.Breaker = r.Intn(2) == 0
		w.service.Settings.Rollback = r.Intn(2) == 0
		w.misfortunes = true
		w.send(serviceChanged, nil)
		for i := range 3 {
			for range r.Intn(200) {
				w.advance()
			}
			if r.Intn(3) == 0 {
				w.service.Desired = r.Intn(7)
				w.send(serviceChanged, nil)
			}
			w.deploy(fmt.Sprintf("web:%d", i+2))
		}
		w.misfortunes = false
		w.service.Settings.Minimum, w.service.Settings.Maximum = 50, 200
		w.deploy("web:9") // a stalled deployment is only ended by a new one
		w.until("steady", w.settled)
		if d := w.service.primary(); d.Rollout != Completed {
			t.Errorf("steady, but the rollout is %s", d.Rollout)
		}
	})
}
