package ecs

import (
	"context"
	"errors"

	"github.com/penstock-ci/penstock/internal/store"
)

// Owns tells whether a pod's owner is a task that still needs it: the sweeper keeps those.
func (c *Control) Owns(ctx context.Context, owner string) (bool, error) {
	s, id, ok := ownedBy(owner)
	if !ok {
		return false, nil
	}
	t, err := c.jobs.task(ctx, s, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && t.Status.before(Stopped), err
}
