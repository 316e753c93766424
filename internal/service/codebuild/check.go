package codebuild

import (
	"context"
	"errors"
	"regexp"
	"strings"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// servicePrincipal is whom a project's role must trust.
const servicePrincipal = "codebuild.amazonaws.com"

// check refuses a project that cannot build: name, source, artifacts, environment,
// role, VPC, in this order.
func (s *Service) check(ctx context.Context, r store.Reader, c op.Caller, p Project) error {
	for _, f := range []func() error{
		func() error { return checkName(op.Val(p.Name)) },
		func() error { return checkSources(*p.Source, p.SecondarySources) },
		func() error { return checkArtifacts(*p.Artifacts, p.SecondaryArtifacts, op.Val(p.Source.Type)) },
		func() error { return checkEnvironment(*p.Environment, c.Account) },
		func() error { return checkRest(p) },
		func() error { return s.checkRole(ctx, r, c, op.Val(p.ServiceRole)) },
		func() error { return s.checkVPC(ctx, c, p) },
	} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9\-_]{1,254}$`)

func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return api.InvalidInputException("Only alphanumeric characters, dash, and underscore are supported")
	}
	return nil
}

var identifierPattern = regexp.MustCompile(`^[A-Za-z0-9_]{1,127}$`)

func checkSources(primary api.ProjectSource, secondary []api.ProjectSource) error {
	if err := checkSource(primary); err != nil {
		return err
	}
	if len(secondary) > 12 {
		return api.InvalidInputException("Invalid input: a project can have at most 12 secondary sources")
	}
	seen := map[string]bool{}
	for _, src := range secondary {
		id := op.Val(src.SourceIdentifier)
		if !identifierPattern.MatchString(id) {
			return api.InvalidInputException("Invalid input: identifier must contain only alphanumeric characters and underscores and be less than 128 characters in length")
		}
		if seen[id] {
			return api.InvalidInputException("Invalid input: source identifier %s is used more than once", id)
		}
		seen[id] = true
		if err := checkSource(src); err != nil {
			return err
		}
	}
	return nil
}

func checkSource(src api.ProjectSource) error {
	location := op.Val(src.Location)
	switch t := op.Val(src.Type); t {
	case api.SourceTypeCodepipeline:
	case api.SourceTypeNoSource:
		if !isInline(op.Val(src.Buildspec)) && !strings.HasPrefix(op.Val(src.Buildspec), "arn:") {
			return api.InvalidInputException("Source type NO_SOURCE requires an inline buildspec")
		}
	case api.SourceTypeS3:
		if bucket, key, _ := strings.Cut(objectPath(location), "/"); bucket == "" || key == "" {
			return api.InvalidInputException("Project source location is required")
		}
	case "CODECOMMIT", "GITHUB", "GITHUB_ENTERPRISE", "BITBUCKET", "GITLAB", "GITLAB_SELF_MANAGED":
		if location == "" {
			return api.InvalidInputException("Project source location is required")
		}
		if !strings.HasPrefix(location, "https://") && !strings.HasPrefix(location, "http://") {
			return api.InvalidInputException("Invalid project source: location must be a valid URL of a Git repository: %s", location)
		}
		if src.Auth != nil {
			return api.InvalidInputException("Invalid project source: source credentials (auth) are not supported; only repositories that need none, and CODECOMMIT, can be built")
		}
	default:
		return api.InvalidInputException("Invalid type provided: Project source type")
	}
	if op.Val(src.ReportBuildStatus) {
		return api.InvalidInputException("Invalid project source: reportBuildStatus is not supported")
	}
	return nil
}

func checkArtifacts(primary api.ProjectArtifacts, secondary []api.ProjectArtifacts, source string) error {
	if err := checkArtifact(primary); err != nil {
		return err
	}
	if (op.Val(primary.Type) == api.ArtifactsTypeCodepipeline) != (source == api.SourceTypeCodepipeline) {
		return api.InvalidInputException("Invalid input: when using CodePipeline both sourceType, and artifactType must be set to: CODEPIPELINE")
	}
	seen := map[string]bool{}
	for _, a := range secondary {
		id := op.Val(a.ArtifactIdentifier)
		if !identifierPattern.MatchString(id) || seen[id] {
			return api.InvalidInputException("Invalid input: identifier must contain only alphanumeric characters and underscores and be less than 128 characters in length")
		}
		seen[id] = true
		if err := checkArtifact(a); err != nil {
			return err
		}
	}
	return nil
}

func checkArtifact(a api.ProjectArtifacts) error {
	switch op.Val(a.Type) {
	case api.ArtifactsTypeCodepipeline:
	case api.ArtifactsTypeNoArtifacts:
		if op.Val(a.Location) != "" {
			return api.InvalidInputException("Invalid artifacts: artifact type NO_ARTIFACTS should have null location")
		}
		if op.Val(a.Name) != "" {
			return api.InvalidInputException("Invalid artifacts: artifact type NO_ARTIFACTS should have null output name")
		}
	case api.ArtifactsTypeS3:
		if op.Val(a.Location) == "" {
			return api.InvalidInputException("Invalid artifacts: artifact type S3 should have a location")
		}
	default:
		return api.InvalidInputException("Invalid type provided: Artifact type")
	}
	if op.Val(a.EncryptionDisabled) && op.Val(a.Type) != api.ArtifactsTypeS3 {
		return api.InvalidInputException("Invalid artifacts: encryptionDisabled can be set for artifact type S3 only")
	}
	return nil
}

func checkVariables(vs []api.EnvironmentVariable) error {
	seen := map[string]bool{}
	for _, v := range vs {
		name := op.Val(v.Name)
		if seen[name] {
			return api.InvalidInputException("EnvironmentVariable name cannot be duplicated")
		}
		seen[name] = true
		if strings.HasPrefix(name, "CODEBUILD_") && !strings.HasPrefix(name, "CODEBUILD_CONFIG_") {
			return api.InvalidInputException("No user environment variables can start with `CODEBUILD_`")
		}
	}
	return nil
}

// checkRest refuses what a project may store on AWS and a build here would ignore.
func checkRest(p Project) error {
	switch {
	case p.Cache != nil && op.Val(p.Cache.Type) == api.CacheTypeS3 && strings.Trim(op.Val(p.Cache.Location), "/") == "":
		return api.InvalidInputException("Invalid cache: location is required for cache type S3")
	case len(p.FileSystemLocations) > 0:
		return api.InvalidInputException("Invalid input: fileSystemLocations are not supported")
	case p.LogsConfig != nil && p.LogsConfig.S3Logs != nil && op.Val(p.LogsConfig.S3Logs.Status) == "ENABLED":
		return api.InvalidInputException("Invalid logsConfig: s3Logs are not supported; use cloudWatchLogs")
	case p.Badge != nil && op.Val(p.Badge.BadgeEnabled):
		return api.InvalidInputException("Invalid input: build badges are not supported")
	}
	if n := op.Val(p.ConcurrentBuildLimit); p.ConcurrentBuildLimit != nil && n < 1 {
		return api.InvalidInputException("Invalid concurrent build limit: must be greater than or equal to 1")
	}
	return nil
}

// checkRole asks whether the caller may pass the role and whether CodeBuild may take it.
func (s *Service) checkRole(ctx context.Context, r store.Reader, c op.Caller, role string) error {
	a, ok := arn.Parse(role)
	if !ok || a.Service != "iam" || !strings.HasPrefix(a.Resource, "role/") {
		return api.InvalidInputException("Invalid service role")
	}
	if a.Account != c.Account {
		return api.InvalidInputException("Invalid service role: Service role account ID does not match caller's account")
	}
	if err := s.Guard.Allow(ctx, r, c, "iam:PassRole", role, map[string]string{"iam:PassedToService": servicePrincipal}); err != nil {
		return err
	}
	if err := s.Guard.Trusts(ctx, r, role, servicePrincipal); err != nil {
		if refused, ok := errors.AsType[*op.Error](err); ok && refused.IsServerFault() {
			return err
		}
		return api.InvalidInputException("CodeBuild is not authorized to perform: sts:AssumeRole on %s", role)
	}
	return nil
}

// isInline tells whether a buildspec setting is the buildspec itself.
func isInline(spec string) bool {
	return strings.Contains(spec, "\n") || strings.HasPrefix(strings.TrimSpace(spec), "{") || strings.HasPrefix(strings.TrimSpace(spec), "version:")
}
