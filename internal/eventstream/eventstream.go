// Package eventstream is the stream: facts in EventBridge's shape, read by cursor.
package eventstream

import (
	"context"
	"encoding/json"

	"github.com/penstock-ci/penstock/internal/store"
)

type Fact struct {
	Source, DetailType string
	Resources          []string
	Detail             json.RawMessage
}

// Stream. Read returns only facts below every open transaction (on PostgreSQL
// pg_snapshot_xmin), so a cursor never passes one that commits late. Facts are
// kept Keep long whatever a consumer's cursor says; falling behind is an alarm.
type Stream interface {
	Append(ctx context.Context, tx store.Tx, s store.Scope, f ...Fact) error
	Read(ctx context.Context, r store.Reader, consumer string, limit int) ([]Fact, error)
	Done(ctx context.Context, tx store.Tx, consumer string, n int) error
}
