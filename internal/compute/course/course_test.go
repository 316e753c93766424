package course

import (
	"reflect"
	"testing"

	"github.com/penstock-ci/penstock/internal/compute"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	after := func(name, condition string) []compute.Dependency {
		return []compute.Dependency{{Container: name, Condition: condition}}
	}
	two := func(condition string) []Member {
		return []Member{{Name: "a"}, {Name: "b", Essential: true, After: after("a", condition)}}
	}
	alive, ended, failed := State{Started: true, Running: true}, State{Started: true}, State{Started: true, Code: 3}
	for name, c := range map[string]struct {
		stage   Stage
		members []Member
		pause   bool
		have    map[string]State
		want    Decision
	}{
		"a waits for nothing, b for a's start": {Running, two("START"), true, map[string]State{"a": {}, "b": {}}, Decision{Start: []string{"a"}}},
		"b starts once a runs":                 {Running, two("START"), true, map[string]State{"a": alive, "b": {}}, Decision{Start: []string{"b"}}},
		"running is not complete":              {Running, two("COMPLETE"), true, map[string]State{"a": alive, "b": {}}, Decision{}},
		"failed is complete":                   {Running, two("COMPLETE"), true, map[string]State{"a": failed, "b": {}}, Decision{Start: []string{"b"}}},
		"failed is never a success": {Running, two("SUCCESS"), true, map[string]State{"a": failed, "b": {}},
			Decision{Stage: Stopping, Reason: "container b can not start: container a ended with code 3 and never was SUCCESS"}},
		"an essential container's end stops the pod": {Running, two("START"), true, map[string]State{"a": alive, "b": ended}, Decision{Stage: Stopping}},
		"the last container's end stops the pod":     {Running, two("START")[:1], true, map[string]State{"a": ended}, Decision{Stage: Stopping}},
		"who depends is stopped first":               {Stopping, two("START"), true, map[string]State{"a": alive, "b": alive}, Decision{Stop: []string{"b"}}},
		"then what it depended on":                   {Stopping, two("START"), true, map[string]State{"a": alive, "b": ended}, Decision{Stop: []string{"a"}}},
		"the pause container goes last":              {Stopping, two("START"), true, map[string]State{"a": ended, "b": {}}, Decision{StopPause: true}},
		"nothing is left to do":                      {Stopping, two("START"), false, map[string]State{"a": ended, "b": {}}, Decision{}},
		"a dead pause container loses the pod":       {Running, two("START"), false, map[string]State{"a": alive, "b": alive}, Decision{Stage: Lost, Reason: "the pod's network namespace is gone: its pause container ended without having been stopped"}},
		"a container removed by hand loses the pod":  {Running, two("START"), true, map[string]State{"a": alive}, Decision{Stage: Lost, Reason: "container b was removed by somebody else"}},
		"what is left of a lost pod is stopped":      {Lost, two("START"), true, map[string]State{"a": alive}, Decision{Stop: []string{"a"}, StopPause: true}},
		"a pod that is being made is let alone":      {Making, two("START"), true, map[string]State{"a": {}}, Decision{}},
		"an unhealthy container may become healthy":  {Running, two("HEALTHY"), true, map[string]State{"a": alive, "b": {}}, Decision{}},
		"an ended container never becomes healthy any more": {Running, two("HEALTHY"), true, map[string]State{"a": ended, "b": {}},
			Decision{Stage: Stopping, Reason: "container b can not start: container a ended with code 0 and never was HEALTHY"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Decide(c.stage, c.members, c.pause, c.have)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("Decide = %+v, want %+v", got, c.want)
			}
		})
	}
}
