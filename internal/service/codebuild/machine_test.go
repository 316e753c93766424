package codebuild

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
	"github.com/penstock-ci/penstock/internal/store"
)

var update = flag.Bool("update", false, "write golden files")

var t0 = time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)

func queued() Build {
	return Build{
		Scope: store.Scope{Account: "100000000001", Region: "us-east-1"}, Project: "demo", UUID: "u", Number: 1,
		Phase: Queued, Status: InProgress, Start: t0, Asked: Asked{Timeout: time.Hour, Queued: 8 * time.Hour},
		Phases: []Entry{{Phase: Submitted, Status: protocol.Succeeded, Start: t0, End: t0}, {Phase: Queued, Start: t0}},
	}
}

func ev(name string, body any) engine.Event {
	raw, _ := json.Marshal(body)
	return engine.Event{Name: name, At: t0.Add(time.Minute), Body: raw}
}

func report(n uint64, phase, state string) engine.Event {
	return ev(evReported, []protocol.Report{{N: n, At: t0.Add(time.Second * time.Duration(n+2)).UnixMilli(), Phase: phase, State: state}})
}

func apply(t *testing.T, b Build, events ...engine.Event) Build {
	t.Helper()
	for _, e := range events {
		turn, err := step(b, e)
		if err != nil {
			t.Fatal(err)
		}
		b = turn.Next
	}
	return b
}

func phases(b Build) string {
	var out []string
	for _, p := range b.Phases {
		out = append(out, strings.TrimSpace(string(p.Phase)+" "+p.Status))
	}
	return strings.Join(out, ", ")
}

func TestBuildThatSucceedsHasAllPhases(t *testing.T) {
	t.Parallel()
	events := []engine.Event{ev(evSubmitted, nil), ev(evAdmitted, nil), ev(evProvisioned, nil)}
	n := uint64(0)
	for _, p := range order[3:9] {
		events = append(events, report(n, string(p), ""), report(n+1, string(p), protocol.Succeeded))
		n += 2
	}
	b := apply(t, queued(), append(events, report(n, "", protocol.Succeeded))...)
	var want []string
	for _, p := range order[:10] {
		want = append(want, string(p)+" SUCCEEDED")
	}
	if got := phases(b); got != strings.Join(want, ", ")+", COMPLETED" || b.Status != protocol.Succeeded {
		t.Errorf("%s: %s", b.Status, got)
	}
}

