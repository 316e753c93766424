package images

import (
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"github.com/penstock-ci/penstock/internal/op"
)

// words tell why an image cannot be had, as the service does for which it is brought.
type words interface {
	noPassword(named reference.Named, cause error) error
	denied(named reference.Named, cause error) error
	missing(named reference.Named, hint string) error
}

// tasks are ECS's.
type tasks struct{}

func (tasks) noPassword(_ reference.Named, cause error) error {
	return fmt.Errorf("ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: service call has been retried 1 time(s): %w", cause)
}

func (tasks) denied(named reference.Named, cause error) error {
	return fmt.Errorf("CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref %s: unexpected status from HEAD request to https://%s/v2/%s/manifests/%s: 403 Forbidden: %w",
		named, reference.Domain(named), reference.Path(named), tagOrDigest(named), cause)
}

func (tasks) missing(named reference.Named, hint string) error {
	return fmt.Errorf("CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref %s: %s: not found%s", named, named, hint)
}

// builds are CodeBuild's: those of the Docker daemon on its hosts.
type builds struct{}

func (w builds) noPassword(named reference.Named, cause error) error { return w.denied(named, cause) }

func (builds) denied(named reference.Named, cause error) error {
	text := cause.Error()
	if e, ok := errors.AsType[*op.Error](cause); ok {
		text = strings.Replace(e.Message, "User: codebuild.amazonaws.com ", "User: CodeBuild ", 1)
	}
	return fmt.Errorf("CannotPullContainerError: Error response from daemon: pull access denied for %s, repository does not exist or may require 'docker login': denied: %s", named.Name(), text)
}

func (builds) missing(named reference.Named, hint string) error {
	return fmt.Errorf("CannotPullContainerError: Error response from daemon: manifest for %s not found: manifest unknown: Requested image not found%s", named, hint)
}
