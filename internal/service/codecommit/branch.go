package codecommit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/git"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	heads = "refs/heads/"
	tags  = "refs/tags/"
)

func (s *Service) createBranch(ctx context.Context, c op.Caller, in *api.CreateBranchInput, _ io.Reader) (*api.CreateBranchOutput, io.ReadCloser, error) {
	name, branch := op.Val(in.RepositoryName), op.Val(in.BranchName)
	d, repository, err := s.open(ctx, c.Scope, in.RepositoryName)
	if err != nil {
		return nil, nil, err
	}
	if !git.IsBranch(branch) {
		return nil, nil, invalidBranch(branch)
	}
	if d.Refs[heads+branch] != "" {
		return nil, nil, api.BranchNameExistsException("%s already exists", branch)
	}
	commit, err := repository.Resolve(ctx, op.Val(in.CommitId))
	if err != nil {
		return nil, nil, api.CommitDoesNotExistException("Commit %s does not exist", op.Val(in.CommitId))
	}
	if err := repository.SetRef(ctx, heads+branch, commit, ""); err != nil {
		if errors.Is(err, git.ErrMoved) { // made since the repository was read
			return nil, nil, api.BranchNameExistsException("%s already exists", branch)
		}
		if errors.Is(err, git.ErrNested) {
			return nil, nil, invalidBranch(branch)
		}
		return nil, nil, fmt.Errorf("make the branch %s: %w", branch, err)
	}
	return &api.CreateBranchOutput{}, nil, s.told(ctx, c.Scope, name, c.ARN)
}

// invalidBranch is a name that Git does not take, or not beside the branches that there are.
func invalidBranch(name string) error {
	return api.InvalidBranchNameException("The branch name %q is not valid: Git does not take it, or a branch of its first parts, or one below it, exists.", name)
}

func (s *Service) getBranch(ctx context.Context, r store.Reader, c op.Caller, in *api.GetBranchInput) (*api.GetBranchOutput, error) {
	d, err := s.load(ctx, r, c.Scope, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	id := d.Value.Refs[heads+strings.TrimPrefix(op.Val(in.BranchName), heads)]
	if id == "" {
		return nil, api.BranchDoesNotExistException("%s does not exist", op.Val(in.BranchName))
	}
	return &api.GetBranchOutput{Branch: &api.BranchInfo{BranchName: in.BranchName, CommitId: &id}}, nil
}

func (s *Service) listBranches(ctx context.Context, r store.Reader, c op.Caller, in *api.ListBranchesInput) (*api.ListBranchesOutput, error) {
	d, err := s.load(ctx, r, c.Scope, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &api.ListBranchesOutput{Branches: []string{}}
	for _, name := range slices.Sorted(maps.Keys(d.Value.Refs)) {
		if branch, ok := strings.CutPrefix(name, heads); ok {
			out.Branches = append(out.Branches, branch)
		}
	}
	return out, nil
}

func (s *Service) deleteBranch(ctx context.Context, c op.Caller, in *api.DeleteBranchInput, _ io.Reader) (*api.DeleteBranchOutput, io.ReadCloser, error) {
	branch := op.Val(in.BranchName)
	d, repository, err := s.open(ctx, c.Scope, in.RepositoryName)
	if err != nil {
		return nil, nil, err
	}
	id := d.Refs[heads+branch]
	if id == "" {
		return &api.DeleteBranchOutput{}, nil, nil
	}
	if branch == d.DefaultBranch {
		return nil, nil, api.DefaultBranchCannotBeDeletedException("The branch %s is the default branch and cannot be deleted.", branch)
	}
	if err := repository.SetRef(ctx, heads+branch, "", id); err != nil {
		return nil, nil, fmt.Errorf("delete the branch %s: %w", branch, err)
	}
	out := &api.DeleteBranchOutput{DeletedBranch: &api.BranchInfo{BranchName: &branch, CommitId: &id}}
	return out, nil, s.told(ctx, c.Scope, op.Val(in.RepositoryName), c.ARN)
}

// open reads the row and opens its repository.
func (s *Service) open(ctx context.Context, scope store.Scope, name *string) (Repository, *git.Repository, error) {
	var d store.Doc[Repository]
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		d, err = s.load(ctx, r, scope, name)
		return err
	})
	if err != nil {
		return Repository{}, nil, err
	}
	repository, err := s.Git.Open(ctx, d.Value.ID)
	return d.Value, repository, err
}

