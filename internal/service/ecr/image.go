package ecr

import (
	"context"
	"errors"

	api "github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) putImage(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutImageInput) (*api.PutImageOutput, error) {
	at, body := scope(c, in.RegistryId), op.Val(in.ImageManifest)
	image, err := s.Records.Push(ctx, tx, at, registry.Push{
		Repository: op.Val(in.RepositoryName), Tag: op.Val(in.ImageTag), MediaType: op.Val(in.ImageManifestMediaType),
		Body: []byte(body), Digest: blob.Digest(op.Val(in.ImageDigest)),
	})
	if err != nil {
		return nil, pushError(at, in, image, err)
	}
	if err := s.expire(ctx, tx, at, image.Repository); err != nil {
		return nil, err
	}
	return &api.PutImageOutput{Image: &api.Image{
		RegistryId: &at.Account, RepositoryName: in.RepositoryName, ImageId: identifier(image.Digest, op.Val(in.ImageTag)),
		ImageManifest: &body, ImageManifestMediaType: &image.MediaType,
	}}, nil
}

func identifier(d blob.Digest, tag string) *api.ImageIdentifier {
	return &api.ImageIdentifier{ImageDigest: op.Opt(string(d)), ImageTag: op.Opt(tag)}
}

// pushError gives the records' errors AWS's words.
func pushError(at store.Scope, in *api.PutImageInput, image registry.Image, err error) error {
	name, tag := op.Val(in.RepositoryName), op.Val(in.ImageTag)
	invalid, isInvalid := errors.AsType[*registry.ManifestError](err)
	missing, lacks := errors.AsType[*registry.MissingError](err)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return noRepository(at, name)
	case errors.Is(err, registry.ErrImageExists):
		return api.ImageAlreadyExistsException("Image with digest '%s' and tag '%s' already exists in the repository with name '%s' in registry with id '%s'", image.Digest, tag, name, at.Account)
	case errors.Is(err, registry.ErrTagImmutable):
		return api.ImageTagAlreadyExistsException("The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", tag, name)
	case errors.Is(err, registry.ErrTag):
		return api.InvalidParameterException("Invalid parameter at 'imageTag' failed to satisfy constraint: 'must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}''")
	case errors.Is(err, blob.ErrDigest):
		return api.ImageDigestDoesNotMatchException("The image digest '%s' does not match the image manifest", op.Val(in.ImageDigest))
	case lacks && missing.Manifest:
		return api.ReferencedImagesNotFoundException("Images with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist", missing.Digest, name, at.Account)
	case lacks:
		return api.LayersNotFoundException("Layers with digests '[%s]' required for pushing image with digest '%s' into repository with name '%s' in the registry with id '%s' do not exist", missing.Digest, image.Digest, name, at.Account)
	case isInvalid:
		return api.InvalidParameterException("Invalid parameter at 'ImageManifest' failed to satisfy constraint: '%s'", invalid.Reason)
	}
	return err
}

// shown tells whether an image with tags or without is asked for.
func shown(status string, i registry.Image) bool {
	switch status {
	case api.TagStatusTagged:
		return len(i.Tags) > 0
	case api.TagStatusUntagged:
		return len(i.Tags) == 0
	}
	return true
}

func (s *Service) listImages(ctx context.Context, r store.Reader, c op.Caller, in *api.ListImagesInput) (*api.ListImagesOutput, error) {
	at := scope(c, in.RegistryId)
	if _, err := s.repository(ctx, r, at, in.RepositoryName); err != nil {
		return nil, err
	}
	images, next, err := s.Records.Images(ctx, r, at, *in.RepositoryName, op.Val(in.NextToken), int(op.Or(in.MaxResults, defaultPage)))
	if err != nil {
		return nil, badToken(err)
	}
	status := ""
	if in.Filter != nil {
		status = op.Val(in.Filter.TagStatus)
	}
	out := &api.ListImagesOutput{ImageIds: []api.ImageIdentifier{}, NextToken: op.Opt(next)}
	for _, i := range images {
		if !shown(status, i) {
			continue
		}
		if len(i.Tags) == 0 {
			out.ImageIds = append(out.ImageIds, *identifier(i.Digest, ""))
		}
		for _, t := range i.Tags {
			out.ImageIds = append(out.ImageIds, *identifier(i.Digest, t))
		}
	}
	return out, nil
}

func (s *Service) describeImages(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeImagesInput) (*api.DescribeImagesOutput, error) {
	at := scope(c, in.RegistryId)
	if _, err := s.repository(ctx, r, at, in.RepositoryName); err != nil {
		return nil, err
	}
	out := &api.DescribeImagesOutput{ImageDetails: []api.ImageDetail{}}
	for _, id := range in.ImageIds {
		image, failure, err := s.find(ctx, r, at, *in.RepositoryName, id)
		if err != nil {
			return nil, err
		}
		if failure != nil {
			return nil, api.ImageNotFoundException("The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'", op.Or(id.ImageDigest, "null"), op.Or(id.ImageTag, "null"), *in.RepositoryName, at.Account)
		}
		out.ImageDetails = append(out.ImageDetails, detail(at, image))
	}
	if len(in.ImageIds) > 0 {
		return out, nil
	}
	images, next, err := s.Records.Images(ctx, r, at, *in.RepositoryName, op.Val(in.NextToken), int(op.Or(in.MaxResults, defaultPage)))
	if err != nil {
		return nil, badToken(err)
	}
	out.NextToken = op.Opt(next)
	for _, i := range images {
		if in.Filter == nil || shown(op.Val(in.Filter.TagStatus), i) {
			out.ImageDetails = append(out.ImageDetails, detail(at, i))
		}
	}
	return out, nil
}

func detail(at store.Scope, i registry.Image) api.ImageDetail {
	return api.ImageDetail{
		RegistryId: &at.Account, RepositoryName: &i.Repository, ImageDigest: new(string(i.Digest)), ImageTags: i.Tags,
		ImageSizeInBytes: op.Opt(i.Size), ImagePushedAt: op.At(i.Pushed), ImageManifestMediaType: &i.MediaType,
		ArtifactMediaType: op.Opt(i.ArtifactType), SubjectManifestDigest: op.Opt(string(i.Subject)),
		LastRecordedPullTime: op.At(i.Pulled), ImageStatus: new(api.ImageStatusActive),
	}
}
