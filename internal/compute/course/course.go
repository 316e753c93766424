// Package course decides, purely, what a pod of containers needs next: which may
// start, what must stop and in what order, when it is lost. Back ends that run the
// containers of a pod one by one (docker, fake) ask it after every change.
package course

import (
	"fmt"

	"github.com/penstock-ci/penstock/internal/compute"
)

// Stage is how far a pod was brought; it moves only forward.
type Stage string

const (
	Making   Stage = "MAKING"   // being made by Ensure
	Running  Stage = "RUNNING"  // made; containers start as their dependencies allow
	Stopping Stage = "STOPPING" // asked to stop, or an essential container ended
	Lost     Stage = "LOST"
)

// Member is one container, in the pod's order.
type Member struct {
	Name      string
	Essential bool                 `json:",omitzero"`
	After     []compute.Dependency `json:",omitzero"`
	Grace     int                  `json:",omitzero"` // seconds; 0 = what Stop says
}

// State is what matters of a container for its pod's way.
type State struct {
	Started, Running bool // Started and not Running = ended
	Code             int
	Healthy          bool
}

func (s State) ended() bool { return s.Started && !s.Running }

// Decision is what a pod needs next. Its parts are done in the order of the fields.
type Decision struct {
	Stage     Stage // the pod's new stage, if not ""
	Reason    string
	Start     []string
	Stop      []string // those that nothing still running depends on
	StopPause bool
}

// Decide says, from a pod's stage and what runs, what is to be done now. It is
// asked again after every change.
func Decide(at Stage, members []Member, pause bool, have map[string]State) Decision {
	switch at {
	case Running:
		return decideRunning(members, pause, have)
	case Stopping:
		return decideStopping(members, pause, have)
	case Lost:
		return Decision{Stop: runningOf(members, have), StopPause: pause}
	}
	return Decision{}
}

func decideRunning(members []Member, pause bool, have map[string]State) Decision {
	if !pause {
		return Decision{Stage: Lost, Reason: "the pod's network namespace is gone: its pause container ended without having been stopped"}
	}
	var d Decision
	open := false
	for _, m := range members {
		s, found := have[m.Name]
		if !found {
			return Decision{Stage: Lost, Reason: fmt.Sprintf("container %s was removed by somebody else", m.Name)}
		}
		if s.ended() && m.Essential {
			return Decision{Stage: Stopping}
		}
		open = open || !s.ended()
		if s.Started {
			continue
		}
		holds, never := dependencies(m, have)
		if never != "" {
			return Decision{Stage: Stopping, Reason: never}
		}
		if holds {
			d.Start = append(d.Start, m.Name)
		}
	}
	if !open {
		return Decision{Stage: Stopping}
	}
	return d
}

// dependencies tells whether a container may start, or why it never can.
func dependencies(m Member, have map[string]State) (holds bool, never string) {
	holds = true
	for _, a := range m.After {
		s := have[a.Container]
		ok, hopeless := false, false
		switch a.Condition {
		case "START":
			ok = s.Started
		case "COMPLETE":
			ok = s.ended()
		case "SUCCESS":
			ok = s.ended() && s.Code == 0
			hopeless = s.ended() && s.Code != 0
		case "HEALTHY":
			ok = s.Running && s.Healthy
			hopeless = s.ended()
		}
		if hopeless {
			return false, fmt.Sprintf("container %s can not start: container %s ended with code %d and never was %s", m.Name, a.Container, s.Code, a.Condition)
		}
		holds = holds && ok
	}
	return holds, ""
}

func decideStopping(members []Member, pause bool, have map[string]State) Decision {
	live := runningOf(members, have)
	if len(live) == 0 {
		return Decision{StopPause: pause}
	}
	needed := map[string]bool{}
	for _, m := range members {
		if have[m.Name].Running {
			for _, a := range m.After {
				needed[a.Container] = true
			}
		}
	}
	var d Decision
	for _, name := range live {
		if !needed[name] {
			d.Stop = append(d.Stop, name)
		}
	}
	return d
}

func runningOf(members []Member, have map[string]State) []string {
	var names []string
	for _, m := range members {
		if have[m.Name].Running {
			names = append(names, m.Name)
		}
	}
	return names
}
