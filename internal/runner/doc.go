// Package runner is the program inside a build container. cmd/penstock-runner calls
// Main; the server puts the binary in and starts it as the container's entrypoint.
// It takes its orders from the control address (package protocol), executes the
// phases as CodeBuild does, and repeats lines and reports until they are
// acknowledged, so that a build goes on while the server is away.
//
// The same binary, called by another name or word, is the OCI-runtime wrapper of
// the build's own Docker daemon (runc), Git's credential helper for CodeCommit, and
// what saves a shell's state between two commands. It never reads a buildspec: the
// server parses it and sends a plan. Standard library and one glob matcher only.
package runner
