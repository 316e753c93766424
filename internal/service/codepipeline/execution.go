package codepipeline

import (
	"maps"
	"slices"
	"time"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
	"github.com/penstock-ci/penstock/internal/store"
)

// Status of an execution, a stage or an action, in AWS's words.
type Status string

// The statuses.
const (
	InProgress Status = "InProgress"
	Stopping   Status = "Stopping"
	Stopped    Status = "Stopped"
	Succeeded  Status = "Succeeded"
	Superseded Status = "Superseded"
	Cancelled  Status = "Cancelled"
	Failed     Status = "Failed"
	Abandoned  Status = "Abandoned"
)

// Execution is one run of a pipeline; its key is the ID.
type Execution struct {
	store.Scope
	ID, Pipeline string
	Definition   api.PipelineDeclaration // as it was at the start, version included
	Created      time.Time
	Updated      time.Time
	Number       int64 // of the pipeline's executions, in the order of their start
	Status       Status
	Summary      string `json:",omitzero"`
	Trigger      Trigger
	Token        string            `json:",omitzero"` // clientRequestToken
	Variables    map[string]string `json:",omitzero"`
	Overrides    map[string]action.Override
	Missing      []string `json:",omitzero"` // variables without a value: it fails at once

	Stage     int  // the one it is in, or waits in front of
	IsInside  bool // it is in Stage
	IsLeaving bool // cancelled: it ends when its actions have
	Attempt   int  // retries so far
	Stop      *Stop
	Rollback  string     `json:",omitzero"` // execution whose artifacts it brings back, in one stage alone
	Stages    []StageRun // as far as entered
	Actions   []ActionRun
	Artifacts map[string]action.Artifact
	// Outputs are the variables of actions that have a namespace.
	Outputs   map[string]map[string]string `json:",omitzero"`
	Revisions []Revision
}

// Trigger is why an execution started.
type Trigger struct{ Type, Detail string }

// Stop is what StopPipelineExecution asked.
type Stop struct {
	Abandon bool
	Reason  string
}

// Revision is what a source action brought.
type Revision struct {
	Action, Artifact string
	action.Revision
}

// StageRun is a stage of an execution.
type StageRun struct {
	Name             string
	Status           Status
	Manual, Auto     int    // retries
	RetryTrigger     string `json:",omitzero"`
	LastRetry        time.Time
	Started, Changed time.Time
}

// ActionRun is one execution of an action.
type ActionRun struct {
	ID, Stage, Name string
	Status          Status
	Start, Updated  time.Time
	UpdatedBy       string            `json:",omitzero"`
	Resolved        map[string]string `json:",omitzero"`
	Inputs, Outputs []action.Artifact
	Report          action.Report // the newest
	IsRetried       bool          // a later attempt replaces it
	IsAnswered      bool          // an approval's result has been taken
	Polls           int
}

// Complete tells whether the execution has ended.
func (x *Execution) Complete() bool {
	switch x.Status {
	case InProgress, Stopping:
		return false
	}
	return true
}

// clone is deep where the machine writes.
func (x Execution) clone() Execution {
	x.Stages, x.Actions, x.Revisions = slices.Clone(x.Stages), slices.Clone(x.Actions), slices.Clone(x.Revisions)
	x.Artifacts, x.Outputs = maps.Clone(x.Artifacts), maps.Clone(x.Outputs)
	return x
}

func (x *Execution) stage() *api.StageDeclaration { return &x.Definition.Stages[x.Stage] }

func (x *Execution) stageName() string { return op.Val(x.stage().Name) }

// run is the execution's stage of that name, nil before it was entered.
func (x *Execution) run(stage string) *StageRun {
	for i := range x.Stages {
		if x.Stages[i].Name == stage {
			return &x.Stages[i]
		}
	}
	return nil
}

// action is the action execution of that ID.
func (x *Execution) action(id string) *ActionRun {
	for i := range x.Actions {
		if x.Actions[i].ID == id {
			return &x.Actions[i]
		}
	}
	return nil
}

// current is the attempt of an action that counts, nil where it is yet to start.
func (x *Execution) current(stage, name string) *ActionRun {
	for i := len(x.Actions) - 1; i >= 0; i-- {
		if a := &x.Actions[i]; a.Stage == stage && a.Name == name {
			if a.IsRetried {
				return nil
			}
			return a
		}
	}
	return nil
}

// declared finds an action of the definition.
func (x *Execution) declared(stage, name string) *api.ActionDeclaration {
	return findAction(&x.Definition, stage, name)
}

func findAction(p *api.PipelineDeclaration, stage, name string) *api.ActionDeclaration {
	for i := range p.Stages {
		if op.Val(p.Stages[i].Name) != stage {
			continue
		}
		for j := range p.Stages[i].Actions {
			if a := &p.Stages[i].Actions[j]; op.Val(a.Name) == name {
				return a
			}
		}
	}
	return nil
}

func mode(p *api.PipelineDeclaration) string {
	return op.Or(p.ExecutionMode, api.ExecutionModeSuperseded)
}

func typeID(t *api.ActionTypeId) action.ID {
	if t == nil {
		return action.ID{}
	}
	return action.ID{Category: op.Val(t.Category), Owner: op.Val(t.Owner), Provider: op.Val(t.Provider), Version: op.Val(t.Version)}
}
