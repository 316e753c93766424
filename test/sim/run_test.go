package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/store"
)

// run is a story being played: the users' side of a world, and the facts so far.
type run struct {
	t     *testing.T
	w     *world
	ctx   context.Context
	facts []fact
	ended int               // facts up to the last end of an execution that was waited for
	seq   int               // of the last fact that was read
	names map[string]string // the facts' ids, as e1, b1, d1, t1
}

// fact is a fact in short: of whom, and what ("action Build STARTED").
type fact struct{ subject, what string }

func (f fact) String() string { return f.subject + " " + f.what }

// patience is how long a run waits for a fact, in virtual time.
const patience = 3 * time.Hour

// await waits for a fact, which may have come already.
func (r *run) await(text string) {
	r.t.Helper()
	r.until(text, 0, func(f fact) bool { return f.String() == text })
}

// awaitEnd waits for the next end of an execution and tells how it ended.
func (r *run) awaitEnd(execution string) (state string) {
	r.t.Helper()
	r.ended = 1 + r.until("the end of "+execution, r.ended, func(f fact) bool {
		state = strings.TrimPrefix(f.what, "pipeline ")
		return f.subject == execution && f.what != state && state != "STARTED" && state != "RESUMED"
	})
	return state
}

// until takes in facts until one of them, from the given one on, is what is waited for.
func (r *run) until(what string, from int, is func(fact) bool) (at int) {
	r.t.Helper()
	rung, stop := r.w.db.Listen("facts")
	defer stop()
	deadline := r.w.clock.After(patience)
	for {
		r.read()
		for ; from < len(r.facts); from++ {
			if is(r.facts[from]) {
				return from
			}
		}
		select {
		case <-rung:
			r.pause(20 * time.Millisecond) // people are slow, and facts come together
		case <-deadline:
			r.t.Fatalf("%s did not come within %s", what, patience)
		}
	}
}

// read takes in what the database has of new facts.
func (r *run) read() {
	r.t.Helper()
	err := r.w.db.View(r.ctx, func(ctx context.Context, rd store.Reader) error {
		return store.Select(ctx, rd, `SELECT seq, detail_type, resources, detail FROM facts WHERE seq > $1 ORDER BY seq`, []any{r.seq}, func(scan func(...any) error) error {
			var kind, resources, detail string
			if err := scan(&r.seq, &kind, &resources, &detail); err != nil {
				return err
			}
			f, err := r.inShort(kind, resources, detail)
			r.facts = append(r.facts, f)
			r.w.fate.note("fact: " + f.String())
			return err
		})
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *run) inShort(kind, resources, detail string) (fact, error) {
	var of []string
	var d struct {
		Execution  string `json:"execution-id"`
		Stage      string
		Action     string
		State      string
		Status     string `json:"build-status"`
		Phase      string `json:"current-phase"`
		Completed  string `json:"completed-phase"`
		Outcome    string `json:"completed-phase-status"`
		Deployment string `json:"deploymentId"`
		Event      string `json:"eventName"`
		Version    any    // a pipeline's, a task's
		Task       string `json:"lastStatus"`
		Desired    string `json:"desiredStatus"`
	}
	if err := errors.Join(json.Unmarshal([]byte(detail), &d), json.Unmarshal([]byte(resources), &of)); err != nil {
		return fact{}, fmt.Errorf("read fact %s: %w", kind, err)
	}
	switch kind {
	case "CodePipeline Pipeline Execution State Change":
		return fact{r.name("e", d.Execution), "pipeline " + d.State}, nil
	case "CodePipeline Stage Execution State Change":
		return fact{r.name("e", d.Execution), "stage " + d.Stage + " " + d.State}, nil
	case "CodePipeline Action Execution State Change":
		return fact{r.name("e", d.Execution), "action " + d.Action + " " + d.State}, nil
	case "CodeBuild Build State Change":
		return fact{r.name("b", of[0]), "build " + d.Phase + " " + d.Status}, nil
	case "CodeBuild Build Phase Change":
		return fact{r.name("b", of[0]), "phase " + d.Completed + " " + d.Outcome}, nil
	case "ECS Deployment State Change":
		return fact{r.name("d", d.Deployment), "deployment " + d.Event}, nil
	case "ECS Task State Change":
		return fact{r.name("t", of[0]), fmt.Sprintf("task %v %s, wanted %s", d.Version, d.Task, d.Desired)}, nil
	}
	return fact{"-", strings.TrimSpace(kind + " " + d.Event)}, nil
}

// name is the short name of an id, by the order of appearance.
func (r *run) name(prefix, id string) string {
	if r.names[id] == "" {
		n := 1
		for _, other := range r.names {
			if strings.HasPrefix(other, prefix) {
				n++
			}
		}
		r.names[id] = fmt.Sprint(prefix, n)
	}
	return r.names[id]
}

// id is what has a short name.
func (r *run) id(name string) string {
	r.t.Helper()
	for id, n := range r.names {
		if n == name {
			return id
		}
	}
	r.t.Fatalf("nothing is called %s", name)
	return ""
}

// pause lets virtual time pass.
func (r *run) pause(d time.Duration) {
	select {
	case <-r.ctx.Done():
	case <-r.w.clock.After(d):
	}
}

// rest waits until nothing is left to do.
func (r *run) rest() {
	r.t.Helper()
	var busy string
	for end := r.w.clock.Now().Add(patience); r.w.clock.Now().Before(end); r.pause(time.Second) {
		if busy = r.busy(); busy == "" {
			r.read()
			return
		}
	}
	r.t.Fatalf("after %s there still is something to do: %s", patience, busy)
}

// busy tells what is under way.
func (r *run) busy() (what string) {
	r.t.Helper()
	err := r.w.db.View(r.ctx, func(ctx context.Context, rd store.Reader) error {
		for name, query := range map[string]string{
			"events to turn":     `SELECT count(*) FROM engine_inbox WHERE turned_at = 0`,
			"effects to do":      `SELECT count(*) FROM engine_effects WHERE "do" <> ''`,
			"facts to hear":      `SELECT count(*) FROM facts WHERE seq > (SELECT min(seq) FROM fact_cursors)`,
			"tasks under way":    `SELECT count(*) FROM ecs_tasks WHERE document ->> 'Status' NOT IN ('RUNNING', 'STOPPED')`,
			"services not ready": `SELECT count(*) FROM ecs_services WHERE NOT document ->> 'Steady'`,
			"builds under way":   `SELECT count(*) FROM codebuild_builds WHERE ix_running <> ''`,
		} {
			var n int
			if err := store.Row(ctx, rd, query, nil, &n); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if n > 0 {
				what += fmt.Sprintf("%d %s ", n, name)
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	pods, err := r.w.pods.List(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range pods {
		if p.Phase != compute.Running {
			what += fmt.Sprintf("pod %s is %s ", p.Pod, p.Phase)
		}
	}
	return what
}
