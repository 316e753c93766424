package codebuild

import (
	"context"
	"errors"
	"fmt"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) batchGetBuilds(ctx context.Context, r store.Reader, c op.Caller, in *api.BatchGetBuildsInput) (*api.BatchGetBuildsOutput, error) {
	out := &api.BatchGetBuildsOutput{Builds: []api.Build{}, BuildsNotFound: []string{}}
	for _, id := range in.Ids {
		d, err := builds.Get(ctx, r, c.Scope, buildID(id))
		switch {
		case errors.Is(err, store.ErrNotFound):
			out.BuildsNotFound = append(out.BuildsNotFound, id)
		case err != nil:
			return nil, fmt.Errorf("read build %s: %w", id, err)
		default:
			out.Builds = append(out.Builds, d.Value.shown())
		}
	}
	return out, nil
}

func (s *Service) listBuilds(ctx context.Context, r store.Reader, c op.Caller, in *api.ListBuildsInput) (*api.ListBuildsOutput, error) {
	ids, next, err := page(ctx, r, c.Scope, store.Query{Index: "started"}, in.SortOrder, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &api.ListBuildsOutput{Ids: ids, NextToken: next}, nil
}

func (s *Service) listBuildsForProject(ctx context.Context, r store.Reader, c op.Caller, in *api.ListBuildsForProjectInput) (*api.ListBuildsForProjectOutput, error) {
	name := projectName(in.ProjectName)
	if _, err := projects.Get(ctx, r, c.Scope, name); errors.Is(err, store.ErrNotFound) {
		return nil, api.ResourceNotFoundException("The provided project %s does not exist", projectARN(c.Scope, name))
	} else if err != nil {
		return nil, fmt.Errorf("read project %s: %w", name, err)
	}
	ids, next, err := page(ctx, r, c.Scope, store.Query{Index: "project", Prefix: name + "/"}, in.SortOrder, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &api.ListBuildsForProjectOutput{Ids: ids, NextToken: next}, nil
}

// page is one page of build ids, newest first unless asked otherwise.
func page(ctx context.Context, r store.Reader, scope store.Scope, q store.Query, order, token *string) (ids []string, next *string, err error) {
	q.Desc, q.After, q.Limit = op.Val(order) != "ASCENDING", op.Val(token), pageSize+1
	docs, err := builds.List(ctx, r, scope, q)
	if err != nil {
		return nil, nil, listError(err)
	}
	ids = []string{}
	for i, d := range docs {
		if i == pageSize {
			return ids, new(docs[i-1].Cursor), nil
		}
		ids = append(ids, d.Key)
	}
	return ids, nil, nil
}

// batchDeleteBuilds forgets builds that have ended.
func (s *Service) batchDeleteBuilds(ctx context.Context, tx store.Tx, c op.Caller, in *api.BatchDeleteBuildsInput) (*api.BatchDeleteBuildsOutput, error) {
	out := &api.BatchDeleteBuildsOutput{BuildsDeleted: []string{}, BuildsNotDeleted: []api.BuildNotDeleted{}}
	for _, id := range in.Ids {
		why, err := deleteBuild(ctx, tx, c.Scope, buildID(id))
		if err != nil {
			return nil, fmt.Errorf("delete build %s: %w", id, err)
		}
		if why == "" {
			out.BuildsDeleted = append(out.BuildsDeleted, buildARN(c.Scope, buildID(id)))
		} else {
			out.BuildsNotDeleted = append(out.BuildsNotDeleted, api.BuildNotDeleted{Id: new(id), StatusCode: new(why)})
		}
	}
	return out, nil
}

// deleteBuild forgets a build, or tells why not. One that still holds its place on the
// host is being cleaned up, which needs its document.
func deleteBuild(ctx context.Context, tx store.Tx, scope store.Scope, id string) (why string, err error) {
	d, err := builds.Get(ctx, tx, scope, id)
	if errors.Is(err, store.ErrNotFound) {
		return "BUILD_NOT_FOUND", nil
	}
	if err != nil {
		return "", err
	}
	_, err = places.Get(ctx, tx, scope, id)
	switch {
	case err == nil || !d.Value.Complete():
		return "BUILD_IN_PROGRESS", nil
	case !errors.Is(err, store.ErrNotFound):
		return "", err
	}
	return "", builds.Delete(ctx, tx, scope, id, d.Version)
}
