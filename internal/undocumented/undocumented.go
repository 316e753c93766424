// Package undocumented holds operations that AWS authorises by name but publishes
// no model of. Services call them through the dispatcher like any other; no client
// outside can. Leaf: both sides import it.
package undocumented

import "github.com/penstock-ci/penstock/internal/op"

// UploadArchiveInput names a commit whose files are wanted.
type UploadArchiveInput struct{ RepositoryName, CommitID string }

// UploadArchiveOutput has the archive, a zip, as its body.
type UploadArchiveOutput struct{}

// UploadArchive is what CodePipeline's source action does with a CodeCommit
// repository; the permission is codecommit:UploadArchive (CodeCommit user guide,
// "Actions required for Git client commands and pipelines").
var UploadArchive = op.Op[UploadArchiveInput, UploadArchiveOutput]{Service: "codecommit", Name: "UploadArchive"}
