package codebuild

import (
	"strings"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface of the service. An operation that is not listed is
// refused by name.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.CreateProject, func(c op.Caller, in *api.CreateProjectInput) []string { return project(c, in.Name) }, s.createProject),
		op.Read(api.BatchGetProjects, func(c op.Caller, in *api.BatchGetProjectsInput) []string { return projectsOf(c, in.Names) }, s.batchGetProjects),
		op.Read(api.ListProjects, nil, s.listProjects),
		op.Change(api.UpdateProject, func(c op.Caller, in *api.UpdateProjectInput) []string { return project(c, in.Name) }, s.updateProject),
		op.Change(api.DeleteProject, func(c op.Caller, in *api.DeleteProjectInput) []string { return project(c, in.Name) }, s.deleteProject),
		op.Change(api.InvalidateProjectCache, func(c op.Caller, in *api.InvalidateProjectCacheInput) []string { return project(c, in.ProjectName) }, s.invalidateProjectCache),
		op.Change(api.StartBuild, func(c op.Caller, in *api.StartBuildInput) []string { return project(c, in.ProjectName) }, s.startBuild),
		op.Change(api.RetryBuild, func(c op.Caller, in *api.RetryBuildInput) []string { return buildProjects(c, op.Val(in.Id)) }, s.retryBuild),
		op.Change(api.StopBuild, func(c op.Caller, in *api.StopBuildInput) []string { return buildProjects(c, op.Val(in.Id)) }, s.stopBuild),
		op.Read(api.BatchGetBuilds, func(c op.Caller, in *api.BatchGetBuildsInput) []string { return buildProjects(c, in.Ids...) }, s.batchGetBuilds),
		op.Read(api.ListBuilds, nil, s.listBuilds),
		op.Read(api.ListBuildsForProject, func(c op.Caller, in *api.ListBuildsForProjectInput) []string { return project(c, in.ProjectName) }, s.listBuildsForProject),
		op.Change(api.BatchDeleteBuilds, func(c op.Caller, in *api.BatchDeleteBuildsInput) []string { return buildProjects(c, in.Ids...) }, s.batchDeleteBuilds),
		op.Read(api.ListCuratedEnvironmentImages, nil, s.listCuratedEnvironmentImages),
		op.Read(api.ListSourceCredentials, nil, s.listSourceCredentials),
	}
}

func project(c op.Caller, name *string) []string { return []string{projectARN(c.Scope, op.Val(name))} }

func projectsOf(c op.Caller, names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, projectARN(c.Scope, n))
	}
	return out
}

// buildProjects are the projects of builds: IAM knows no resource for a build.
func buildProjects(c op.Caller, ids ...string) []string {
	var out []string
	for _, id := range ids {
		name, _, _ := strings.Cut(buildID(id), ":")
		out = append(out, projectARN(c.Scope, name))
	}
	return out
}

// buildID is project:uuid of an id or an ARN.
func buildID(id string) string {
	if a, ok := arn.Parse(id); ok {
		return strings.TrimPrefix(a.Resource, "build/")
	}
	return id
}

// projectName is the name of a name or an ARN.
func projectName(p *string) string {
	if a, ok := arn.Parse(op.Val(p)); ok {
		return a.Name()
	}
	return op.Val(p)
}
