package fake

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/computetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	computetest.Run(t, func(t *testing.T) computetest.Fixture {
		b := New(clock.System{}, nil)
		return computetest.Fixture{
			Backend: b,
			Again:   func(*testing.T) compute.Backend { return b }, // the machine is the Backend
			Container: func(s computetest.Script) compute.Container {
				words := []string{fmt.Sprintf("exit=%d sleep=%v", s.Code, s.Run)}
				if s.Run < 0 {
					words[0] = "sleep=forever"
				}
				for _, p := range s.Print {
					words = append(words, "print="+p)
				}
				return compute.Container{Name: s.Name, Image: "any", Env: []string{Variable + "=" + strings.Join(words, " ")}}
			},
		}
	})
}

func TestScriptsOfFailure(t *testing.T) {
	t.Parallel()
	b := New(clock.System{}, nil)
	seen := make(chan compute.Status, 100)
	go func() { _ = b.Watch(t.Context(), func(s compute.Status) { seen <- s }) }()
	for script, ok := range map[string]func(compute.Status) bool{
		"sleep=1ms oom":           func(s compute.Status) bool { return s.Containers[0].Exit != nil && s.Containers[0].Exit.OOM },
		"sleep=1ms lost":          func(s compute.Status) bool { return s.Phase == compute.Lost },
		"sleep=forever unhealthy": func(s compute.Status) bool { return s.Containers[0].Health == "UNHEALTHY" },
	} {
		c := compute.Container{Name: "c", Image: "any", Env: []string{Variable + "=" + script}, Health: &compute.Health{}, Essential: true}
		if _, err := b.Ensure(t.Context(), compute.Pod{Name: script, Containers: []compute.Container{c}}); err != nil {
			t.Fatal(err)
		}
		for limit := time.After(time.Minute); ; {
			select {
			case s := <-seen:
				if s.Pod != script || !ok(s) {
					continue
				}
			case <-limit:
				t.Fatalf("script %q did not get there", script)
			}
			break
		}
	}
	if _, err := Parse("sleep=1s explode"); err == nil {
		t.Error("a word that means nothing was taken")
	}
}
