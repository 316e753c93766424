package codebuild

import (
	"context"
	"errors"
	"fmt"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Project is a build project, in AWS's own structure: it is shown as it was given.
type Project struct {
	api.Project
	// CacheID names what its builds keep for the next one; InvalidateProjectCache
	// takes another.
	CacheID string `json:",omitzero"`
}

// pageSize is that of all lists of names and ids.
const pageSize = 100

func (s *Service) createProject(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateProjectInput) (*api.CreateProjectOutput, error) {
	name := op.Val(in.Name)
	if _, err := projects.Get(ctx, tx, c.Scope, name); err == nil {
		return nil, api.ResourceAlreadyExistsException("Project already exists: %s", projectARN(c.Scope, name))
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("read project %s: %w", name, err)
	}
	now := op.At(s.Clock.Now())
	p := Project{CacheID: ids.UUID(c.Key), Project: api.Project{
		Name: in.Name, Arn: new(projectARN(c.Scope, name)), Description: in.Description,
		Source: in.Source, SecondarySources: in.SecondarySources, SourceVersion: in.SourceVersion,
		SecondarySourceVersions: in.SecondarySourceVersions, Artifacts: in.Artifacts, SecondaryArtifacts: in.SecondaryArtifacts,
		Cache: in.Cache, Environment: in.Environment, ServiceRole: in.ServiceRole, TimeoutInMinutes: in.TimeoutInMinutes,
		QueuedTimeoutInMinutes: in.QueuedTimeoutInMinutes, EncryptionKey: in.EncryptionKey, Tags: in.Tags, Created: now, LastModified: now,
		VpcConfig: in.VpcConfig, Badge: &api.ProjectBadge{BadgeEnabled: new(op.Val(in.BadgeEnabled))}, LogsConfig: in.LogsConfig,
		FileSystemLocations: in.FileSystemLocations, BuildBatchConfig: in.BuildBatchConfig,
		ConcurrentBuildLimit: in.ConcurrentBuildLimit, AutoRetryLimit: in.AutoRetryLimit, ProjectVisibility: new("PRIVATE"),
	}}
	p.fill(c.Scope)
	if err := s.check(ctx, tx, c, p); err != nil {
		return nil, err
	}
	if _, err := projects.Put(ctx, tx, c.Scope, name, p, 0); err != nil {
		return nil, fmt.Errorf("put project %s: %w", name, err)
	}
	return &api.CreateProjectOutput{Project: &p.Project}, nil
}

// fill sets the defaults that AWS shows.
func (p *Project) fill(scope store.Scope) {
	p.SecondarySources, p.SecondaryArtifacts = orEmpty(p.SecondarySources), orEmpty(p.SecondaryArtifacts)
	p.SecondarySourceVersions, p.Tags = orEmpty(p.SecondarySourceVersions), orEmpty(p.Tags)
	p.TimeoutInMinutes = new(op.Or(p.TimeoutInMinutes, 60))
	p.QueuedTimeoutInMinutes = new(op.Or(p.QueuedTimeoutInMinutes, 480))
	if op.Val(p.EncryptionKey) == "" {
		p.EncryptionKey = new(arn.New("kms", scope.Region, scope.Account, "alias/aws/s3"))
	}
	if p.Cache == nil || op.Val(p.Cache.Type) == "" {
		p.Cache = &api.ProjectCache{Type: new("NO_CACHE")}
	}
	if p.Source != nil && p.Source.InsecureSsl == nil {
		p.Source.InsecureSsl = new(false)
	}
	if e := p.Environment; e != nil {
		e.EnvironmentVariables = orEmpty(e.EnvironmentVariables)
		for i, v := range e.EnvironmentVariables {
			e.EnvironmentVariables[i].Type = new(op.Or(v.Type, "PLAINTEXT"))
		}
		e.PrivilegedMode = new(op.Val(e.PrivilegedMode))
		e.ImagePullCredentialsType = new(op.Or(e.ImagePullCredentialsType, "CODEBUILD"))
	}
	if a := p.Artifacts; a != nil && op.Val(a.Type) == api.ArtifactsTypeS3 {
		a.NamespaceType, a.Packaging = new(op.Or(a.NamespaceType, "NONE")), new(op.Or(a.Packaging, "NONE"))
		a.EncryptionDisabled = new(op.Val(a.EncryptionDisabled))
		if op.Val(a.Name) == "" {
			a.Name = p.Name
		}
	} else if a != nil && op.Val(a.Type) == api.ArtifactsTypeCodepipeline {
		a.Name, a.Packaging = new(op.Or(a.Name, op.Val(p.Name))), new(op.Or(a.Packaging, "NONE"))
		a.EncryptionDisabled = new(op.Val(a.EncryptionDisabled))
	}
	if v := p.VpcConfig; v != nil && op.Val(v.VpcId) == "" && len(v.Subnets) == 0 && len(v.SecurityGroupIds) == 0 {
		p.VpcConfig = nil
	}
	if op.Val(p.ConcurrentBuildLimit) == -1 {
		p.ConcurrentBuildLimit = nil
	}
}

func (s *Service) batchGetProjects(ctx context.Context, r store.Reader, c op.Caller, in *api.BatchGetProjectsInput) (*api.BatchGetProjectsOutput, error) {
	out := &api.BatchGetProjectsOutput{Projects: []api.Project{}, ProjectsNotFound: []string{}}
	for _, n := range in.Names {
		d, err := projects.Get(ctx, r, c.Scope, projectName(&n))
		switch {
		case errors.Is(err, store.ErrNotFound):
			out.ProjectsNotFound = append(out.ProjectsNotFound, n)
		case err != nil:
			return nil, fmt.Errorf("read project %s: %w", n, err)
		default:
			out.Projects = append(out.Projects, d.Value.Project)
		}
	}
	return out, nil
}

func (s *Service) listProjects(ctx context.Context, r store.Reader, c op.Caller, in *api.ListProjectsInput) (*api.ListProjectsOutput, error) {
	q := store.Query{After: op.Val(in.NextToken), Desc: op.Val(in.SortOrder) == "DESCENDING", Limit: pageSize + 1}
	switch op.Val(in.SortBy) {
	case "CREATED_TIME":
		q.Index = "created"
	case "LAST_MODIFIED_TIME":
		q.Index = "modified"
	}
	docs, err := projects.List(ctx, r, c.Scope, q)
	if err != nil {
		return nil, listError(err)
	}
	out := &api.ListProjectsOutput{Projects: []string{}}
	for i, d := range docs {
		if i == pageSize {
			out.NextToken = new(docs[i-1].Cursor)
			break
		}
		out.Projects = append(out.Projects, d.Key)
	}
	return out, nil
}

// updateProject replaces each top-level member that is given.
func (s *Service) updateProject(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateProjectInput) (*api.UpdateProjectOutput, error) {
	d, err := s.project(ctx, tx, c.Scope, op.Val(in.Name))
	if err != nil {
		return nil, err
	}
	p := d.Value
	give(&p.Description, in.Description)
	give(&p.Source, in.Source)
	give(&p.SourceVersion, in.SourceVersion)
	give(&p.Artifacts, in.Artifacts)
	give(&p.Cache, in.Cache)
	give(&p.Environment, in.Environment)
	give(&p.ServiceRole, in.ServiceRole)
	give(&p.TimeoutInMinutes, in.TimeoutInMinutes)
	give(&p.QueuedTimeoutInMinutes, in.QueuedTimeoutInMinutes)
	give(&p.EncryptionKey, in.EncryptionKey)
	give(&p.VpcConfig, in.VpcConfig)
	give(&p.LogsConfig, in.LogsConfig)
	give(&p.BuildBatchConfig, in.BuildBatchConfig)
	give(&p.ConcurrentBuildLimit, in.ConcurrentBuildLimit)
	give(&p.AutoRetryLimit, in.AutoRetryLimit)
	giveList(&p.SecondarySources, in.SecondarySources)
	giveList(&p.SecondarySourceVersions, in.SecondarySourceVersions)
	giveList(&p.SecondaryArtifacts, in.SecondaryArtifacts)
	giveList(&p.Tags, in.Tags)
	giveList(&p.FileSystemLocations, in.FileSystemLocations)
	if in.BadgeEnabled != nil {
		p.Badge = &api.ProjectBadge{BadgeEnabled: in.BadgeEnabled}
	}
	p.LastModified = op.At(s.Clock.Now())
	p.fill(c.Scope)
	if err := s.check(ctx, tx, c, p); err != nil {
		return nil, err
	}
	if _, err := projects.Put(ctx, tx, c.Scope, d.Key, p, d.Version); err != nil {
		return nil, fmt.Errorf("put project %s: %w", d.Key, err)
	}
	return &api.UpdateProjectOutput{Project: &p.Project}, nil
}

func give[T any](to **T, v *T) {
	if v != nil {
		*to = v
	}
}

func giveList[T any](to *[]T, v []T) {
	if v != nil {
		*to = v
	}
}

// deleteProject of a project that is not there succeeds; builds stay.
func (s *Service) deleteProject(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteProjectInput) (*api.DeleteProjectOutput, error) {
	name := projectName(in.Name)
	if d, err := projects.Get(ctx, tx, c.Scope, name); err == nil {
		if err := projects.Delete(ctx, tx, c.Scope, name, d.Version); err != nil {
			return nil, fmt.Errorf("delete project %s: %w", name, err)
		}
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("read project %s: %w", name, err)
	}
	return &api.DeleteProjectOutput{}, nil
}

// invalidateProjectCache lets the next build begin with an empty cache.
func (s *Service) invalidateProjectCache(ctx context.Context, tx store.Tx, c op.Caller, in *api.InvalidateProjectCacheInput) (*api.InvalidateProjectCacheOutput, error) {
	d, err := s.project(ctx, tx, c.Scope, projectName(in.ProjectName))
	if err != nil {
		return nil, err
	}
	d.Value.CacheID = ids.UUID(c.Key)
	if _, err := projects.Put(ctx, tx, c.Scope, d.Key, d.Value, d.Version); err != nil {
		return nil, fmt.Errorf("put project %s: %w", d.Key, err)
	}
	return &api.InvalidateProjectCacheOutput{}, nil
}

func (s *Service) project(ctx context.Context, r store.Reader, scope store.Scope, name string) (store.Doc[Project], error) {
	d, err := projects.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return d, api.ResourceNotFoundException("Project cannot be found: %s", projectARN(scope, name))
	}
	if err != nil {
		return d, fmt.Errorf("read project %s: %w", name, err)
	}
	return d, nil
}

func listError(err error) error {
	if errors.Is(err, store.ErrCursor) {
		return api.InvalidInputException("Invalid token provided")
	}
	return err
}

func (s *Service) listSourceCredentials(context.Context, store.Reader, op.Caller, *api.ListSourceCredentialsInput) (*api.ListSourceCredentialsOutput, error) {
	return &api.ListSourceCredentialsOutput{SourceCredentialsInfos: []api.SourceCredentialsInfo{}}, nil
}
