package docker

import "fmt"

// state is what matters of a container for its pod's way.
type state struct {
	Started, Running bool // Started and not Running = ended
	Code             int
	Healthy          bool
}

func (s state) ended() bool { return s.Started && !s.Running }

// decision is what a pod needs next. Its parts are done in the order of the fields.
type decision struct {
	Stage     stage // the pod's new stage, if not ""
	Reason    string
	Start     []string
	Stop      []string // those that nothing still running depends on
	StopPause bool
}

// decide is pure: from a pod's record and what runs, what is to be done now. It is
// asked again after every change.
func decide(r record, pause bool, have map[string]state) decision {
	switch r.Stage {
	case running:
		return decideRunning(r, pause, have)
	case stopping:
		return decideStopping(r, pause, have)
	case lost:
		return decision{Stop: runningOf(r, have), StopPause: pause}
	}
	return decision{}
}

func decideRunning(r record, pause bool, have map[string]state) decision {
	if !pause {
		return decision{Stage: lost, Reason: "the pod's network namespace is gone: its pause container ended without having been stopped"}
	}
	var d decision
	open := false
	for _, m := range r.Containers {
		s, found := have[m.Name]
		if !found {
			return decision{Stage: lost, Reason: fmt.Sprintf("container %s was removed by somebody else", m.Name)}
		}
		if s.ended() && m.Essential {
			return decision{Stage: stopping}
		}
		open = open || !s.ended()
		if s.Started {
			continue
		}
		holds, never := dependencies(m, have)
		if never != "" {
			return decision{Stage: stopping, Reason: never}
		}
		if holds {
			d.Start = append(d.Start, m.Name)
		}
	}
	if !open {
		return decision{Stage: stopping}
	}
	return d
}

// dependencies tells whether a container may start, or why it never can.
func dependencies(m member, have map[string]state) (holds bool, never string) {
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

func decideStopping(r record, pause bool, have map[string]state) decision {
	live := runningOf(r, have)
	if len(live) == 0 {
		return decision{StopPause: pause}
	}
	needed := map[string]bool{}
	for _, m := range r.Containers {
		if have[m.Name].Running {
			for _, a := range m.After {
				needed[a.Container] = true
			}
		}
	}
	var d decision
	for _, name := range live {
		if !needed[name] {
			d.Stop = append(d.Stop, name)
		}
	}
	return d
}

func runningOf(r record, have map[string]state) []string {
	var names []string
	for _, m := range r.Containers {
		if have[m.Name].Running {
			names = append(names, m.Name)
		}
	}
	return names
}
