package codecommit

import (
	api "github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/undocumented"
)

// Handlers is the whole surface of the service. What moves a reference is a stream
// operation: it writes to Git first and to the database after.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.CreateRepository, func(c op.Caller, in *api.CreateRepositoryInput) []string { return repositoryARN(c, in.RepositoryName) }, s.createRepository),
		op.Read(api.GetRepository, func(c op.Caller, in *api.GetRepositoryInput) []string { return repositoryARN(c, in.RepositoryName) }, s.getRepository),
		op.Read(api.BatchGetRepositories, func(c op.Caller, in *api.BatchGetRepositoriesInput) []string {
			return repositoryARNs(c, in.RepositoryNames)
		}, s.batchGetRepositories),
		op.Read(api.ListRepositories, nil, s.listRepositories),
		op.Change(api.UpdateRepositoryDescription, func(c op.Caller, in *api.UpdateRepositoryDescriptionInput) []string {
			return repositoryARN(c, in.RepositoryName)
		}, s.updateDescription),
		op.Change(api.UpdateRepositoryName, func(c op.Caller, in *api.UpdateRepositoryNameInput) []string { return repositoryARN(c, in.OldName) }, s.updateName),
		op.Change(api.UpdateDefaultBranch, func(c op.Caller, in *api.UpdateDefaultBranchInput) []string {
			return repositoryARN(c, in.RepositoryName)
		}, s.updateDefaultBranch),
		op.Change(api.DeleteRepository, func(c op.Caller, in *api.DeleteRepositoryInput) []string { return repositoryARN(c, in.RepositoryName) }, s.deleteRepository),

		op.Stream(api.CreateBranch, func(c op.Caller, in *api.CreateBranchInput) []string { return repositoryARN(c, in.RepositoryName) }, s.createBranch).
			With(reference(func(in *api.CreateBranchInput) *string { return in.BranchName })),
		op.Read(api.GetBranch, func(c op.Caller, in *api.GetBranchInput) []string { return repositoryARN(c, in.RepositoryName) }, s.getBranch),
		op.Read(api.ListBranches, func(c op.Caller, in *api.ListBranchesInput) []string { return repositoryARN(c, in.RepositoryName) }, s.listBranches),
		op.Stream(api.DeleteBranch, func(c op.Caller, in *api.DeleteBranchInput) []string { return repositoryARN(c, in.RepositoryName) }, s.deleteBranch).
			With(reference(func(in *api.DeleteBranchInput) *string { return in.BranchName })),

		op.Read(api.GetCommit, func(c op.Caller, in *api.GetCommitInput) []string { return repositoryARN(c, in.RepositoryName) }, s.getCommit),
		op.Stream(api.CreateCommit, func(c op.Caller, in *api.CreateCommitInput) []string { return repositoryARN(c, in.RepositoryName) }, s.createCommit).
			With(reference(func(in *api.CreateCommitInput) *string { return in.BranchName })),
		op.Stream(api.PutFile, func(c op.Caller, in *api.PutFileInput) []string { return repositoryARN(c, in.RepositoryName) }, s.putFile).
			With(reference(func(in *api.PutFileInput) *string { return in.BranchName })),
		op.Read(api.GetFile, func(c op.Caller, in *api.GetFileInput) []string { return repositoryARN(c, in.RepositoryName) }, s.getFile),
		op.Read(api.GetBlob, func(c op.Caller, in *api.GetBlobInput) []string { return repositoryARN(c, in.RepositoryName) }, s.getBlob),
		op.Read(api.GetFolder, func(c op.Caller, in *api.GetFolderInput) []string { return repositoryARN(c, in.RepositoryName) }, s.getFolder),
		op.Stream(undocumented.UploadArchive, func(c op.Caller, in *undocumented.UploadArchiveInput) []string {
			return repositoryARN(c, &in.RepositoryName)
		}, s.uploadArchive),

		op.Change(api.TagResource, func(_ op.Caller, in *api.TagResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.tagResource),
		op.Change(api.UntagResource, func(_ op.Caller, in *api.UntagResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.untagResource),
		op.Read(api.ListTagsForResource, func(_ op.Caller, in *api.ListTagsForResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.listTags),
	}
}

func repositoryARN(c op.Caller, name *string) []string {
	return []string{arn.New("codecommit", c.Region, c.Account, op.Val(name))}
}

func repositoryARNs(c op.Caller, names []string) (out []string) {
	for _, n := range names {
		out = append(out, repositoryARN(c, &n)...)
	}
	return out
}

// references is the condition key of what moves a reference.
const references = "codecommit:References"

// reference is the full name of the branch that an operation moves.
func reference[I any](branch func(*I) *string) op.Key {
	return op.KeyOf(references, func(_ op.Caller, in *I) []string { return []string{"refs/heads/" + op.Val(branch(in))} })
}
