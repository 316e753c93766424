package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
)

// Image is a manifest with what hangs on it.
type Image struct {
	Repository   string
	Digest       blob.Digest
	MediaType    string
	ArtifactType string `json:",omitzero"`
	Subject      blob.Digest
	Size         int64         // of all bytes of one platform, as they are stored; 0 for a list
	Blobs        []blob.Digest // configuration and layers
	Children     []blob.Digest // manifests of a list
	Pushed       time.Time
	Pulled       time.Time
	Tags         []string `json:"-"` // filled by Images and Image
}

// Tag names an image.
type Tag struct {
	Repository, Tag string
	Digest          blob.Digest
}

var (
	// ErrImageExists: the same image has the same tag already.
	ErrImageExists = errors.New("the image exists already")
	// ErrTagImmutable: the tag is another image's and may not move.
	ErrTagImmutable = errors.New("the tag is immutable")
	// ErrTag: a text that is no tag.
	ErrTag = errors.New("not a tag")
	// ErrReferenced: a list needs the image.
	ErrReferenced = errors.New("the image is referenced by a manifest list")
)

// MissingError names what a manifest needs and the repository does not have.
type MissingError struct {
	Digest   blob.Digest
	Manifest bool
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not in the repository", e.Digest)
}

func isMissing(err error) bool { return errors.Is(err, store.ErrNotFound) }

var tagPattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// Push is a manifest that comes in; Tag and Digest (what it must have) may be empty.
type Push struct {
	Repository, Tag string
	MediaType       string
	Body            []byte
	Digest          blob.Digest
}

// Push keeps an image and moves the tag, in one change with the fact that tells of
// it. With ErrImageExists the image is given, too.
func (s *Records) Push(ctx context.Context, tx store.Tx, scope store.Scope, p Push) (Image, error) {
	repository, err := s.Repositories.Get(ctx, tx, scope, p.Repository)
	if err != nil {
		return Image{}, err
	}
	if p.Tag != "" && !tagPattern.MatchString(p.Tag) {
		return Image{}, fmt.Errorf("%q: %w", p.Tag, ErrTag)
	}
	image, err := parse(p.Body, p.MediaType)
	if err != nil {
		return Image{}, err
	}
	if p.Digest != "" && p.Digest != image.Digest {
		return Image{}, fmt.Errorf("%w: announced %s, got %s", blob.ErrDigest, p.Digest, image.Digest)
	}
	image.Repository, image.Pushed = p.Repository, s.Clock.Now()
	if err := s.complete(ctx, tx, scope, image); err != nil {
		return Image{}, err
	}
	isNew, err := s.keep(ctx, tx, scope, &image, p.Body)
	if err != nil {
		return Image{}, err
	}
	moved, err := s.moveTag(ctx, tx, scope, repository.Value, image, p.Tag)
	if err != nil {
		return image, err
	}
	if !isNew && !moved {
		return image, ErrImageExists
	}
	return image, s.tell(ctx, tx, scope, "PUSH", image, p.Tag)
}

