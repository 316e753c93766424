// Package eventstream is the stream: facts in EventBridge's shape, read by cursor.
//
// The engine and the services append to it in the transaction of the change that
// a fact tells of; consumers (the events service, pipelines that wait for a build)
// read it, each at its own pace. It never delivers anything itself.
package eventstream

import (
	"context"
	"encoding/json"
	"time"

	"github.com/penstock-ci/penstock/internal/store"
)

// Fact is something that has happened. ID, Scope and At are filled by Append.
type Fact struct {
	Source, DetailType string
	Resources          []string
	Detail             json.RawMessage
	ID                 string // a UUID, the "id" of the EventBridge event
	Scope              store.Scope
	At                 time.Time // of the change; Append takes the present for the zero instant
}

// Stream. Read returns only facts below every open transaction (on PostgreSQL
// pg_snapshot_xmin), so a cursor never passes one that commits late. Facts are
// kept Keep long whatever a consumer's cursor says; falling behind is an alarm.
type Stream interface {
	Append(ctx context.Context, tx store.Tx, s store.Scope, f ...Fact) error
	Read(ctx context.Context, r store.Reader, consumer string, limit int) ([]Fact, error)
	Done(ctx context.Context, tx store.Tx, consumer string, n int) error
}

// Keep is how long facts are kept: EventBridge itself retries for 24 hours.
const Keep = 48 * time.Hour
