package codecommit

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"strings"

	api "github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

var namePattern = regexp.MustCompile(`^[\w.-]{1,100}$`)

func checkName(name string) error {
	if !namePattern.MatchString(name) || strings.HasSuffix(name, ".git") {
		return api.InvalidRepositoryNameException("The repository name %s is not valid. Names have 1 to 100 letters, digits, periods, underscores and dashes, and do not end in .git.", name)
	}
	return nil
}

// load finds a repository by name.
func (s *Service) load(ctx context.Context, r store.Reader, c store.Scope, name *string) (store.Doc[Repository], error) {
	d, err := s.repositories.Get(ctx, r, c, op.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return d, api.RepositoryDoesNotExistException("%s does not exist", op.Val(name))
	}
	return d, err
}

func (s *Service) createRepository(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateRepositoryInput) (*api.CreateRepositoryOutput, error) {
	name := op.Val(in.RepositoryName)
	if err := checkName(name); err != nil {
		return nil, err
	}
	now := s.Clock.Now()
	r := Repository{
		ID: ids.UUID(c.Key), Description: op.Val(in.RepositoryDescription), Tags: in.Tags,
		KMSKey: op.Val(in.KmsKeyId), Created: now, Changed: now,
	}
	if _, err := s.repositories.Put(ctx, tx, c.Scope, name, r, 0); err != nil {
		if errors.Is(err, store.ErrVersion) {
			return nil, api.RepositoryNameExistsException("Repository named %s already exists", name)
		}
		return nil, err
	}
	return &api.CreateRepositoryOutput{RepositoryMetadata: metadata(c.Scope, name, r)}, nil
}

