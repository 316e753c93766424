// Package logs is Amazon CloudWatch Logs: groups, streams, lines in and out, text
// filter patterns and retention. Groups are rows; streams and lines lie in the log
// store, which producers inside (builds, containers) write directly once they were
// authorised as logs:PutLogEvents.
//
// Metric filters and subscriptions are refused, as are JSON and column patterns.
package logs
