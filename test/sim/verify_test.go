package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	cb "github.com/penstock-ci/penstock/api/codebuild"
	cp "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// before is what setUp has made of each.
const before = 1

// verify proves, once everything rests, that what was asked for was done, and once.
// It counts the rows, the receipts of the changes that made them, and the pods.
func (r *run) verify(s story) {
	r.t.Helper()
	for _, p := range r.w.problems {
		r.t.Error(p)
	}
	if got := r.executions(); got != s.want.executions {
		r.t.Errorf("the executions ended as %s, want %s", got, s.want.executions)
	}
	builds := must(r, cb.ListBuildsForProject, &cb.ListBuildsForProjectInput{ProjectName: new("app")}).Ids
	definitions := must(r, ecs.ListTaskDefinitions, &ecs.ListTaskDefinitionsInput{}).TaskDefinitionArns
	deployments := must(r, ecs.ListServiceDeployments, &ecs.ListServiceDeploymentsInput{Cluster: new("main"), Service: new("app")}).ServiceDeployments
	r.once("builds", len(builds), "codebuild:StartBuild", s.want.builds)
	// The first one was registered by hand.
	r.once("task definitions", len(definitions)-1, "ecs:RegisterTaskDefinition", s.want.definitions)
	// The first one was made by the service's creation.
	r.once("deployments", len(deployments)-1, "ecs:UpdateService", s.want.deployments)
	r.named(builds, s.want.abandons)
	r.pods(len(builds), s.want.runs)
	r.lines(builds)
	r.tasks()
	r.leftovers()
}

// executions are the ends of the story's executions, oldest first.
func (r *run) executions() string {
	r.t.Helper()
	list := must(r, cp.ListPipelineExecutions, &cp.ListPipelineExecutionsInput{PipelineName: new(pipeline)}).PipelineExecutionSummaries
	var ends []string
	for _, x := range list[:len(list)-before] {
		ends = append(ends, *x.Status)
	}
	slices.Reverse(ends)
	return strings.Join(ends, " ")
}

// once compares how many there are with how many receipts tell of their making, and
// with the number wanted, where the story has one.
func (r *run) once(what string, there int, operation string, wanted int) {
	r.t.Helper()
	receipts := r.count(`SELECT count(*) FROM receipts WHERE "key" LIKE '%/delivery %' || '` + operation + ` %'`)
	if there != receipts {
		r.t.Errorf("%d %s, but %d receipts of %s", there, what, receipts, operation)
	}
	if !r.w.fate.rough && there-before != wanted {
		r.t.Errorf("the story has made %d %s, want %d", there-before, what, wanted)
	}
}

// named: each build is that of one action execution, unless the story abandons it.
func (r *run) named(builds []string, abandons bool) {
	r.t.Helper()
	of := map[string]string{}
	for _, a := range must(r, cp.ListActionExecutions, &cp.ListActionExecutionsInput{PipelineName: new(pipeline)}).ActionExecutionDetails {
		if *a.ActionName != "Build" || a.Output == nil || a.Output.ExecutionResult == nil {
			continue
		}
		build := op.Val(a.Output.ExecutionResult.ExternalExecutionId)
		if build != "" && of[build] != "" {
			r.t.Errorf("action executions %s and %s have the same build %s", of[build], *a.ActionExecutionId, build)
		}
		if build != "" {
			of[build] = *a.ActionExecutionId
		}
	}
	for _, build := range builds {
		if of[build] == "" && !abandons {
			r.t.Errorf("build %s is no action's", build)
		}
	}
}

