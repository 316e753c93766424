package codepipeline

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
)

// start begins an action, or fails it where its input is not there.
func (t *turn) start(d *api.ActionDeclaration) {
	stage := t.x.stageName()
	n := 0
	for i := range t.x.Actions {
		if a := &t.x.Actions[i]; a.Stage == stage && a.Name == *d.Name {
			n++
		}
	}
	a := ActionRun{
		ID: ids.UUID(t.x.ID + "/" + stage + "/" + *d.Name + "/" + strconv.Itoa(n)), Stage: stage, Name: *d.Name,
		Status: InProgress, Start: t.at, Updated: t.at,
	}
	store, _ := storeOf(&t.x.Definition, t.x.Region)
	for _, o := range d.OutputArtifacts {
		a.Outputs = append(a.Outputs, action.Artifact{Name: *o.Name, Bucket: op.Val(store.Location), Key: artifactKey(t.x.Pipeline, *o.Name, a.ID, isSource(d))})
	}
	failure := t.prepare(d, &a)
	t.x.Actions = append(t.x.Actions, a)
	run := &t.x.Actions[len(t.x.Actions)-1]
	if !t.isParallel() {
		t.l.ran(stage, a.Name, t.x.ID)
	}
	t.tellAction(run, "STARTED")
	if failure != nil {
		run.Report = action.Report{State: action.Failed, Failure: failure}
		t.close(run, Failed)
		return
	}
	t.ask(doStart, doStart+"/"+a.ID, a.ID)
	t.effects = append(t.effects, engine.Effect{Name: evTimeout + a.ID, Due: t.at.Add(t.timeout(d, a.Resolved))})
}

// prepare finds the inputs and resolves the configuration.
func (t *turn) prepare(d *api.ActionDeclaration, a *ActionRun) *action.Failure {
	for _, in := range d.InputArtifacts {
		found, ok := t.x.Artifacts[*in.Name]
		if !ok {
			return &action.Failure{Code: action.ConfigurationError, Message: fmt.Sprintf("The input artifact %s was not made by any action of this execution", *in.Name)}
		}
		a.Inputs = append(a.Inputs, found)
	}
	a.Resolved = map[string]string{}
	for k, v := range d.Configuration {
		if !isSource(d) {
			var err error
			if v, err = resolve(v, t.x.value); err != nil {
				a.Resolved = nil
				return &action.Failure{Code: action.ConfigurationError, Message: err.Error()}
			}
		}
		a.Resolved[k] = v
	}
	return nil
}

func isSource(d *api.ActionDeclaration) bool {
	return op.Val(d.ActionTypeId.Category) == api.ActionCategorySource
}

// timeout is how long an action may take.
func (t *turn) timeout(d *api.ActionDeclaration, configuration map[string]string) time.Duration {
	if d.TimeoutInMinutes != nil {
		return time.Duration(*d.TimeoutInMinutes) * time.Minute
	}
	if n, err := strconv.Atoi(configuration["DeploymentTimeout"]); err == nil && n > 0 {
		return time.Duration(n) * time.Minute
	}
	if known := t.types[typeID(d.ActionTypeId)].Timeout; known > 0 {
		return known
	}
	return time.Hour
}

func (t *turn) ask(do, name, id string) {
	raw, _ := json.Marshal(id) // a string
	t.effects = append(t.effects, engine.Effect{Do: do, Name: name, Body: raw})
}

// look polls an action that runs.
func (t *turn) look(id string) {
	a := t.x.action(id)
	if a == nil || a.Status != InProgress || a.Report.IsAwaitingPeople || a.Report.State == "" {
		return // one that has not been started yet looks by itself
	}
	a.Polls++
	t.ask(doPoll, doPoll+"/"+id+"/"+strconv.Itoa(a.Polls), id)
	t.effects = append(t.effects, engine.Effect{Name: evNet + id, Due: t.at.Add(t.net)})
}

// reported takes what a provider tells.
func (t *turn) reported(r told) {
	a := t.x.action(r.Action)
	if a == nil || a.Status != InProgress {
		return
	}
	isFirst := a.Report.State == ""
	keep(&r.Report, a.Report)
	a.Report, a.Updated = r.Report, t.at
	switch r.Report.State {
	case action.Running:
		if isFirst && r.Report.Await != "" {
			// It may have ended before anybody listened: look once, then wait for the fact.
			t.await[a.ID] = r.Report.Await
			t.look(a.ID)
		}
		return
	case action.Succeeded:
		t.yield(a)
		t.close(a, Succeeded)
	default:
		t.close(a, Failed)
	}
	t.advance()
}

// keep carries over what a later report does not repeat.
func keep(r *action.Report, old action.Report) {
	for to, from := range map[*string]string{&r.Token: old.Token, &r.Await: old.Await, &r.ExternalID: old.ExternalID, &r.URL: old.URL, &r.EntityURL: old.EntityURL} {
		if *to == "" {
			*to = from
		}
	}
}

// yield makes what an action brought known to those that follow.
func (t *turn) yield(a *ActionRun) {
	d := t.x.declared(a.Stage, a.Name)
	revision := a.Report.OutputsRevision
	if revision == "" && len(a.Inputs) > 0 {
		revision = a.Inputs[0].Revision // what is built from a commit is of that commit
	}
	if t.x.Artifacts == nil {
		t.x.Artifacts = map[string]action.Artifact{}
	}
	for i := range a.Outputs {
		a.Outputs[i].Revision = revision
		t.x.Artifacts[a.Outputs[i].Name] = a.Outputs[i]
	}
	if n := op.Val(d.Namespace); n != "" && a.Report.Variables != nil {
		if t.x.Outputs == nil {
			t.x.Outputs = map[string]map[string]string{}
		}
		t.x.Outputs[n] = a.Report.Variables
	}
	if r := a.Report.Revision; r != nil {
		name := ""
		if len(a.Outputs) > 0 {
			name = a.Outputs[0].Name
		}
		for i := range t.x.Revisions {
			if t.x.Revisions[i].Action == a.Name {
				t.x.Revisions[i].Revision = *r
				return
			}
		}
		t.x.Revisions = append(t.x.Revisions, Revision{a.Name, name, *r})
	}
}

// close ends an action.
func (t *turn) close(a *ActionRun, s Status) {
	if a.Report.Await != "" {
		t.await[a.ID] = ""
	}
	a.Status, a.Updated = s, t.at
	t.effects = append(t.effects, engine.Effect{Name: evTimeout + a.ID}, engine.Effect{Name: evNet + a.ID}) // takes the timers back
	t.tellAction(a, spoken(s))
}

// effectFailed ends the action whose effect could not be done at all.
func (t *turn) effectFailed(name string, e engine.Event) error {
	parts := strings.Split(name, "/")
	if len(parts) < 2 || parts[0] != doStart {
		return nil // a failed look is repeated by the next fact or by the timer
	}
	var f engine.Failure
	if err := json.Unmarshal(e.Body, &f); err != nil {
		return fmt.Errorf("decode %s: %w", e.Name, err)
	}
	if a := t.x.action(parts[1]); a != nil && a.Status == InProgress {
		a.Report.State, a.Report.Failure = action.Failed, &action.Failure{Code: "InternalError", Message: f.Error}
		t.close(a, Failed)
		t.advance()
	}
	return nil
}
