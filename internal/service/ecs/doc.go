// Package ecs is Amazon ECS: clusters, task definitions, tasks and services with
// rolling updates. wire reaches it through the handlers of routes.go; CodePipeline
// and people change a service only through them.
//
// Three layers, each in files of its own:
//
//   - what is wanted: handlers write it (cluster.go, definition.go, runtask.go, update.go …);
//   - what is decided: two pure machines, one per service (servicemachine.go, rollout.go,
//     breaker.go) and one per task (taskmachine.go). They have no clock and do no I/O;
//   - what is done: run.go and its neighbours (launch.go, logs.go, targets.go, watch.go)
//     call EC2, the load balancer, Secrets Manager and the compute back end.
//
// A service holds a view (Replica) of each of its tasks; a task reports itself after
// every change that the service cares for, numbered, so that an old report changes nothing.
//
// Invariants: while a deployment runs, no decision of ours lowers the number of healthy
// tasks below ceil(desired*minimumHealthyPercent/100) or raises the number of living ones
// above floor(desired*maximumPercent/100); a task gets SIGTERM only after its targets are
// deregistered and drained; a log line is kept once.
//
// Done: network mode awsvpc with FARGATE (and EXTERNAL, which runs on the same pool), the
// deployment controller ECS with the strategy ROLLING. Refused with a clear error: other
// network modes when a task is started, EC2 container instances, task sets and the
// controllers CODE_DEPLOY and EXTERNAL, native blue/green, Service Connect, Cloud Map
// registries, managed volumes. docs/parity.md lists the operations.
package ecs
