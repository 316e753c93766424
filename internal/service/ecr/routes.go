package ecr

import (
	api "github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
)

// Handlers is the whole surface of the service. What receives layers is a stream
// operation: it writes bytes first and to the database after.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.CreateRepository, func(c op.Caller, in *api.CreateRepositoryInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.createRepository),
		op.Read(api.DescribeRepositories, func(c op.Caller, in *api.DescribeRepositoriesInput) []string {
			return all(c, in.RegistryId, in.RepositoryNames)
		}, s.describeRepositories),
		op.Change(api.PutImageTagMutability, func(c op.Caller, in *api.PutImageTagMutabilityInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.putMutability),
		op.Change(api.PutImageScanningConfiguration, func(c op.Caller, in *api.PutImageScanningConfigurationInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.putScanning),
		op.Change(api.DeleteRepository, func(c op.Caller, in *api.DeleteRepositoryInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.deleteRepository),
		op.Change(api.SetRepositoryPolicy, func(c op.Caller, in *api.SetRepositoryPolicyInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.setPolicy),
		op.Read(api.GetRepositoryPolicy, func(c op.Caller, in *api.GetRepositoryPolicyInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.getPolicy),
		op.Change(api.DeleteRepositoryPolicy, func(c op.Caller, in *api.DeleteRepositoryPolicyInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.deletePolicy),
		op.Change(api.PutLifecyclePolicy, func(c op.Caller, in *api.PutLifecyclePolicyInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.putLifecycle),
		op.Read(api.GetLifecyclePolicy, func(c op.Caller, in *api.GetLifecyclePolicyInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.getLifecycle),
		op.Change(api.DeleteLifecyclePolicy, func(c op.Caller, in *api.DeleteLifecyclePolicyInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.deleteLifecycle),
		op.Change(api.TagResource, func(_ op.Caller, in *api.TagResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.tagResource),
		op.Change(api.UntagResource, func(_ op.Caller, in *api.UntagResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.untagResource),
		op.Read(api.ListTagsForResource, func(_ op.Caller, in *api.ListTagsForResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.listTags),

		op.Change(api.PutImage, func(c op.Caller, in *api.PutImageInput) []string { return named(c, in.RegistryId, in.RepositoryName) }, s.putImage),
		op.Read(api.ListImages, func(c op.Caller, in *api.ListImagesInput) []string { return named(c, in.RegistryId, in.RepositoryName) }, s.listImages),
		op.Read(api.DescribeImages, func(c op.Caller, in *api.DescribeImagesInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.describeImages),
		op.Read(api.BatchGetImage, func(c op.Caller, in *api.BatchGetImageInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.batchGetImage),
		op.Change(api.BatchDeleteImage, func(c op.Caller, in *api.BatchDeleteImageInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.batchDeleteImage),

		op.Read(api.BatchCheckLayerAvailability, func(c op.Caller, in *api.BatchCheckLayerAvailabilityInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.checkLayers),
		op.Read(api.GetDownloadUrlForLayer, func(c op.Caller, in *api.GetDownloadUrlForLayerInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.downloadURL),
		op.Stream(api.InitiateLayerUpload, func(c op.Caller, in *api.InitiateLayerUploadInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.beginLayer),
		op.Stream(api.UploadLayerPart, func(c op.Caller, in *api.UploadLayerPartInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.uploadPart),
		op.Stream(api.CompleteLayerUpload, func(c op.Caller, in *api.CompleteLayerUploadInput) []string {
			return named(c, in.RegistryId, in.RepositoryName)
		}, s.completeLayer),

		op.Read(api.GetAuthorizationToken, nil, s.getAuthorizationToken),
		op.Read(api.DescribeRegistry, nil, s.describeRegistry),
		op.Read(api.GetRegistryPolicy, nil, s.getRegistryPolicy),
		op.Read(api.GetRegistryScanningConfiguration, nil, s.getRegistryScanning),
		op.Read(api.DescribePullThroughCacheRules, nil, s.describeCacheRules),
	}
}

func named(c op.Caller, registryID, name *string) []string {
	return []string{registry.ARN(scope(c, registryID), op.Val(name))}
}

// all are the repositories named, or every one of the registry.
func all(c op.Caller, registryID *string, names []string) (out []string) {
	if len(names) == 0 {
		names = []string{"*"}
	}
	for _, n := range names {
		out = append(out, registry.ARN(scope(c, registryID), n))
	}
	return out
}
