package docker

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
	two := func(condition string) []member {
		return []member{{Name: "a"}, {Name: "b", Essential: true, After: after("a", condition)}}
	}
	alive, ended, failed := state{Started: true, Running: true}, state{Started: true}, state{Started: true, Code: 3}
	for name, c := range map[string]struct {
		stage   stage
		members []member
		pause   bool
		have    map[string]state
		want    decision
	}{
		"a waits for nothing, b for a's start": {running, two("START"), true, map[string]state{"a": {}, "b": {}}, decision{Start: []string{"a"}}},
		"b starts once a runs":                 {running, two("START"), true, map[string]state{"a": alive, "b": {}}, decision{Start: []string{"b"}}},
		"running is not complete":              {running, two("COMPLETE"), true, map[string]state{"a": alive, "b": {}}, decision{}},
		"failed is complete":                   {running, two("COMPLETE"), true, map[string]state{"a": failed, "b": {}}, decision{Start: []string{"b"}}},
		"failed is never a success": {running, two("SUCCESS"), true, map[string]state{"a": failed, "b": {}},
			decision{Stage: stopping, Reason: "container b can not start: container a ended with code 3 and never was SUCCESS"}},
		"an essential container's end stops the pod": {running, two("START"), true, map[string]state{"a": alive, "b": ended}, decision{Stage: stopping}},
		"the last container's end stops the pod":     {running, two("START")[:1], true, map[string]state{"a": ended}, decision{Stage: stopping}},
		"who depends is stopped first":               {stopping, two("START"), true, map[string]state{"a": alive, "b": alive}, decision{Stop: []string{"b"}}},
		"then what it depended on":                   {stopping, two("START"), true, map[string]state{"a": alive, "b": ended}, decision{Stop: []string{"a"}}},
		"the pause container goes last":              {stopping, two("START"), true, map[string]state{"a": ended, "b": {}}, decision{StopPause: true}},
		"nothing is left to do":                      {stopping, two("START"), false, map[string]state{"a": ended, "b": {}}, decision{}},
		"a dead pause container loses the pod":       {running, two("START"), false, map[string]state{"a": alive, "b": alive}, decision{Stage: lost, Reason: "the pod's network namespace is gone: its pause container ended without having been stopped"}},
		"a container removed by hand loses the pod":  {running, two("START"), true, map[string]state{"a": alive}, decision{Stage: lost, Reason: "container b was removed by somebody else"}},
		"what is left of a lost pod is stopped":      {lost, two("START"), true, map[string]state{"a": alive}, decision{Stop: []string{"a"}, StopPause: true}},
		"a pod that is being made is let alone":      {making, two("START"), true, map[string]state{"a": {}}, decision{}},
		"an unhealthy container may become healthy":  {running, two("HEALTHY"), true, map[string]state{"a": alive, "b": {}}, decision{}},
		"an ended container never becomes healthy any more": {running, two("HEALTHY"), true, map[string]state{"a": ended, "b": {}},
			decision{Stage: stopping, Reason: "container b can not start: container a ended with code 0 and never was HEALTHY"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := decide(record{Stage: c.stage, Containers: c.members}, c.pause, c.have)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("decide = %+v, want %+v", got, c.want)
			}
		})
	}
}
