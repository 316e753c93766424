package ecr

import (
	"context"
	"errors"
	"slices"

	api "github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) createRepository(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateRepositoryInput) (*api.CreateRepositoryOutput, error) {
	at, name := scope(c, in.RegistryId), op.Val(in.RepositoryName)
	r := registry.Repository{Created: s.Clock.Now(), Encryption: api.EncryptionTypeAes256, Tags: map[string]string{}}
	if e := in.EncryptionConfiguration; e != nil && op.Val(e.EncryptionType) != api.EncryptionTypeAes256 {
		return nil, api.InvalidParameterException("Encryption type %s is not supported by this installation: AES256 is", op.Val(e.EncryptionType))
	}
	if in.ImageScanningConfiguration != nil {
		r.ScanOnPush = op.Val(in.ImageScanningConfiguration.ScanOnPush)
	}
	if err := setMutability(&r, in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters); err != nil {
		return nil, err
	}
	if err := addTags(&r, in.Tags); err != nil {
		return nil, err
	}
	if _, err := s.Records.Repositories.Put(ctx, tx, at, name, r, 0); err != nil {
		if errors.Is(err, store.ErrVersion) {
			return nil, api.RepositoryAlreadyExistsException("The repository with name '%s' already exists in the registry with id '%s'", name, at.Account)
		}
		return nil, err
	}
	return &api.CreateRepositoryOutput{Repository: describe(at, name, r)}, nil
}

// setMutability takes the kind and the filters of tags that are the other way round.
func setMutability(r *registry.Repository, kind *string, filters []api.ImageTagMutabilityExclusionFilter) error {
	r.Mutability, r.Exclusions = op.Or(kind, api.ImageTagMutabilityMutable), nil
	for _, f := range filters {
		r.Exclusions = append(r.Exclusions, op.Val(f.Filter))
	}
	excludes := r.Mutability == api.ImageTagMutabilityImmutableWithExclusion || r.Mutability == api.ImageTagMutabilityMutableWithExclusion
	if excludes != (len(filters) > 0) {
		return api.InvalidParameterException("Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: 'exclusion filters are required with, and only allowed with, IMMUTABLE_WITH_EXCLUSION and MUTABLE_WITH_EXCLUSION'")
	}
	return nil
}

// defaultPage is AWS's page without maxResults.
const defaultPage = 100

func (s *Service) describeRepositories(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeRepositoriesInput) (*api.DescribeRepositoriesOutput, error) {
	at := scope(c, in.RegistryId)
	out := &api.DescribeRepositoriesOutput{Repositories: []api.Repository{}}
	if len(in.RepositoryNames) > 0 {
		for _, name := range in.RepositoryNames {
			d, err := s.repository(ctx, r, at, &name)
			if err != nil {
				return nil, err
			}
			out.Repositories = append(out.Repositories, *describe(at, name, d.Value))
		}
		return out, nil
	}
	limit := int(op.Or(in.MaxResults, defaultPage))
	docs, err := s.Records.Repositories.List(ctx, r, at, store.Query{After: op.Val(in.NextToken), Limit: limit})
	if err != nil {
		return nil, badToken(err)
	}
	for _, d := range docs {
		out.Repositories = append(out.Repositories, *describe(at, d.Key, d.Value))
	}
	if len(docs) == limit {
		out.NextToken = &docs[limit-1].Cursor
	}
	return out, nil
}

func badToken(err error) error {
	if errors.Is(err, store.ErrCursor) {
		return api.InvalidParameterException("Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid pagination token'")
	}
	return err
}

func (s *Service) putMutability(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutImageTagMutabilityInput) (*api.PutImageTagMutabilityOutput, error) {
	at := scope(c, in.RegistryId)
	return &api.PutImageTagMutabilityOutput{
			RegistryId: &at.Account, RepositoryName: in.RepositoryName, ImageTagMutability: in.ImageTagMutability,
			ImageTagMutabilityExclusionFilters: in.ImageTagMutabilityExclusionFilters,
		}, s.alter(ctx, tx, at, in.RepositoryName, func(r *registry.Repository) error {
			return setMutability(r, in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
		})
}

func (s *Service) putScanning(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutImageScanningConfigurationInput) (*api.PutImageScanningConfigurationOutput, error) {
	at := scope(c, in.RegistryId)
	return &api.PutImageScanningConfigurationOutput{RegistryId: &at.Account, RepositoryName: in.RepositoryName, ImageScanningConfiguration: in.ImageScanningConfiguration},
		s.alter(ctx, tx, at, in.RepositoryName, func(r *registry.Repository) error {
			r.ScanOnPush = in.ImageScanningConfiguration != nil && op.Val(in.ImageScanningConfiguration.ScanOnPush)
			return nil
		})
}

func (s *Service) deleteRepository(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteRepositoryInput) (*api.DeleteRepositoryOutput, error) {
	at := scope(c, in.RegistryId)
	d, err := s.repository(ctx, tx, at, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if !op.Val(in.Force) {
		images, _, err := s.Records.Images(ctx, tx, at, d.Key, "", 1)
		if err != nil {
			return nil, err
		}
		if len(images) > 0 {
			return nil, api.RepositoryNotEmptyException("The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", d.Key, at.Account)
		}
	}
	return &api.DeleteRepositoryOutput{Repository: describe(at, d.Key, d.Value)}, s.Records.DeleteRepository(ctx, tx, at, d.Key)
}

func describe(at store.Scope, name string, r registry.Repository) *api.Repository {
	out := &api.Repository{
		RepositoryArn: new(registry.ARN(at, name)), RegistryId: &at.Account, RepositoryName: &name, RepositoryUri: new(registry.Host(at) + "/" + name),
		CreatedAt: op.At(r.Created), ImageTagMutability: &r.Mutability,
		ImageScanningConfiguration: &api.ImageScanningConfiguration{ScanOnPush: &r.ScanOnPush},
		EncryptionConfiguration:    &api.EncryptionConfiguration{EncryptionType: &r.Encryption, KmsKey: op.Opt(r.KMSKey)},
	}
	for _, f := range slices.Clone(r.Exclusions) {
		out.ImageTagMutabilityExclusionFilters = append(out.ImageTagMutabilityExclusionFilters, api.ImageTagMutabilityExclusionFilter{FilterType: new(api.ImageTagMutabilityExclusionFilterTypeWildcard), Filter: &f})
	}
	return out
}
