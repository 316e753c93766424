package ecs

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/engine"
)

var started = time.Unix(1_700_000_000, 0).UTC()

// observation is a pod of one container "app".
func observation(phase compute.Phase, exit *compute.Exit) compute.Status {
	s := compute.Status{Phase: phase, Containers: []compute.ContainerStatus{{Name: "app", ID: "c1", Exit: exit}}}
	if phase != compute.Pending {
		s.Containers[0].StartedAt = started
	}
	return s
}

// happenings are all events that a task can meet.
func happenings(hasTargets bool) map[string]engine.Event {
	all := map[string]engine.Event{}
	add := func(label, name string, body any) {
		b, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		all[label] = engine.Event{Name: name, At: started, Body: b}
	}
	add("attached", taskAttached, Interface{ID: "eni-1", Address: "10.0.0.1"})
	add("failed", taskFailed, failure{Reason: "CannotPullContainerError: no"})
	add("attach.failed", "attach.failed", engine.Failure{Error: "no"})
	add("containers run", taskObserved, observation(compute.Running, nil))
	add("essential exit", taskObserved, observation(compute.Stopped, &compute.Exit{Code: 1, At: started}))
	add("lost", taskObserved, observation(compute.Lost, nil))
	add("stop", taskStop, stopOrder{"UserInitiated", "Task stopped by user"})
	add("killed", taskKilled, observation(compute.Stopped, &compute.Exit{Code: 143, At: started}))
	add("released", taskReleased, nil)
	add("forget", taskForget, nil)
	if hasTargets {
		add("registered", taskRegistered, nil)
		add("register.failed", "register.failed", engine.Failure{Error: "no"})
		for _, state := range []string{"healthy", "unhealthy", "draining", "unused"} {
			add(state, taskTargets, []Target{{Group: "tg", Port: 80, State: state}})
		}
	}
	return all
}

func someTask(hasTargets bool) Task {
	t := Task{ID: "t", Cluster: "c", Service: "web", Status: Provisioning, Containers: []Container{{Name: "app", Essential: true, Status: Pending, Health: "UNKNOWN"}}}
	if hasTargets {
		t.Targets = []Target{{Group: "tg", Container: "app", Port: 80}}
	}
	return t
}

func FuzzTaskIsKilledOnlyAfterItsTargetsDrained(f *testing.F) {
	for seed := range int64(500) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed int64) {
		r := rand.New(rand.NewSource(seed))
		hasTargets := r.Intn(3) > 0
		all := happenings(hasTargets)
		labels := sortedKeys(all)
		task, said := someTask(hasTargets), ""
		var path []string
		for range 60 {
			label := labels[r.Intn(len(labels))]
			path = append(path, label)
			turn, err := stepTask(task, all[label])
			if err != nil {
				t.Fatal(err)
			}
			next := turn.Next
			if next.Status.before(task.Status) {
				t.Fatalf("%s went back to %s: %v", task.Status, next.Status, path)
			}
			if label == "draining" || label == "unused" || label == "healthy" || label == "unhealthy" {
				said = label
			}
			for _, e := range turn.Effects {
				served := task.Status == Running || task.Status == Deactivating || task.Status == Activating
				if e.Do == "kill" && hasTargets && served && said != "unused" && next.Containers[0].Status != Stopped {
					t.Fatalf("killed while its target was %q: %v", said, path)
				}
				if e.Do == "release" && task.Status != Stopping && task.Status != Provisioning {
					t.Fatalf("released from %s: %v", task.Status, path)
				}
			}
			if again, err := stepTask(next, all[label]); err != nil || again.Next.Status.before(next.Status) {
				t.Fatalf("a doubled event: %v, %v", err, path)
			}
			task = next
		}
	})
}

// Whoever deregisters before the registration has come leaves a target for good.
func TestATaskStoppedWhileItRegistersIsDeregisteredAfterwards(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"registered", "register.failed"} {
		all, task := happenings(true), someTask(true)
		var asked []string
		for _, label := range []string{"attached", "containers run", "stop", "unused", end, "unused"} {
			turn, err := stepTask(task, all[label])
			if err != nil {
				t.Fatal(err)
			}
			task = turn.Next
			for _, e := range turn.Effects {
				if e.Do != "report" {
					asked = append(asked, label+" → "+e.Do)
				}
			}
		}
		if got, want := strings.Join(asked, ", "), "attached → launch, containers run → register, "+end+" → deregister, unused → kill"; got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

// draw lists every transition that the machine makes, by walking it.
func draw() string {
	found := map[string]map[string]bool{}
	for _, hasTargets := range []bool{false, true} {
		all := happenings(hasTargets)
		seen := map[string]bool{}
		queue := []Task{someTask(hasTargets)}
		for len(queue) > 0 {
			task := queue[0]
			queue = queue[1:]
			key := fmt.Sprint(task.Status, task.IsStopped, task.IsRegistering, task.fingerprintOf())
			if seen[key] {
				continue
			}
			seen[key] = true
			for _, label := range sortedKeys(all) {
				turn, err := stepTask(task, all[label])
				if err != nil {
					panic(err)
				}
				if next := turn.Next; next.Status != task.Status {
					arrow := fmt.Sprintf("%s --> %s", task.Status, next.Status)
					if found[arrow] == nil {
						found[arrow] = map[string]bool{}
					}
					found[arrow][label] = true
				}
				queue = append(queue, turn.Next)
			}
		}
	}
	arrows := sortedKeys(found)
	slices.SortStableFunc(arrows, func(a, b string) int {
		from := func(s string) int { return slices.Index(order, Status(strings.Fields(s)[0])) }
		return from(a) - from(b)
	})
	var b strings.Builder
	b.WriteString("# An ECS task\n\nDrawn from `internal/service/ecs/taskmachine.go` by its test (`go test ./internal/service/ecs -run Drawing -update`).\n")
	b.WriteString("`healthy`, `draining`, `unused` are the words of the task's target groups.\n\n```mermaid\nstateDiagram-v2\n    [*] --> PROVISIONING\n")
	for _, a := range arrows {
		fmt.Fprintf(&b, "    %s: %s\n", a, strings.Join(sortedKeys(found[a]), ", "))
	}
	b.WriteString("    DELETED --> [*]\n```\n")
	return b.String()
}

func (t *Task) fingerprintOf() string { return (&life{Task: t}).fingerprint() }

func TestDrawing(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "docs", "states", "ecs-task.md")
	got := draw()
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
		t.Errorf("%s is not what the machine does; run with -update:\n%s", path, got)
	}
}
