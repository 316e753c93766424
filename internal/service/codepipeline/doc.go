// Package codepipeline is AWS CodePipeline: pipelines and their executions. It is
// called through the dispatcher; what an action does lies in action/<provider>,
// which call other services through the dispatcher with the pipeline's role.
//
// An execution is a machine (machine.go and its parts, drawn in
// docs/states/codepipeline-execution.md). What executions of one pipeline share,
// who is in which stage and who waits in front of it, is the document Lanes: a turn
// reads and writes both in its one transaction (kind.go), so that leaving a stage,
// letting the next execution in and going on are one commit.
//
// An action that waits for a build or a rollout waits for its fact: the consumer
// (watch.go) looks at the resource as the action's role in the transaction that
// takes the fact. A slow timer is the net under it.
//
// Done: pipelines V1 and V2 with all three execution modes, variables, transitions,
// stop, retry, rollback by hand, approvals, polled sources. Refused clearly:
// conditions and their rules, rollback by itself, Git triggers of connections,
// webhooks, custom actions, actions in other regions.
package codepipeline