// pods: each build had one, the task that runs has one, of the right image, and
// nothing else is left.
func (r *run) pods(builds int, image string) {
	r.t.Helper()
	made := 0
	for _, p := range r.w.made {
		if strings.HasPrefix(p.Name, "build-") {
			made++
		}
	}
	if made > builds-before || !r.w.fate.rough && made != builds-before {
		r.t.Errorf("%d builds have had %d pods", builds-before, made)
	}
	pods, err := r.w.pods.List(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	tasks := must(r, ecs.ListTasks, &ecs.ListTasksInput{Cluster: new("main")}).TaskArns
	if len(pods) != 1 || len(tasks) != 1 || pods[0].Phase != compute.Running || !strings.HasSuffix(tasks[0], "/"+strings.TrimPrefix(pods[0].Pod, "task-")) {
		r.t.Fatalf("the pods are %v, the tasks %v", pods, tasks)
	}
	for _, p := range r.w.made {
		if p.Name == pods[0].Pod && p.Containers[0].Image != "registry/app:"+image {
			r.t.Errorf("%s runs, want %s", p.Containers[0].Image, image)
		}
	}
}

// lines: what a build printed was kept once, in order.
func (r *run) lines(builds []string) {
	r.t.Helper()
	for _, id := range builds[:len(builds)-before] {
		var text string
		for _, l := range r.w.linesOf(logstore.Stream{Account: scope.Account, Region: scope.Region, Group: "/aws/codebuild/app", Name: strings.TrimPrefix(id, "app:")}) {
			text += l.Text
		}
		if !r.w.fate.rough && (!strings.HasPrefix(text, "building ") || !strings.HasSuffix(text, "\ndone\n") || strings.Count(text, "\n") != 2) {
			r.t.Errorf("the log of build %s is %q", id, text)
		}
	}
}

// tasks: the versions that their facts tell have no gap and no double, their
// interfaces are gone, and only the running one is a target.
func (r *run) tasks() {
	r.t.Helper()
	versions := map[string]int{}
	for _, f := range r.facts {
		var version int
		var status string
		if n, _ := fmt.Sscanf(f.what, "task %d %s", &version, &status); n == 2 {
			if last, known := versions[f.subject]; known && version != last+1 {
				r.t.Errorf("version %d of task %s follows version %d", version, f.subject, last)
			}
			versions[f.subject] = version
		}
	}
	for what, query := range map[string]string{
		"network interfaces": `SELECT count(*) FROM interfaces WHERE NOT document ->> 'IsDeleted'`,
		"targets":            `SELECT count(*) FROM targets WHERE document ->> 'Deregistered' IS NULL`,
	} {
		if n := r.count(query); n != 1 {
			r.t.Errorf("%d %s are left of one running task", n, what)
		}
	}
}

// leftovers: no event is parked, no effect was given up, no pipeline waits for anything.
func (r *run) leftovers() {
	r.t.Helper()
	for what, query := range map[string]string{
		"parked events":    `SELECT count(*) FROM engine_inbox WHERE parked <> 0`,
		"parked effects":   `SELECT count(*) FROM engine_effects WHERE parked <> 0`,
		"effects given up": `SELECT count(*) FROM engine_inbox WHERE name LIKE '%.failed'`,
		"awaited facts":    `SELECT count(*) FROM codepipeline_awaits`,
		"places of builds": `SELECT count(*) FROM codebuild_places`,
		"stray timers":     `SELECT count(*) FROM engine_effects WHERE name NOT IN ('forget', 'woken')`,
	} {
		if n := r.count(query); n > 0 {
			r.t.Errorf("%d %s", n, what)
		}
	}
}

func (r *run) count(query string) (n int) {
	r.t.Helper()
	err := r.w.db.View(r.ctx, func(ctx context.Context, rd store.Reader) error { return store.Row(ctx, rd, query, nil, &n) })
	if err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// told are the facts of each execution, build and deployment: a story tells the
// same, in the same order, wherever the server dies. Of tasks verify sees to it.
func (r *run) told() string {
	told := map[string]string{}
	for _, f := range r.facts {
		if strings.ContainsAny(f.subject[:1], "ebd") {
			told[f.subject] += "\n\t" + f.what
		}
	}
	var text string
	for _, subject := range slices.Sorted(maps.Keys(told)) {
		text += subject + told[subject] + "\n"
	}
	return text
}
