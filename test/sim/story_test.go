package sim

import (
	"slices"
	"time"
)

// story is what users do and what must have come of it, however often the server died.
type story struct {
	name  string
	share int // of the seeds, in twelfths: the long ones are played less often
	play  func(r *run)
	want  want
}

// want counts what a story makes, all its executions together.
type want struct {
	executions                       string // their ends, oldest first
	builds, definitions, deployments int
	runs                             string // the commit, in the end
	abandons                         bool   // an action that has begun may be forgotten
}

const pipeline = "delivery"

var stories = []story{
	{"a commit is delivered", 2, func(r *run) {
		r.push("commit-2")
		r.await("e1 pipeline SUCCEEDED")
	}, want{executions: "Succeeded", builds: 1, definitions: 1, deployments: 1, runs: "commit-2"}},

	{"an approval is given", 1, func(r *run) {
		r.gate()
		r.push("commit-2")
		r.answer("Approved")
		r.await("e1 pipeline SUCCEEDED")
	}, want{executions: "Succeeded", builds: 1, definitions: 1, deployments: 1, runs: "commit-2"}},

	{"an approval is refused", 2, func(r *run) {
		r.gate()
		r.push("commit-2")
		r.answer("Rejected")
		r.await("e1 pipeline FAILED")
	}, want{executions: "Failed", builds: 1, runs: "commit-1"}},

	{"an execution is stopped", 2, func(r *run) {
		r.w.takes(time.Minute)
		r.push("commit-2")
		r.await("b1 phase PRE_BUILD SUCCEEDED")
		r.stop("e1", false)
		r.await("e1 pipeline STOPPED")
	}, want{executions: "Stopped", builds: 1, runs: "commit-1"}},

	{"an execution is abandoned", 2, func(r *run) {
		r.w.takes(time.Minute)
		r.push("commit-2")
		r.await("b1 phase PRE_BUILD SUCCEEDED")
		r.stop("e1", true)
		r.await("e1 pipeline STOPPED")
		r.await("b1 build COMPLETED SUCCEEDED")
	}, want{executions: "Stopped", builds: 1, runs: "commit-1", abandons: true}},

	{"an execution is superseded", 1, func(r *run) {
		r.w.takes(time.Minute)
		r.push("commit-2")
		r.await("b1 phase PRE_BUILD SUCCEEDED")
		r.push("commit-3")
		r.await("e2 stage Source SUCCEEDED")
		r.push("commit-4")
		r.await("e2 pipeline SUPERSEDED")
		r.await("e3 pipeline SUCCEEDED")
	}, want{executions: "Succeeded Superseded Succeeded", builds: 2, definitions: 2, deployments: 2, runs: "commit-4"}},

	{"a stage is retried", 1, func(r *run) {
		r.w.fail(1)
		r.push("commit-2")
		r.await("e1 pipeline FAILED")
		r.retry("e1")
		r.await("e1 pipeline SUCCEEDED")
	}, want{executions: "Succeeded", builds: 2, definitions: 1, deployments: 1, runs: "commit-2"}},

	{"a deployment is rolled back", 1, func(r *run) {
		r.push("bad-2")
		r.await("e1 pipeline FAILED")
	}, want{executions: "Failed", builds: 1, definitions: 1, deployments: 1, runs: "commit-1"}},
}

// rough is the delivery while pods are lost and images do not come: the user retries
// what has failed for it, so how much is made is not known beforehand.
var rough = story{"a commit is delivered though things fail", 0, func(r *run) {
	lost := make(chan struct{})
	go func() {
		defer close(lost)
		r.lose(time.Duration(r.w.fate.pick("when", 20_000)) * time.Millisecond)
	}()
	r.push("commit-2")
	for r.awaitEnd("e1") == "FAILED" {
		r.retry("e1")
	}
	<-lost
}, want{executions: "Succeeded", runs: "commit-2"}}

// storyOf is the story of a seed.
func storyOf(f *fate) story {
	if f.rough {
		return rough
	}
	n := f.pick("story", 12)
	i := slices.IndexFunc(stories, func(s story) bool { n -= s.share; return n < 0 })
	return stories[i]
}
