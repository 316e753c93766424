package docker

import (
	"context"
	"errors"
)

// RemoveAll removes every container of this installation, kept-ready ones too. Run
// must have ended, as it would make some anew.
func (b *Backend) RemoveAll(ctx context.Context) error {
	pods, err := b.List(ctx)
	if err != nil {
		return err
	}
	for _, p := range pods {
		err = errors.Join(err, b.Remove(ctx, p.Pod))
	}
	rest, listErr := b.list(ctx, nil)
	err = errors.Join(err, listErr)
	for _, c := range rest {
		err = errors.Join(err, b.removeContainer(ctx, c.ID))
	}
	return err
}