func TestBuildEndsAsItsEndAsks(t *testing.T) {
	t.Parallel()
	running := []engine.Event{ev(evSubmitted, nil), ev(evAdmitted, nil), ev(evAttached, Attachment{"eni-1", "subnet-1"}), ev(evProvisioned, nil), report(0, "DOWNLOAD_SOURCE", "")}
	for name, tc := range map[string]struct {
		events []engine.Event
		want   string
	}{
		"stopped while it waits":  {[]engine.Event{ev(evSubmitted, nil), ev(evStop, nil)}, "STOPPED: SUBMITTED SUCCEEDED, QUEUED STOPPED, FINALIZING SUCCEEDED, COMPLETED"},
		"stopped while it runs":   {append(slices.Clone(running), ev(evStop, nil)), "STOPPED: SUBMITTED SUCCEEDED, QUEUED SUCCEEDED, PROVISIONING SUCCEEDED, DOWNLOAD_SOURCE STOPPED, FINALIZING SUCCEEDED, COMPLETED"},
		"out of time":             {append(slices.Clone(running), ev(evTimedOut, nil)), "TIMED_OUT: SUBMITTED SUCCEEDED, QUEUED SUCCEEDED, PROVISIONING SUCCEEDED, DOWNLOAD_SOURCE TIMED_OUT, FINALIZING SUCCEEDED, COMPLETED"},
		"queued too long":         {[]engine.Event{ev(evSubmitted, nil), ev(evQueuedLong, nil)}, "TIMED_OUT: SUBMITTED SUCCEEDED, QUEUED TIMED_OUT, FINALIZING SUCCEEDED, COMPLETED"},
		"container lost":          {append(slices.Clone(running), ev(evLost, Loss{OOM: true})), "FAULT: SUBMITTED SUCCEEDED, QUEUED SUCCEEDED, PROVISIONING SUCCEEDED, DOWNLOAD_SOURCE FAULT, FINALIZING SUCCEEDED, COMPLETED"},
		"stopped from outside":    {append(slices.Clone(running), report(1, "DOWNLOAD_SOURCE", protocol.Stopped), report(2, "", protocol.Stopped)), "FAULT: SUBMITTED SUCCEEDED, QUEUED SUCCEEDED, PROVISIONING SUCCEEDED, DOWNLOAD_SOURCE FAULT, FINALIZING SUCCEEDED, COMPLETED"},
		"image that is not there": {[]engine.Event{ev(evSubmitted, nil), ev(evAdmitted, nil), ev(evRefused, protocol.Context{Code: "X"})}, "FAILED: SUBMITTED SUCCEEDED, QUEUED SUCCEEDED, PROVISIONING FAILED, FINALIZING SUCCEEDED, COMPLETED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := apply(t, queued(), tc.events...)
			if got := b.Status + ": " + phases(b); got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestDoubledReportsChangeNothing(t *testing.T) {
	t.Parallel()
	b := apply(t, queued(), ev(evSubmitted, nil), ev(evAdmitted, nil), report(0, "DOWNLOAD_SOURCE", ""), report(1, "DOWNLOAD_SOURCE", protocol.Succeeded))
	again := apply(t, b, report(0, "DOWNLOAD_SOURCE", ""), report(1, "DOWNLOAD_SOURCE", protocol.Failed))
	if phases(again) != phases(b) {
		t.Errorf("%s became %s", phases(b), phases(again))
	}
}

// sample is every event that a build can meet, with n as the next report.
func sample(n uint64) []engine.Event {
	out := []engine.Event{
		ev(evSubmitted, nil), ev(evAdmitted, nil), ev(evAttached, Attachment{"eni-1", "subnet-1"}), ev(evPulling, nil), ev(evProvisioned, nil), ev(evRefused, protocol.Context{Code: "X"}),
		ev(evLost, Loss{}), ev(evStop, nil), ev(evTimedOut, nil), ev(evQueuedLong, nil), ev(evCleanAgain, nil), ev(evRetried, Retrial{"arn"}),
		ev(doAdmit+".failed", engine.Failure{Error: "x"}), ev(doAttach+".failed", engine.Failure{Error: "x"}), ev(doProvision+".failed", engine.Failure{Error: "x"}), ev(doClean+".failed", engine.Failure{Error: "x"}),
		report(n, "", protocol.Succeeded), report(n, "", protocol.Failed),
	}
	for _, p := range order[3:9] {
		out = append(out, report(n, string(p), ""), report(n, string(p), protocol.Succeeded), report(n, string(p), protocol.Failed))
	}
	return out
}

func TestRandomEventsKeepTheOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := queued()
		for range 40 {
			events := sample(b.Reports)
			e := events[r.IntN(len(events))]
			turn, err := step(b, e)
			if err != nil {
				t.Fatal(err)
			}
			if why := wrong(b, turn); why != "" {
				t.Fatalf("seed %d: %s after %s: %s", seed, b.Phase, e.Name, why)
			}
			b = turn.Next
		}
	}
}

// wrong says which invariant a turn breaks.
func wrong(b Build, turn engine.Turn[Build]) string {
	n := turn.Next
	switch {
	case isBefore(n.Phase, b.Phase):
		return "it moved back to " + string(n.Phase)
	case b.Complete() && (n.Status != b.Status || len(n.Phases) != len(b.Phases)):
		return "it changed after its end"
	case n.Complete() != (n.Status != InProgress):
		return "status " + n.Status + " in " + string(n.Phase)
	case n.Complete() && !b.Complete() && !slices.ContainsFunc(turn.Effects, func(f engine.Effect) bool { return f.Do == doClean }):
		return "it ended without cleaning"
	}
	for i, e := range n.Phases {
		if i > 0 && !isBefore(n.Phases[i-1].Phase, e.Phase) {
			return "phases " + phases(n)
		}
		if i < len(n.Phases)-1 && e.Status == "" {
			return "phase " + string(e.Phase) + " did not end"
		}
	}
	return ""
}

func TestDrawing(t *testing.T) {
	t.Parallel()
	const file = "../../../docs/states/codebuild-build.md"
	var b strings.Builder
	b.WriteString("# A build\n\nDrawn from `internal/service/codebuild/machine.go` by its test (`go test ./internal/service/codebuild -run Drawing -update`).\n" +
		"Events of the runner are written `PHASE began` and `PHASE ended`; `ended` stays in the phase.\n\n```mermaid\nstateDiagram-v2\n    [*] --> QUEUED\n")
	seen := map[Phase]bool{}
	todo := []Build{queued()}
	for len(todo) > 0 {
		from := todo[0]
		todo = todo[1:]
		if seen[from.Phase] {
			continue
		}
		seen[from.Phase] = true
		edges := map[Phase][]string{}
		var targets []Phase
		for _, e := range sample(from.Reports) {
			to := apply(t, from, e)
			if to.Phase == from.Phase {
				continue
			}
			if edges[to.Phase] == nil {
				targets = append(targets, to.Phase)
				todo = append(todo, to)
			}
			if l := label(e); !slices.Contains(edges[to.Phase], l) {
				edges[to.Phase] = append(edges[to.Phase], l)
			}
		}
		for _, to := range targets {
			fmt.Fprintf(&b, "    %s --> %s: %s\n", from.Phase, to, strings.Join(edges[to], ", "))
		}
	}
	b.WriteString("    COMPLETED --> [*]\n```\n")
	for _, p := range order[1:9] {
		if !seen[p] {
			t.Errorf("%s is never reached", p)
		}
	}
	if *update {
		if err := os.MkdirAll("../../../docs/states", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != b.String() {
		t.Errorf("the drawing is old: run with -update (%v)", err)
	}
}

func label(e engine.Event) string {
	var rs []protocol.Report
	if e.Name != evReported || json.Unmarshal(e.Body, &rs) != nil {
		return e.Name
	}
	switch {
	case rs[0].Phase == "":
		return "finished"
	case rs[0].State == "":
		return rs[0].Phase + " began"
	}
	return rs[0].Phase + " ended"
}
