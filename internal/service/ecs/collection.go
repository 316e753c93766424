package ecs

import "github.com/penstock-ci/penstock/internal/store"

// Schemas of the nouns.
var (
	clusterSchema    = store.Schema[Cluster]{Table: "ecs_clusters", Number: 1}
	familySchema     = store.Schema[Family]{Table: "ecs_families", Number: 1}
	definitionSchema = store.Schema[Definition]{Table: "ecs_task_definitions", Number: 1}
	settingSchema    = store.Schema[Setting]{Table: "ecs_account_settings", Number: 1}
	serviceSchema    = store.Schema[Service]{Table: "ecs_services", Number: 1, Index: map[string]func(Service) string{
		"cluster": func(s Service) string { return s.Cluster },
	}}
	taskSchema = store.Schema[Task]{Table: "ecs_tasks", Number: 1, Index: map[string]func(Task) string{
		"cluster": func(t Task) string { return t.Cluster },
		"service": func(t Task) string { return t.Cluster + "/" + t.Service },
		"live":    func(t Task) string { return map[bool]string{true: "live", false: "over"}[t.Status.before(Stopped)] },
	}}
)
