package registry

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
)

// RecordsDeps are the abilities Records borrow.
type RecordsDeps struct {
	Holds  blob.Holds
	Stream eventstream.Stream
	Clock  clock.Clock
}

// Records are the rows of all registries; a registry is an account's in a region.
type Records struct {
	RecordsDeps
	Repositories store.Collection[Repository] // by name
	images       store.Collection[Image]      // by repository@digest
	manifests    store.Collection[manifest]   // likewise
	tags         store.Collection[Tag]        // by repository:tag
	layers       store.Collection[Layer]      // by repository@digest
}

// NewRecords makes them.
func NewRecords(d RecordsDeps) *Records {
	return &Records{
		RecordsDeps:  d,
		Repositories: store.Define(store.Schema[Repository]{Table: "ecr_repositories", Number: 1}),
		images:       store.Define(store.Schema[Image]{Table: "ecr_images", Number: 1}),
		manifests:    store.Define(store.Schema[manifest]{Table: "ecr_manifests", Number: 1}),
		tags:         store.Define(store.Schema[Tag]{Table: "ecr_tags", Number: 1, Index: map[string]func(Tag) string{"image": func(t Tag) string { return key(t.Repository, t.Digest) }}}),
		layers:       store.Define(store.Schema[Layer]{Table: "ecr_layers", Number: 1}),
	}
}

// Tables are the collections, for migration.
func (s *Records) Tables() []store.Table {
	return []store.Table{s.Repositories, s.images, s.manifests, s.tags, s.layers}
}

// key of an image or layer: repository names have no @ and no colon.
func key(repository string, d blob.Digest) string { return repository + "@" + string(d) }

// Repository is a row; its key is the name.
type Repository struct {
	Created     time.Time
	Mutability  string   // MUTABLE, IMMUTABLE, …_WITH_EXCLUSION
	Exclusions  []string // wildcard filters of tags
	ScanOnPush  bool
	Encryption  string
	KMSKey      string
	Tags        map[string]string
	Policy      string // who else may, as JSON
	Lifecycle   string
	LifecycleAt time.Time // when the policy was last applied
}

// IsImmutable tells whether an existing tag may not be moved to another image.
func (r Repository) IsImmutable(tag string) bool {
	excluded := false
	for _, f := range r.Exclusions {
		excluded = excluded || Wildcard(f, tag)
	}
	switch r.Mutability {
	case "IMMUTABLE":
		return true
	case "IMMUTABLE_WITH_EXCLUSION":
		return !excluded
	case "MUTABLE_WITH_EXCLUSION":
		return excluded
	}
	return false
}

// ARN of a repository.
func ARN(s store.Scope, repository string) string {
	return arn.New("ecr", s.Region, s.Account, "repository/"+repository)
}

// Host is the registry's own name.
func Host(s store.Scope) string { return s.Account + ".dkr.ecr." + s.Region + ".amazonaws.com" }

// Layer is bytes that a repository has.
type Layer struct {
	Size  int64
	Added time.Time
}

// AddLayer makes bytes that are stored already the repository's.
func (s *Records) AddLayer(ctx context.Context, tx store.Tx, scope store.Scope, repository string, d blob.Digest, size int64) error {
	if _, err := s.Repositories.Get(ctx, tx, scope, repository); err != nil {
		return err
	}
	if err := s.Holds.Hold(ctx, tx, d, holder(scope, repository)); err != nil {
		return fmt.Errorf("keep layer of %s: %w", repository, err)
	}
	old, err := s.layers.Get(ctx, tx, scope, key(repository, d))
	if err != nil && !isMissing(err) {
		return err
	}
	_, err = s.layers.Put(ctx, tx, scope, key(repository, d), Layer{Size: size, Added: s.Clock.Now()}, old.Version)
	return err
}

// Layer finds a layer of the repository: store.ErrNotFound without it.
func (s *Records) Layer(ctx context.Context, r store.Reader, scope store.Scope, repository string, d blob.Digest) (Layer, error) {
	doc, err := s.layers.Get(ctx, r, scope, key(repository, d))
	return doc.Value, err
}

func holder(s store.Scope, repository string) string {
	return "ecr/" + s.Account + "/" + s.Region + "/" + repository
}
