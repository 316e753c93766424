package ecr

import (
	"context"
	"fmt"
	"time"

	api "github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) putLifecycle(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutLifecyclePolicyInput) (*api.PutLifecyclePolicyOutput, error) {
	at := scope(c, in.RegistryId)
	if _, err := parsePolicy(op.Val(in.LifecyclePolicyText)); err != nil {
		return nil, api.InvalidParameterException("Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: %v'", err)
	}
	err := s.alter(ctx, tx, at, in.RepositoryName, func(r *registry.Repository) error {
		r.Lifecycle, r.LifecycleAt = *in.LifecyclePolicyText, time.Time{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.PutLifecyclePolicyOutput{RegistryId: &at.Account, RepositoryName: in.RepositoryName, LifecyclePolicyText: in.LifecyclePolicyText},
		s.expire(ctx, tx, at, *in.RepositoryName)
}

func (s *Service) lifecycle(ctx context.Context, r store.Reader, at store.Scope, name *string) (registry.Repository, error) {
	d, err := s.repository(ctx, r, at, name)
	if err == nil && d.Value.Lifecycle == "" {
		err = api.LifecyclePolicyNotFoundException("Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", op.Val(name), at.Account)
	}
	return d.Value, err
}

func (s *Service) getLifecycle(ctx context.Context, r store.Reader, c op.Caller, in *api.GetLifecyclePolicyInput) (*api.GetLifecyclePolicyOutput, error) {
	at := scope(c, in.RegistryId)
	v, err := s.lifecycle(ctx, r, at, in.RepositoryName)
	return &api.GetLifecyclePolicyOutput{RegistryId: &at.Account, RepositoryName: in.RepositoryName, LifecyclePolicyText: &v.Lifecycle, LastEvaluatedAt: op.At(v.LifecycleAt)}, err
}

func (s *Service) deleteLifecycle(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteLifecyclePolicyInput) (*api.DeleteLifecyclePolicyOutput, error) {
	at := scope(c, in.RegistryId)
	v, err := s.lifecycle(ctx, tx, at, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	return &api.DeleteLifecyclePolicyOutput{RegistryId: &at.Account, RepositoryName: in.RepositoryName, LifecyclePolicyText: &v.Lifecycle, LastEvaluatedAt: op.At(v.LifecycleAt)},
		s.alter(ctx, tx, at, in.RepositoryName, func(r *registry.Repository) error {
			r.Lifecycle, r.LifecycleAt = "", time.Time{}
			return nil
		})
}

// expire applies a repository's policy, where it has one.
func (s *Service) expire(ctx context.Context, tx store.Tx, at store.Scope, name string) error {
	d, err := s.repository(ctx, tx, at, &name)
	if err != nil || d.Value.Lifecycle == "" {
		return err
	}
	policy, err := parsePolicy(d.Value.Lifecycle)
	if err != nil {
		return fmt.Errorf("lifecycle policy of %s: %w", name, err)
	}
	images, _, err := s.Records.Images(ctx, tx, at, name, "", 0)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	for _, i := range policy.expired(images, now) {
		if _, err := s.Records.Delete(ctx, tx, at, name, i.Digest); err != nil {
			return fmt.Errorf("expire image %s of %s: %w", i.Digest, name, err)
		}
	}
	return s.alter(ctx, tx, at, &name, func(r *registry.Repository) error { r.LifecycleAt = now; return nil })
}

// Sweep applies all lifecycle policies and drops layers that no image needs; once a day.
func (s *Service) Sweep(ctx context.Context) error {
	var all []store.Doc[registry.Repository]
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		all, err = s.Records.Repositories.List(ctx, r, store.Scope{}, store.Query{})
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.Value.Lifecycle == "" {
			continue
		}
		err := s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
			if _, err := s.Records.Repositories.Get(ctx, tx, d.Scope, d.Key); err != nil {
				return ignoreGone(err)
			}
			return s.expire(ctx, tx, d.Scope, d.Key)
		})
		if err != nil {
			return err
		}
	}
	return s.DB.Update(ctx, s.Records.Sweep)
}
