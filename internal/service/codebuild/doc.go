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
// CodePipeline, plain Git hosts or none, in images of the registry, the mirror or the
// host's Engine, VPC builds, privileged builds with a Docker daemon of their own,
// artifacts and caches in S3, local caches, automatic retries. Refused by name:
// batches, webhooks, report groups, fleets, sandboxes, source credentials, public builds.
//
// A project that asks for S3 logs, EFS, a badge, a registry's or a source's
// credentials, a fleet or a Docker server is refused; one of Windows, macOS or Lambda
// fails its builds in PROVISIONING. The section reports of a buildspec is skipped and
// its files are not kept, the log says so; runtime-versions is not done, as with a
// custom image. CodeBuild's own image names all mean one image. bucketOwnerAccess of
// an artifact is stored and changes nothing.
package codebuild
