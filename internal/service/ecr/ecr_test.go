package ecr_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/service/ecr"
	"github.com/penstock-ci/penstock/internal/store"
)

type bench struct {
	*dispatchtest.Dispatcher
	t       *testing.T
	records *registry.Records
	url     string
}

func setup(t *testing.T) *bench {
	t.Helper()
	keys, err := identity.OpenKeyring(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := blob.OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	holds := blob.NewKeeper(disk, nil, clock.System{}) // Hold and Release use the transaction alone
	b := &bench{t: t, records: registry.NewRecords(registry.RecordsDeps{Holds: holds, Stream: eventstream.New(clock.System{}), Clock: clock.System{}})}
	b.Dispatcher = dispatchtest.New(t, b.records.Tables())
	keeper := blob.NewKeeper(disk, b.DB, clock.System{})
	uploads, tokens := registry.NewUploads(disk, keeper, clock.System{}), registry.Tokens{Keys: keys, Clock: clock.System{}}
	server := httptest.NewServer(registry.NewHandler(registry.Deps{DB: b.DB, Records: b.records, Uploads: uploads, Blobs: keeper, Tokens: tokens, Guard: b.Dispatcher, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(server.Close)
	b.url = server.URL
	service := ecr.New(ecr.Deps{DB: b.DB, Records: b.records, Uploads: uploads, Tokens: tokens, Address: strings.TrimPrefix(server.URL, "http://"), Clock: clock.System{}})
	b.Add(t, service.Handlers()...)
	b.Guarded("ecr", service.Policy)
	return b
}

// call invokes o as the account's root.
func call[I, O any](b *bench, o op.Op[I, O], in *I) (*O, error) {
	out, _, err := op.CallStream(b.t.Context(), b, b.Root(), o, in, nil)
	return out, err
}

func must[I, O any](b *bench, o op.Op[I, O], in *I) *O {
	b.t.Helper()
	out, err := call(b, o, in)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// refused expects an error's code and text.
func refused[I, O any](b *bench, o op.Op[I, O], in *I, code, message string) {
	b.t.Helper()
	_, err := call(b, o, in)
	e, ok := errors.AsType[*op.Error](err)
	if !ok || e.Code != code || !strings.Contains(e.Message, message) {
		b.t.Errorf("%s = %v, want %s: %s", o.Name, err, code, message)
	}
}

func sum(body []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(body)) }

// image uploads a layer by the AWS operations and puts an image of it.
func (b *bench) image(repository, tag, seed string) *api.PutImageOutput {
	b.t.Helper()
	layer := []byte(seed)
	up := must(b, api.InitiateLayerUpload, &api.InitiateLayerUploadInput{RepositoryName: &repository})
	must(b, api.UploadLayerPart, &api.UploadLayerPartInput{RepositoryName: &repository, UploadId: up.UploadId, PartFirstByte: new(int64(0)), PartLastByte: new(int64(len(layer) - 1)), LayerPartBlob: layer})
	must(b, api.CompleteLayerUpload, &api.CompleteLayerUploadInput{RepositoryName: &repository, UploadId: up.UploadId, LayerDigests: []string{sum(layer)}})
	return must(b, api.PutImage, &api.PutImageInput{RepositoryName: &repository, ImageTag: op.Opt(tag), ImageManifest: new(manifest(layer))})
}

func manifest(config []byte) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`, sum(config), len(config))
}

func TestRepositoryIsMadeOnceAndDescribed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	name := new("team/app")
	made := must(b, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: name, Tags: []api.Tag{{Key: new("a"), Value: new("b")}}}).Repository
	if *made.RepositoryUri != dispatchtest.Account+".dkr.ecr.us-east-1.amazonaws.com/team/app" || *made.RepositoryArn != "arn:aws:ecr:us-east-1:"+dispatchtest.Account+":repository/team/app" || *made.ImageTagMutability != "MUTABLE" {
		t.Errorf("made %+v", made)
	}
	refused(b, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: name}, "RepositoryAlreadyExistsException", "The repository with name 'team/app' already exists in the registry with id '"+dispatchtest.Account+"'")
	refused(b, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("UPPER")}, "InvalidParameterException", "")
	refused(b, api.DescribeRepositories, &api.DescribeRepositoriesInput{RepositoryNames: []string{"x1"}}, "RepositoryNotFoundException", "The repository with name 'x1' does not exist in the registry with id '"+dispatchtest.Account+"'")
	if all := must(b, api.DescribeRepositories, &api.DescribeRepositoriesInput{}).Repositories; len(all) != 1 {
		t.Errorf("described %v", all)
	}
	must(b, api.UntagResource, &api.UntagResourceInput{ResourceArn: made.RepositoryArn, TagKeys: []string{"a"}})
	must(b, api.TagResource, &api.TagResourceInput{ResourceArn: made.RepositoryArn, Tags: []api.Tag{{Key: new("c"), Value: new("d")}}})
	if tags := must(b, api.ListTagsForResource, &api.ListTagsForResourceInput{ResourceArn: made.RepositoryArn}).Tags; len(tags) != 1 || *tags[0].Key != "c" {
		t.Errorf("tags = %v", tags)
	}
	b.image("team/app", "1", "one")
	refused(b, api.DeleteRepository, &api.DeleteRepositoryInput{RepositoryName: name}, "RepositoryNotEmptyException", "cannot be deleted because it still contains images")
	must(b, api.DeleteRepository, &api.DeleteRepositoryInput{RepositoryName: name, Force: new(true)})
	refused(b, api.ListImages, &api.ListImagesInput{RepositoryName: name}, "RepositoryNotFoundException", "")
}

func TestImagesArePutFoundAndDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	app := new("app")
	must(b, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: app})
	one := b.image("app", "1", "one").Image
	got := must(b, api.BatchGetImage, &api.BatchGetImageInput{RepositoryName: app, ImageIds: []api.ImageIdentifier{{ImageTag: new("1")}, {ImageTag: new("2")}, {}}})
	if len(got.Images) != 1 || *got.Images[0].ImageManifest != manifest([]byte("one")) || len(got.Failures) != 2 || *got.Failures[0].FailureCode != "ImageNotFound" || *got.Failures[1].FailureCode != "MissingDigestAndTag" {
		t.Errorf("BatchGetImage = %+v", got)
	}
	refused(b, api.PutImage, &api.PutImageInput{RepositoryName: app, ImageTag: new("1"), ImageManifest: one.ImageManifest}, "ImageAlreadyExistsException", "Image with digest '"+*one.ImageId.ImageDigest+"' and tag '1' already exists")
	must(b, api.PutImage, &api.PutImageInput{RepositoryName: app, ImageTag: new("prod"), ImageManifest: one.ImageManifest}) // retag
	refused(b, api.PutImage, &api.PutImageInput{RepositoryName: app, ImageManifest: new(manifest([]byte("none")))}, "LayersNotFoundException", sum([]byte("none")))
	refused(b, api.DescribeImages, &api.DescribeImagesInput{RepositoryName: app, ImageIds: []api.ImageIdentifier{{ImageTag: new("t")}}}, "ImageNotFoundException", "The image with imageId {imageDigest:'null', imageTag:'t'} does not exist within the repository with name 'app' in the registry with id '"+dispatchtest.Account+"'")
	details := must(b, api.DescribeImages, &api.DescribeImagesInput{RepositoryName: app}).ImageDetails
	if len(details) != 1 || strings.Join(details[0].ImageTags, " ") != "1 prod" || *details[0].ImageSizeInBytes != 3 {
		t.Errorf("DescribeImages = %+v", details)
	}
	// An image goes with its last tag.
	must(b, api.BatchDeleteImage, &api.BatchDeleteImageInput{RepositoryName: app, ImageIds: []api.ImageIdentifier{{ImageTag: new("1")}}})
	if ids := must(b, api.ListImages, &api.ListImagesInput{RepositoryName: app}).ImageIds; len(ids) != 1 || *ids[0].ImageTag != "prod" {
		t.Errorf("ListImages = %+v", ids)
	}
	gone := must(b, api.BatchDeleteImage, &api.BatchDeleteImageInput{RepositoryName: app, ImageIds: []api.ImageIdentifier{{ImageTag: new("prod")}, {ImageDigest: new(sum([]byte("x")))}}})
	if len(gone.ImageIds) != 1 || len(gone.Failures) != 1 {
		t.Errorf("BatchDeleteImage = %+v", gone)
	}
	if ids := must(b, api.ListImages, &api.ListImagesInput{RepositoryName: app}).ImageIds; len(ids) != 0 {
		t.Errorf("left are %+v", ids)
	}
}

func TestImmutableTagsStay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	app := new("app")
	must(b, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: app, ImageTagMutability: new("IMMUTABLE")})
	b.image("app", "1", "one")
	two := b.image("app", "", "two").Image
	refused(b, api.PutImage, &api.PutImageInput{RepositoryName: app, ImageTag: new("1"), ImageManifest: two.ImageManifest}, "ImageTagAlreadyExistsException", "The image tag '1' already exists in the 'app' repository and cannot be overwritten because the tag is immutable.")
	must(b, api.PutImageTagMutability, &api.PutImageTagMutabilityInput{RepositoryName: app, ImageTagMutability: new("MUTABLE")})
	must(b, api.PutImage, &api.PutImageInput{RepositoryName: app, ImageTag: new("1"), ImageManifest: two.ImageManifest})
}

func TestPasswordAndDownloadAddressOpenTheRegistry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	app := new("app")
	must(b, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: app})
	b.image("app", "1", "one")
	data := must(b, api.GetAuthorizationToken, &api.GetAuthorizationTokenInput{}).AuthorizationData[0]
	plain, err := base64.StdEncoding.DecodeString(*data.AuthorizationToken)
	if err != nil {
		t.Fatal(err)
	}
	if *data.ProxyEndpoint != "https://"+dispatchtest.Account+".dkr.ecr.us-east-1.amazonaws.com" {
		t.Errorf("endpoint = %s", *data.ProxyEndpoint)
	}
	url := must(b, api.GetDownloadUrlForLayer, &api.GetDownloadUrlForLayerInput{RepositoryName: app, LayerDigest: new(sum([]byte("one")))}).DownloadUrl
	for address, auth := range map[string]string{*url: "", b.url + "/v2/" + dispatchtest.Account + ".us-east-1/app/manifests/1": "Basic " + base64.StdEncoding.EncodeToString(plain)} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 200 {
			t.Errorf("GET %s = %s", address, answer.Status)
		}
	}
	layers := must(b, api.BatchCheckLayerAvailability, &api.BatchCheckLayerAvailabilityInput{RepositoryName: app, LayerDigests: []string{sum([]byte("one")), sum([]byte("x")), "md5:ab"}})
	if *layers.Layers[0].LayerAvailability != "AVAILABLE" || *layers.Layers[1].LayerAvailability != "UNAVAILABLE" || len(layers.Failures) != 1 {
		t.Errorf("layers = %+v", layers)
	}
}

func TestPolicyDocumentsAreCheckedKeptAndApplied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	app := new("app")
	must(b, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: app})
	refused(b, api.GetRepositoryPolicy, &api.GetRepositoryPolicyInput{RepositoryName: app}, "RepositoryPolicyNotFoundException", "Repository policy does not exist for the repository with name 'app' in the registry with id")
	refused(b, api.SetRepositoryPolicy, &api.SetRepositoryPolicyInput{RepositoryName: app, PolicyText: new("{")}, "InvalidParameterException", "Invalid repository policy provided")
	must(b, api.SetRepositoryPolicy, &api.SetRepositoryPolicyInput{RepositoryName: app, PolicyText: new(`{"Version":"2012-10-17","Statement":[]}`)})
	must(b, api.DeleteRepositoryPolicy, &api.DeleteRepositoryPolicyInput{RepositoryName: app})

	refused(b, api.GetLifecyclePolicy, &api.GetLifecyclePolicyInput{RepositoryName: app}, "LifecyclePolicyNotFoundException", "Lifecycle policy does not exist")
	for _, tag := range []string{"1", "2", "3"} {
		b.image("app", tag, "image "+tag)
	}
	text := `{"rules":[{"rulePriority":1,"description":"keep the two newest images","selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":2},"action":{"type":"expire"}}]}`
	must(b, api.PutLifecyclePolicy, &api.PutLifecyclePolicyInput{RepositoryName: app, LifecyclePolicyText: &text})
	if ids := must(b, api.ListImages, &api.ListImagesInput{RepositoryName: app}).ImageIds; len(ids) != 2 {
		t.Errorf("left are %+v", ids)
	}
	b.image("app", "4", "image 4")
	if ids := must(b, api.ListImages, &api.ListImagesInput{RepositoryName: app}).ImageIds; len(ids) != 2 {
		t.Errorf("after a push left are %+v", ids)
	}
	refused(b, api.PutLifecyclePolicy, &api.PutLifecyclePolicyInput{RepositoryName: app, LifecyclePolicyText: new(strings.Replace(text, "any", "tagged", 1))}, "InvalidParameterException", "tagged needs either")
	must(b, api.DeleteLifecyclePolicy, &api.DeleteLifecyclePolicyInput{RepositoryName: app})
}

func TestUnneededLayersGoWithTheSweepOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	must(b, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("app")})
	b.image("app", "1", "one")
	must(b, api.BatchDeleteImage, &api.BatchDeleteImageInput{RepositoryName: new("app"), ImageIds: []api.ImageIdentifier{{ImageTag: new("1")}}})
	err := b.DB.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		if err := b.records.Sweep(ctx, tx); err != nil {
			return err
		}
		_, err := b.records.Layer(ctx, tx, dispatchtest.Scope, "app", blob.Digest(sum([]byte("one"))))
		return err
	})
	if err != nil { // it is young: a push may be about to name it
		t.Errorf("a young layer: %v", err)
	}
}
