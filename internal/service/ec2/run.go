package ec2

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/store"
)

// Kinds are the machines for the engine.
func (s *Service) Kinds() []engine.Kind {
	return []engine.Kind{engine.Machine(natKind, s.nats, stepNAT, map[string]engine.Do[NatGateway]{natWait: s.waitNAT, natForget: s.forgetNAT})}
}

// waitNAT returns when packets obey the gateway's number.
func (s *Service) waitNAT(ctx context.Context, _ engine.ID, n NatGateway, _ engine.Effect, _ string) (*engine.Event, error) {
	if err := s.d.Network.Wait(ctx, n.Number); err != nil {
		return nil, err
	}
	return &engine.Event{Name: natObeyed}, nil
}

func (s *Service) forgetNAT(ctx context.Context, id engine.ID, _ NatGateway, _ engine.Effect, _ string) (*engine.Event, error) {
	err := s.d.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := s.nats.Get(ctx, tx, id.Scope, id.Key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.untag(ctx, tx, id.Scope, id.Key); err != nil {
			return err
		}
		return drop(ctx, tx, s.nats, d)
	})
	if err != nil {
		return nil, fmt.Errorf("forget NAT gateway %s: %w", id.Key, err)
	}
	return nil, nil
}
