package ecr

import (
	"context"
	"errors"
	"slices"

	api "github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

func failed(id api.ImageIdentifier, code, reason string) *api.ImageFailure {
	return &api.ImageFailure{ImageId: &id, FailureCode: &code, FailureReason: &reason}
}

// find is the image of an identifier, or why there is none.
func (s *Service) find(ctx context.Context, r store.Reader, at store.Scope, repository string, id api.ImageIdentifier) (registry.Image, *api.ImageFailure, error) {
	digest, tag := blob.Digest(op.Val(id.ImageDigest)), op.Val(id.ImageTag)
	if digest == "" && tag == "" {
		return registry.Image{}, failed(id, api.ImageFailureCodeMissingDigestAndTag, "Invalid request parameters: both tag and digest cannot be null"), nil
	}
	if digest != "" && !digest.Valid() {
		return registry.Image{}, failed(id, api.ImageFailureCodeInvalidImageDigest, "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"), nil
	}
	if tag != "" {
		of, err := s.Records.Resolve(ctx, r, at, repository, tag)
		if errors.Is(err, store.ErrNotFound) {
			return registry.Image{}, failed(id, api.ImageFailureCodeImageNotFound, "Requested image not found"), nil
		}
		if err != nil {
			return registry.Image{}, nil, err
		}
		if digest != "" && digest != of {
			return registry.Image{}, failed(id, api.ImageFailureCodeImageTagDoesNotMatchDigest, "Requested image tag does not match the image digest"), nil
		}
		digest = of
	}
	image, err := s.Records.Image(ctx, r, at, repository, digest)
	if errors.Is(err, store.ErrNotFound) {
		return registry.Image{}, failed(id, api.ImageFailureCodeImageNotFound, "Requested image not found"), nil
	}
	return image, nil, err
}

func (s *Service) batchGetImage(ctx context.Context, r store.Reader, c op.Caller, in *api.BatchGetImageInput) (*api.BatchGetImageOutput, error) {
	at := scope(c, in.RegistryId)
	if _, err := s.repository(ctx, r, at, in.RepositoryName); err != nil {
		return nil, err
	}
	out := &api.BatchGetImageOutput{Images: []api.Image{}, Failures: []api.ImageFailure{}}
	for _, id := range in.ImageIds {
		image, failure, err := s.find(ctx, r, at, *in.RepositoryName, id)
		if err != nil {
			return nil, err
		}
		if failure != nil {
			out.Failures = append(out.Failures, *failure)
			continue
		}
		body, err := s.Records.Manifest(ctx, r, at, *in.RepositoryName, image.Digest)
		if err != nil {
			return nil, err
		}
		out.Images = append(out.Images, api.Image{
			RegistryId: &at.Account, RepositoryName: in.RepositoryName, ImageId: identifier(image.Digest, op.Val(id.ImageTag)),
			ImageManifest: new(string(body)), ImageManifestMediaType: &image.MediaType,
		})
	}
	return out, nil
}

// batchDeleteImage: lists are deleted before the images that they name, in
// whatever order they are given.
func (s *Service) batchDeleteImage(ctx context.Context, tx store.Tx, c op.Caller, in *api.BatchDeleteImageInput) (*api.BatchDeleteImageOutput, error) {
	at := scope(c, in.RegistryId)
	if _, err := s.repository(ctx, tx, at, in.RepositoryName); err != nil {
		return nil, err
	}
	out := &api.BatchDeleteImageOutput{ImageIds: []api.ImageIdentifier{}, Failures: []api.ImageFailure{}}
	var lists, others []api.ImageIdentifier
	for _, id := range in.ImageIds {
		image, failure, err := s.find(ctx, tx, at, *in.RepositoryName, id)
		switch {
		case err != nil:
			return nil, err
		case failure != nil:
			out.Failures = append(out.Failures, *failure)
		case len(image.Children) > 0:
			lists = append(lists, id)
		default:
			others = append(others, id)
		}
	}
	for _, id := range append(lists, others...) {
		if err := s.deleteImage(ctx, tx, at, *in.RepositoryName, id, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) deleteImage(ctx context.Context, tx store.Tx, at store.Scope, repository string, id api.ImageIdentifier, out *api.BatchDeleteImageOutput) error {
	if tag := op.Val(id.ImageTag); tag != "" {
		digest, err := s.Records.Untag(ctx, tx, at, repository, tag)
		if errors.Is(err, store.ErrNotFound) { // it went with its digest in the same call
			return nil
		}
		if err == nil {
			out.ImageIds = append(out.ImageIds, *identifier(digest, tag))
		}
		return err
	}
	image, err := s.Records.Delete(ctx, tx, at, repository, blob.Digest(*id.ImageDigest))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case errors.Is(err, registry.ErrReferenced):
		out.Failures = append(out.Failures, *failed(id, api.ImageFailureCodeImageReferencedByManifestList, "Requested image referenced by manifest list"))
		return nil
	case err != nil:
		return err
	}
	for _, t := range image.Tags {
		if gone := *identifier(image.Digest, t); !slices.ContainsFunc(out.ImageIds, func(i api.ImageIdentifier) bool { return op.Val(i.ImageTag) == t }) {
			out.ImageIds = append(out.ImageIds, gone)
		}
	}
	if len(image.Tags) == 0 {
		out.ImageIds = append(out.ImageIds, *identifier(image.Digest, ""))
	}
	return nil
}