// told brings the row up to what Git has and tells each difference once.
func (s *Service) told(ctx context.Context, scope store.Scope, name, by string) error {
	_, repository, err := s.open(ctx, scope, &name)
	if err != nil {
		return err
	}
	refs, err := repository.Refs(ctx)
	if err != nil {
		return err
	}
	head := ""
	err = s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := s.load(ctx, tx, scope, &name)
		if err != nil {
			return err
		}
		facts, err := differences(scope, name, d.Value, refs, by)
		if err != nil || len(facts) == 0 {
			return err
		}
		d.Value.Refs, d.Value.Changed = refs, s.Clock.Now()
		d.Value.DefaultBranch = defaultBranch(d.Value.DefaultBranch, refs)
		head = d.Value.DefaultBranch
		if _, err := s.repositories.Put(ctx, tx, scope, name, d.Value, d.Version); err != nil {
			return err
		}
		return s.Stream.Append(ctx, tx, scope, facts...)
	})
	if err != nil || head == "" {
		return err
	}
	return repository.SetHead(ctx, head)
}

// defaultBranch is the first branch that was pushed, until another is chosen.
func defaultBranch(current string, refs map[string]string) string {
	if refs[heads+current] != "" {
		return current
	}
	for _, first := range append([]string{heads + "main", heads + "master"}, slices.Sorted(maps.Keys(refs))...) {
		if branch, ok := strings.CutPrefix(first, heads); ok && refs[first] != "" {
			return branch
		}
	}
	return ""
}

// stateChange is the detail of the fact, in AWS's members.
type stateChange struct {
	Event             string `json:"event"`
	RepositoryName    string `json:"repositoryName"`
	RepositoryID      string `json:"repositoryId"`
	ReferenceType     string `json:"referenceType"`
	ReferenceName     string `json:"referenceName"`
	ReferenceFullName string `json:"referenceFullName"`
	CommitID          string `json:"commitId"`
	OldCommitID       string `json:"oldCommitId,omitzero"`
	CallerUserARN     string `json:"callerUserArn"`
}

func differences(scope store.Scope, name string, was Repository, now map[string]string, by string) ([]eventstream.Fact, error) {
	all := maps.Clone(was.Refs)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, now)
	var facts []eventstream.Fact
	for _, ref := range slices.Sorted(maps.Keys(all)) {
		old, id := was.Refs[ref], now[ref]
		if old == id {
			continue
		}
		change := stateChange{
			Event: "referenceUpdated", RepositoryName: name, RepositoryID: was.ID, ReferenceType: "branch",
			ReferenceName: strings.TrimPrefix(strings.TrimPrefix(ref, heads), tags), ReferenceFullName: ref,
			CommitID: id, OldCommitID: old, CallerUserARN: by,
		}
		if strings.HasPrefix(ref, tags) {
			change.ReferenceType = "tag"
		}
		if old == "" {
			change.Event = "referenceCreated"
		}
		if id == "" {
			change.Event, change.CommitID = "referenceDeleted", old
		}
		detail, err := json.Marshal(change)
		if err != nil {
			return nil, errors.Join(err, errors.New("write the detail of a push"))
		}
		facts = append(facts, eventstream.Fact{
			Source: "aws.codecommit", DetailType: "CodeCommit Repository State Change",
			Resources: []string{arn.New("codecommit", scope.Region, scope.Account, name)}, Detail: detail,
		})
	}
	return facts, nil
}
