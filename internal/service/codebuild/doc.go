// Package codebuild is AWS CodeBuild: projects and builds. It is called through
// the dispatcher, and by the runner of a build container over its control address
// (package runner/protocol). It never touches a container itself: compute does,
// behind the small interface Pods.
//
// A build is a machine (machine.go, drawn in docs/states/codebuild-build.md). The
// phases from DOWNLOAD_SOURCE to UPLOAD_ARTIFACTS are executed by the runner,
// which goes on while the server is away and repeats its reports until they are
// acknowledged; the machine records them, keeps the time limits, and cleans up.
//
// Done: projects, builds on Linux containers with sources from CodeCommit, S3,
// CodePipeline, plain Git hosts or none, VPC builds, privileged builds with a
// Docker daemon of their own, artifacts in S3. Refused by name: batches, webhooks,
// report groups, fleets, sandboxes, source credentials.
package codebuild
