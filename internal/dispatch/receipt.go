package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Receipts keeps the first answer of a change made with a key, in the change's
// own transaction. Get answers store.ErrNotFound for an unknown key.
type Receipts interface {
	Get(ctx context.Context, r store.Reader, key string) ([]byte, error)
	Put(ctx context.Context, tx store.Tx, key string, answer []byte) error
}

// receiptKey scopes the key by principal and operation: two roles, or two
// operations, may use the same key without meeting.
func receiptKey(h op.Handler, c op.Caller) string {
	principal := c.ARN
	if c.Session != nil && c.Session.RoleARN != "" {
		principal = c.Session.RoleARN
	}
	return principal + " " + c.Region + " " + h.Service + ":" + h.Name + " " + c.Key
}

func (d *Dispatcher) recall(ctx context.Context, tx store.Tx, h op.Handler, c op.Caller) (any, bool, error) {
	if c.Key == "" {
		return nil, false, nil
	}
	answer, err := d.Receipts.Get(ctx, tx, receiptKey(h, c))
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("receipt of %s:%s: %w", h.Service, h.Name, err)
	}
	out := h.NewOut()
	if err := json.Unmarshal(answer, out); err != nil {
		return nil, false, fmt.Errorf("receipt of %s:%s: %w", h.Service, h.Name, err)
	}
	return out, true, nil
}

func (d *Dispatcher) remember(ctx context.Context, tx store.Tx, h op.Handler, c op.Caller, out any) error {
	if c.Key == "" {
		return nil
	}
	answer, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("receipt of %s:%s: %w", h.Service, h.Name, err)
	}
	if err := d.Receipts.Put(ctx, tx, receiptKey(h, c), answer); err != nil {
		return fmt.Errorf("receipt of %s:%s: %w", h.Service, h.Name, err)
	}
	return nil
}
