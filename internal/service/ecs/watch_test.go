package ecs

import "testing"

func TestATargetThatIsHealthyAgainIsToldThoughItsTaskHasNotHeardOtherwise(t *testing.T) {
	t.Parallel()
	healthy, initial := []Target{{Group: "tg", Port: 80, State: "healthy"}}, []Target{{Group: "tg", Port: 80, State: "initial"}}
	task := Task{ID: "a", Targets: healthy}
	heard := heardTargets{}
	if heard.isNews(&task, healthy) {
		t.Error("what the document has is news to a task that was told nothing else")
	}
	if !heard.isNews(&task, initial) {
		t.Error("another state is no news")
	}
	heard[taskID(task.Scope, task.ID)] = initial // on its way
	if !heard.isNews(&task, healthy) {
		t.Error("the task will think that its target is initial until the next look")
	}
	heard.forgetOthers(nil)
	if len(heard) > 0 {
		t.Errorf("of tasks that are over, %v is remembered", heard)
	}
}