func (s *Service) getRepository(ctx context.Context, r store.Reader, c op.Caller, in *api.GetRepositoryInput) (*api.GetRepositoryOutput, error) {
	d, err := s.load(ctx, r, c.Scope, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	return &api.GetRepositoryOutput{RepositoryMetadata: metadata(c.Scope, d.Key, d.Value)}, nil
}

func (s *Service) batchGetRepositories(ctx context.Context, r store.Reader, c op.Caller, in *api.BatchGetRepositoriesInput) (*api.BatchGetRepositoriesOutput, error) {
	out := &api.BatchGetRepositoriesOutput{Repositories: []api.RepositoryMetadata{}, RepositoriesNotFound: []string{}}
	for _, name := range in.RepositoryNames {
		d, err := s.repositories.Get(ctx, r, c.Scope, name)
		if errors.Is(err, store.ErrNotFound) {
			out.RepositoriesNotFound = append(out.RepositoriesNotFound, name)
			continue
		}
		if err != nil {
			return nil, err
		}
		out.Repositories = append(out.Repositories, *metadata(c.Scope, name, d.Value))
	}
	return out, nil
}

// pageSize of the lists, which have no limit parameter.
const pageSize = 1000

func (s *Service) listRepositories(ctx context.Context, r store.Reader, c op.Caller, in *api.ListRepositoriesInput) (*api.ListRepositoriesOutput, error) {
	docs, err := s.repositories.List(ctx, r, c.Scope, store.Query{
		After: op.Val(in.NextToken), Limit: pageSize, Desc: op.Val(in.Order) == api.OrderEnumDescending,
	})
	if errors.Is(err, store.ErrCursor) {
		return nil, api.InvalidContinuationTokenException("The specified continuation token is not valid.")
	}
	if err != nil {
		return nil, err
	}
	out := &api.ListRepositoriesOutput{Repositories: []api.RepositoryNameIdPair{}}
	for _, d := range docs {
		out.Repositories = append(out.Repositories, api.RepositoryNameIdPair{RepositoryName: &d.Key, RepositoryId: &d.Value.ID})
		if len(out.Repositories) == pageSize {
			out.NextToken = &d.Cursor
		}
	}
	return out, nil
}

func (s *Service) updateDescription(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateRepositoryDescriptionInput) (*api.UpdateRepositoryDescriptionOutput, error) {
	err := s.alter(ctx, tx, c.Scope, in.RepositoryName, func(r *Repository) error {
		r.Description = op.Val(in.RepositoryDescription)
		return nil
	})
	return &api.UpdateRepositoryDescriptionOutput{}, err
}

func (s *Service) updateName(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateRepositoryNameInput) (*api.UpdateRepositoryNameOutput, error) {
	if err := checkName(op.Val(in.NewName)); err != nil {
		return nil, err
	}
	d, err := s.load(ctx, tx, c.Scope, in.OldName)
	if err != nil {
		return nil, err
	}
	if err := s.repositories.Delete(ctx, tx, c.Scope, d.Key, d.Version); err != nil {
		return nil, err
	}
	d.Value.Changed = s.Clock.Now()
	if _, err = s.repositories.Put(ctx, tx, c.Scope, *in.NewName, d.Value, 0); errors.Is(err, store.ErrVersion) {
		return nil, api.RepositoryNameExistsException("Repository named %s already exists", *in.NewName)
	}
	return &api.UpdateRepositoryNameOutput{}, err
}

func (s *Service) updateDefaultBranch(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateDefaultBranchInput) (*api.UpdateDefaultBranchOutput, error) {
	err := s.alter(ctx, tx, c.Scope, in.RepositoryName, func(r *Repository) error {
		branch := op.Val(in.DefaultBranchName)
		if r.Refs[heads+branch] == "" {
			return api.BranchDoesNotExistException("%s does not exist", branch)
		}
		r.DefaultBranch = branch
		return nil
	})
	return &api.UpdateDefaultBranchOutput{}, err
}

func (s *Service) deleteRepository(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteRepositoryInput) (*api.DeleteRepositoryOutput, error) {
	d, err := s.repositories.Get(ctx, tx, c.Scope, op.Val(in.RepositoryName))
	if errors.Is(err, store.ErrNotFound) {
		return &api.DeleteRepositoryOutput{}, nil // AWS answers without an id
	}
	if err != nil {
		return nil, err
	}
	// Its files go at the next start: a clone may be reading them.
	return &api.DeleteRepositoryOutput{RepositoryId: &d.Value.ID}, s.repositories.Delete(ctx, tx, c.Scope, d.Key, d.Version)
}

func (s *Service) alter(ctx context.Context, tx store.Tx, scope store.Scope, name *string, f func(*Repository) error) error {
	d, err := s.load(ctx, tx, scope, name)
	if err != nil {
		return err
	}
	if err := f(&d.Value); err != nil {
		return err
	}
	d.Value.Changed = s.Clock.Now()
	_, err = s.repositories.Put(ctx, tx, scope, d.Key, d.Value, d.Version)
	return err
}

func metadata(scope store.Scope, name string, r Repository) *api.RepositoryMetadata {
	host := "git-codecommit." + scope.Region + ".amazonaws.com/v1/repos/" + name
	return &api.RepositoryMetadata{
		AccountId: &scope.Account, RepositoryId: &r.ID, RepositoryName: &name, RepositoryDescription: op.Opt(r.Description),
		DefaultBranch: op.Opt(r.DefaultBranch), CreationDate: op.At(r.Created), LastModifiedDate: op.At(r.Changed),
		CloneUrlHttp: new("https://" + host), CloneUrlSsh: new("ssh://" + host),
		Arn: new(arn.New("codecommit", scope.Region, scope.Account, name)), KmsKeyId: op.Opt(r.KMSKey),
	}
}

func (s *Service) tagResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	err := s.alter(ctx, tx, c.Scope, nameOf(in.ResourceArn), func(r *Repository) error {
		if r.Tags == nil {
			r.Tags = map[string]string{}
		}
		maps.Copy(r.Tags, in.Tags)
		return nil
	})
	return &api.TagResourceOutput{}, err
}

func (s *Service) untagResource(ctx context.Context, tx store.Tx, c op.Caller, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	err := s.alter(ctx, tx, c.Scope, nameOf(in.ResourceArn), func(r *Repository) error {
		for _, k := range in.TagKeys {
			delete(r.Tags, k)
		}
		return nil
	})
	return &api.UntagResourceOutput{}, err
}

func (s *Service) listTags(ctx context.Context, r store.Reader, c op.Caller, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	d, err := s.load(ctx, r, c.Scope, nameOf(in.ResourceArn))
	if err != nil {
		return nil, err
	}
	tags := d.Value.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return &api.ListTagsForResourceOutput{Tags: tags}, nil
}

// nameOf is the repository's name in an ARN, or what was given in its place.
func nameOf(resource *string) *string {
	if a, ok := arn.Parse(op.Val(resource)); ok {
		return &a.Resource
	}
	return resource
}
