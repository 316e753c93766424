package ecs

import "github.com/penstock-ci/penstock/internal/store"

// collections are the nouns of ECS.
func collections() *Control {
	return &Control{
		clusters:    store.Define(store.Schema[Cluster]{Table: "ecs_clusters", Number: 1}),
		families:    store.Define(store.Schema[Family]{Table: "ecs_families", Number: 1}),
		definitions: store.Define(store.Schema[Definition]{Table: "ecs_task_definitions", Number: 1}),
		settings:    store.Define(store.Schema[Setting]{Table: "ecs_account_settings", Number: 1}),
		services: store.Define(store.Schema[Service]{Table: "ecs_services", Number: 1, Index: map[string]func(Service) string{
			"cluster": func(s Service) string { return s.Cluster },
		}}),
		tasks: store.Define(store.Schema[Task]{Table: "ecs_tasks", Number: 1, Index: map[string]func(Task) string{
			"cluster": func(t Task) string { return t.Cluster },
			"life":    phaseOf,
		}}),
	}
}

// phaseOf tells tasks that still need work from those that are over.
func phaseOf(t Task) string {
	if t.Status.before(Stopped) {
		return "live"
	}
	return "over"
}

// Tables are to be migrated before the first use.
func (c *Control) Tables() []store.Table {
	return []store.Table{c.clusters, c.families, c.definitions, c.settings, c.services, c.tasks}
}