// complete checks that all that the image needs is there.
func (s *Records) complete(ctx context.Context, r store.Reader, scope store.Scope, i Image) error {
	for _, d := range i.Blobs {
		if _, err := s.layers.Get(ctx, r, scope, key(i.Repository, d)); isMissing(err) {
			return &MissingError{Digest: d}
		} else if err != nil {
			return err
		}
	}
	for _, d := range i.Children {
		if _, err := s.images.Get(ctx, r, scope, key(i.Repository, d)); isMissing(err) {
			return &MissingError{Digest: d, Manifest: true}
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (s *Records) keep(ctx context.Context, tx store.Tx, scope store.Scope, i *Image, body []byte) (isNew bool, err error) {
	old, err := s.images.Get(ctx, tx, scope, key(i.Repository, i.Digest))
	if err == nil {
		*i = old.Value
		return false, nil
	}
	if !isMissing(err) {
		return false, err
	}
	if _, err := s.manifests.Put(ctx, tx, scope, key(i.Repository, i.Digest), manifest{body}, 0); err != nil {
		return false, err
	}
	_, err = s.images.Put(ctx, tx, scope, key(i.Repository, i.Digest), *i, 0)
	return true, err
}

func (s *Records) moveTag(ctx context.Context, tx store.Tx, scope store.Scope, repository Repository, i Image, name string) (moved bool, err error) {
	if name == "" {
		return false, nil
	}
	old, err := s.tags.Get(ctx, tx, scope, i.Repository+":"+name)
	if err != nil && !isMissing(err) {
		return false, err
	}
	if err == nil && old.Value.Digest == i.Digest {
		return false, nil
	}
	if err == nil && repository.IsImmutable(name) {
		return false, ErrTagImmutable
	}
	_, err = s.tags.Put(ctx, tx, scope, i.Repository+":"+name, Tag{i.Repository, name, i.Digest}, old.Version)
	return true, err
}

// Resolve finds the digest of a tag or a digest.
func (s *Records) Resolve(ctx context.Context, r store.Reader, scope store.Scope, repository, tagOrDigest string) (blob.Digest, error) {
	if d := blob.Digest(tagOrDigest); d.Valid() {
		_, err := s.images.Get(ctx, r, scope, key(repository, d))
		return d, err
	}
	t, err := s.tags.Get(ctx, r, scope, repository+":"+tagOrDigest)
	return t.Value.Digest, err
}

// Image reads one image with its tags.
func (s *Records) Image(ctx context.Context, r store.Reader, scope store.Scope, repository string, d blob.Digest) (Image, error) {
	doc, err := s.images.Get(ctx, r, scope, key(repository, d))
	if err != nil {
		return Image{}, err
	}
	tags, err := s.tags.List(ctx, r, scope, store.Query{Index: "image", Equal: key(repository, d)})
	for _, t := range tags {
		doc.Value.Tags = append(doc.Value.Tags, t.Value.Tag)
	}
	return doc.Value, err
}

// Manifest reads an image's bytes.
func (s *Records) Manifest(ctx context.Context, r store.Reader, scope store.Scope, repository string, d blob.Digest) ([]byte, error) {
	doc, err := s.manifests.Get(ctx, r, scope, key(repository, d))
	return doc.Value.Body, err
}

// Images are a repository's from a cursor on, with their tags; next is "" at the end.
func (s *Records) Images(ctx context.Context, r store.Reader, scope store.Scope, repository, after string, limit int) (out []Image, next string, err error) {
	docs, err := s.images.List(ctx, r, scope, store.Query{Prefix: repository + "@", After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	tags, err := s.Tags(ctx, r, scope, repository)
	if err != nil {
		return nil, "", err
	}
	of := map[blob.Digest][]string{}
	for _, t := range tags {
		of[t.Digest] = append(of[t.Digest], t.Tag)
	}
	for _, d := range docs {
		d.Value.Tags = of[d.Value.Digest]
		out = append(out, d.Value)
	}
	if limit > 0 && len(docs) == limit {
		next = docs[limit-1].Cursor
	}
	return out, next, nil
}

// Tags are a repository's, in order.
func (s *Records) Tags(ctx context.Context, r store.Reader, scope store.Scope, repository string) (out []Tag, err error) {
	docs, err := s.tags.List(ctx, r, scope, store.Query{Prefix: repository + ":"})
	for _, d := range docs {
		out = append(out, d.Value)
	}
	return out, err
}

// pullNoted is how exact the time of an image's last pull is.
const pullNoted = time.Hour

// Pulled notes that an image was pulled.
func (s *Records) Pulled(ctx context.Context, db store.DB, scope store.Scope, i Image) error {
	if s.Clock.Now().Sub(i.Pulled) < pullNoted {
		return nil
	}
	return db.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := s.images.Get(ctx, tx, scope, key(i.Repository, i.Digest))
		if isMissing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		d.Value.Pulled = s.Clock.Now()
		_, err = s.images.Put(ctx, tx, scope, d.Key, d.Value, d.Version)
		return err
	})
}

// tell appends EventBridge's "ECR Image Action".
func (s *Records) tell(ctx context.Context, tx store.Tx, scope store.Scope, action string, i Image, tag string) error {
	detail := map[string]string{
		"result": "SUCCESS", "action-type": action, "repository-name": i.Repository,
		"image-digest": string(i.Digest), "manifest-media-type": i.MediaType,
	}
	if tag != "" {
		detail["image-tag"] = tag
	}
	if i.ArtifactType != "" {
		detail["artifact-media-type"] = i.ArtifactType
	}
	body, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("write the detail of an image's fact: %w", err)
	}
	return s.Stream.Append(ctx, tx, scope, eventstream.Fact{Source: "aws.ecr", DetailType: "ECR Image Action", Resources: []string{}, Detail: body})
}

// isReferenced tells whether a list of the repository needs the image.
func (s *Records) isReferenced(ctx context.Context, r store.Reader, scope store.Scope, repository string, d blob.Digest) (bool, error) {
	docs, err := s.images.List(ctx, r, scope, store.Query{Prefix: repository + "@"})
	return slices.ContainsFunc(docs, func(i store.Doc[Image]) bool { return slices.Contains(i.Value.Children, d) }), err
}
