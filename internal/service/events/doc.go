// Package events is the part of Amazon EventBridge that starts deliveries: rules of
// the default bus, their targets, and events of one's own. A consumer of the fact
// stream matches each fact with the rules of its account and region; each target
// becomes a delivery, a small machine whose effect calls the target as the target's
// role, once. A rule with a schedule is a machine with a timer: each occurrence is a
// fact for that rule alone.
//
// Targets are pipelines and build projects; others, other buses, archives and pipes
// are refused.
package events
