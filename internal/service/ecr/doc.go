// Package ecr is Amazon ECR's AWS operations. The records are internal/registry's, which
// `docker push` and `docker pull` write and read, too; what a repository forbids (tags
// that are immutable, callers that its policy does not name) holds on both ways.
//
// Lifecycle policies are applied when they are put, after PutImage, and daily.
// scanOnPush is kept and shown, and no image is scanned: images have no scan status.
// Refused: scanning, replication, pull-through
// cache rules, registry policies, archive storage, and encryption by a KMS key of one's own.
package ecr
