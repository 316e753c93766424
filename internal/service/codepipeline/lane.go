package codepipeline

import (
	"maps"
	"slices"
	"time"

	api "github.com/penstock-ci/penstock/api/codepipeline"
)

// Lanes is what the executions of a pipeline share. Its key is the pipeline's name.
type Lanes struct {
	Started int64           // executions so far
	Stages  map[string]Lane // by stage
}

// Lane is a stage with its lock.
type Lane struct {
	Holder  string            // the execution inside, ""
	Latest  string            // the last one that entered
	Waiting []string          // in front, in the order of their arrival
	Runs    map[string]string // action → execution that ran it last
	In, Out Transition
}

// Transition is the way into a stage or out of it.
type Transition struct {
	IsDisabled bool
	Reason     string
	By         string
	At         time.Time
}

func (l Lanes) clone() Lanes {
	stages := make(map[string]Lane, len(l.Stages))
	for name, s := range l.Stages {
		s.Waiting, s.Runs = slices.Clone(s.Waiting), maps.Clone(s.Runs)
		stages[name] = s
	}
	l.Stages = stages
	return l
}

// gate is the place in front of a stage: the stage and the one before it.
type gate struct{ before, stage string }

func gateOf(p *api.PipelineDeclaration, i int) gate {
	g := gate{stage: *p.Stages[i].Name}
	if i > 0 {
		g.before = *p.Stages[i-1].Name
	}
	return g
}

func (l *Lanes) isOpen(g gate) bool {
	return !l.Stages[g.stage].In.IsDisabled && (g.before == "" || !l.Stages[g.before].Out.IsDisabled)
}

// arrive brings execution to a stage: it enters, or waits and may displace those
// that waited before it.
func (l *Lanes) arrive(g gate, execution, mode string) (isInside bool, superseded []string) {
	s := l.Stages[g.stage]
	if l.isOpen(g) && s.Holder == "" && len(s.Waiting) == 0 {
		l.enter(g.stage, execution)
		return true, nil
	}
	if mode == api.ExecutionModeSuperseded {
		superseded, s.Waiting = s.Waiting, nil
	}
	s.Waiting = append(s.Waiting, execution)
	l.Stages[g.stage] = s
	return false, superseded
}

func (l *Lanes) enter(stage, execution string) {
	s := l.Stages[stage]
	s.Holder, s.Latest = execution, execution
	s.Waiting = slices.DeleteFunc(s.Waiting, func(w string) bool { return w == execution })
	l.Stages[stage] = s
}

// admit lets the first that waits in; "" where nobody may.
func (l *Lanes) admit(g gate) string {
	s := l.Stages[g.stage]
	if s.Holder != "" || len(s.Waiting) == 0 || !l.isOpen(g) {
		return ""
	}
	next := s.Waiting[0]
	l.enter(g.stage, next)
	return next
}

// leave takes execution out of a stage or from in front of it.
func (l *Lanes) leave(stage, execution string) {
	s, ok := l.Stages[stage]
	if !ok {
		return
	}
	if s.Holder == execution {
		s.Holder = ""
	}
	s.Waiting = slices.DeleteFunc(s.Waiting, func(w string) bool { return w == execution })
	l.Stages[stage] = s
}

// knows tells whether execution is in a stage or in front of it.
func (l *Lanes) knows(stage, execution string) bool {
	s := l.Stages[stage]
	return s.Holder == execution || slices.Contains(s.Waiting, execution)
}

// ran notes who ran an action last.
func (l *Lanes) ran(stage, action, execution string) {
	s := l.Stages[stage]
	if s.Runs == nil {
		s.Runs = map[string]string{}
	}
	s.Runs[action] = execution
	l.Stages[stage] = s
}

// fit gives the lanes the stages of a definition; those that stay keep their state.
func (l *Lanes) fit(p *api.PipelineDeclaration) {
	stages := map[string]Lane{}
	for _, s := range p.Stages {
		stages[*s.Name] = l.Stages[*s.Name]
	}
	l.Stages = stages
}
