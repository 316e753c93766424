package ecr

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"time"

	api "github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	partSize = 10 << 20 // what clients are told
	minPart  = 5 << 20  // of all but the last
)

func (s *Service) checkLayers(ctx context.Context, r store.Reader, c op.Caller, in *api.BatchCheckLayerAvailabilityInput) (*api.BatchCheckLayerAvailabilityOutput, error) {
	at := scope(c, in.RegistryId)
	if _, err := s.repository(ctx, r, at, in.RepositoryName); err != nil {
		return nil, err
	}
	out := &api.BatchCheckLayerAvailabilityOutput{Layers: []api.Layer{}, Failures: []api.LayerFailure{}}
	for _, digest := range in.LayerDigests {
		d := blob.Digest(digest)
		if !d.Valid() {
			out.Failures = append(out.Failures, api.LayerFailure{LayerDigest: &digest, FailureCode: new(api.LayerFailureCodeInvalidLayerDigest), FailureReason: new("Invalid layer digest")})
			continue
		}
		layer, err := s.Records.Layer(ctx, r, at, *in.RepositoryName, d)
		switch {
		case errors.Is(err, store.ErrNotFound):
			out.Layers = append(out.Layers, api.Layer{LayerDigest: &digest, LayerAvailability: new(api.LayerAvailabilityUnavailable)})
		case err != nil:
			return nil, err
		default:
			out.Layers = append(out.Layers, api.Layer{LayerDigest: &digest, LayerAvailability: new(api.LayerAvailabilityAvailable), LayerSize: &layer.Size})
		}
	}
	return out, nil
}

// downloadLife is how long a layer's address is good for.
const downloadLife = time.Hour

// downloadURL: a caller in a VPC reaches the registry by its own name, one outside
// by the API's address.
func (s *Service) downloadURL(ctx context.Context, r store.Reader, c op.Caller, in *api.GetDownloadUrlForLayerInput) (*api.GetDownloadUrlForLayerOutput, error) {
	at := scope(c, in.RegistryId)
	if _, err := s.repository(ctx, r, at, in.RepositoryName); err != nil {
		return nil, err
	}
	if _, err := s.Records.Layer(ctx, r, at, *in.RepositoryName, blob.Digest(op.Val(in.LayerDigest))); errors.Is(err, store.ErrNotFound) {
		return nil, api.LayersNotFoundException("The layer with digest '%s' does not exist within the repository with name '%s' in the registry with id '%s'", op.Val(in.LayerDigest), *in.RepositoryName, at.Account)
	} else if err != nil {
		return nil, err
	}
	password, _, err := s.Tokens.Mint(c, downloadLife)
	if err != nil {
		return nil, err
	}
	address := url.URL{
		Scheme: "https", Host: registry.Host(at), Path: "/v2/" + *in.RepositoryName + "/blobs/" + *in.LayerDigest,
		RawQuery: url.Values{registry.SignedQuery: {password}}.Encode(),
	}
	if c.Origin.VPC == "" {
		address.Scheme, address.Host, address.Path = "http", s.Address, "/v2/"+at.Account+"."+at.Region+address.Path[len("/v2"):]
	}
	return &api.GetDownloadUrlForLayerOutput{DownloadUrl: new(address.String()), LayerDigest: in.LayerDigest}, nil
}

func (s *Service) beginLayer(ctx context.Context, c op.Caller, in *api.InitiateLayerUploadInput, _ io.Reader) (*api.InitiateLayerUploadOutput, io.ReadCloser, error) {
	at := scope(c, in.RegistryId)
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		_, err := s.repository(ctx, r, at, in.RepositoryName)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	up, err := s.Uploads.Begin(at, *in.RepositoryName)
	return &api.InitiateLayerUploadOutput{UploadId: &up.ID, PartSize: new(int64(partSize))}, nil, err
}

func (s *Service) uploadPart(_ context.Context, c op.Caller, in *api.UploadLayerPartInput, _ io.Reader) (*api.UploadLayerPartOutput, io.ReadCloser, error) {
	up := upload(c, in.RegistryId, in.RepositoryName, in.UploadId)
	first, last := op.Val(in.PartFirstByte), op.Val(in.PartLastByte)
	if last-first+1 != int64(len(in.LayerPartBlob)) {
		return nil, nil, api.InvalidLayerPartException("The layer part has %d bytes, and partFirstByte and partLastByte say %d", len(in.LayerPartBlob), last-first+1)
	}
	have, err := s.Uploads.Size(up)
	if err == nil && have > 0 && have < minPart {
		return nil, nil, api.LayerPartTooSmallException("Layer parts must be at least %d bytes, except for the last one", minPart)
	}
	size, err := s.Uploads.Append(up, first, bytes.NewReader(in.LayerPartBlob))
	if errors.Is(err, registry.ErrRange) {
		refused := api.InvalidLayerPartException("The layer part does not begin at byte %d, which is expected next", size)
		refused.Fields = map[string]string{"uploadId": up.ID, "repositoryName": up.Repository, "registryId": up.Scope.Account}
		return nil, nil, refused
	}
	if err != nil {
		return nil, nil, uploadError(up, err)
	}
	return &api.UploadLayerPartOutput{RegistryId: &up.Scope.Account, RepositoryName: in.RepositoryName, UploadId: in.UploadId, LastByteReceived: new(size - 1)}, nil, nil
}

func upload(c op.Caller, registryID, name, id *string) registry.Upload {
	return registry.Upload{Scope: scope(c, registryID), Repository: op.Val(name), ID: op.Val(id)}
}

func uploadError(up registry.Upload, err error) error {
	switch {
	case errors.Is(err, registry.ErrNoUpload):
		return api.UploadNotFoundException("Upload with id '%s' not found within the repository with name '%s' in the registry with id '%s'", up.ID, up.Repository, up.Scope.Account)
	case errors.Is(err, blob.ErrDigest):
		return api.InvalidLayerException("The layer's bytes do not have the digest that was given")
	case errors.Is(err, store.ErrNotFound):
		return noRepository(up.Scope, up.Repository)
	}
	return err
}

func (s *Service) completeLayer(ctx context.Context, c op.Caller, in *api.CompleteLayerUploadInput, _ io.Reader) (*api.CompleteLayerUploadOutput, io.ReadCloser, error) {
	up := upload(c, in.RegistryId, in.RepositoryName, in.UploadId)
	want := blob.Digest(in.LayerDigests[0])
	if !want.Valid() {
		return nil, nil, api.InvalidParameterException("Invalid parameter at 'layerDigests' failed to satisfy constraint: 'a sha256 digest is required'")
	}
	if size, err := s.Uploads.Size(up); err == nil && size == 0 {
		return nil, nil, api.EmptyUploadException("The upload with id '%s' has no bytes", up.ID)
	}
	var exists error
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		_, exists = s.Records.Layer(ctx, r, up.Scope, up.Repository, want)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	size, err := s.Uploads.Finish(ctx, up, want)
	if err != nil {
		return nil, nil, uploadError(up, err)
	}
	if exists == nil {
		return nil, nil, api.LayerAlreadyExistsException("Layer with digest '%s' already exists within the repository with name '%s' in registry with id '%s'", want, up.Repository, up.Scope.Account)
	}
	err = s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		return s.Records.AddLayer(ctx, tx, up.Scope, up.Repository, want, size)
	})
	if err != nil {
		return nil, nil, uploadError(up, err)
	}
	return &api.CompleteLayerUploadOutput{RegistryId: &up.Scope.Account, RepositoryName: in.RepositoryName, UploadId: in.UploadId, LayerDigest: new(string(want))}, nil, nil
}
