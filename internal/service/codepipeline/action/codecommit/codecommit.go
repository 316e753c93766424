// Package codecommit is the source action that brings a branch of a CodeCommit
// repository as a zip of its files. Package codepipeline calls it; it never reads
// Git itself.
package codecommit

import (
	"context"
	"errors"
	"fmt"
	"time"

	api "github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
	"github.com/penstock-ci/penstock/internal/undocumented"
)

// Provider is the source action CodeCommit.
type Provider struct{ aws op.StreamDispatcher }

// New makes the provider.
func New(aws op.StreamDispatcher) *Provider { return &Provider{aws} }

// Type describes it.
func (*Provider) Type() action.Type {
	return action.Type{
		ID: action.ID{Category: "Source", Owner: "AWS", Provider: "CodeCommit", Version: "1"},
		Properties: []action.Property{
			{Name: "RepositoryName", Required: true}, {Name: "BranchName", Required: true}, {Name: "PollForSourceChanges"}, {Name: "OutputArtifactFormat"},
		},
		Outputs: action.Range{Max: 1}, Timeout: time.Hour,
	}
}

// Check refuses the artifact format that is a reference to a clone.
func (*Provider) Check(name string, c map[string]string) string {
	if f := c["OutputArtifactFormat"]; f != "" && f != "CODE_ZIP" {
		return fmt.Sprintf("Action configuration for action '%s' contains the value '%s' for OutputArtifactFormat, which is not supported here: only CODE_ZIP is", name, f)
	}
	return ""
}

// Latest is the newest commit of the branch.
func (p *Provider) Latest(ctx context.Context, in action.Input) (string, error) {
	repository, branch := in.Configuration["RepositoryName"], in.Configuration["BranchName"]
	b, err := op.Call(ctx, p.aws, in.Caller(""), api.GetBranch, &api.GetBranchInput{RepositoryName: &repository, BranchName: &branch})
	if err != nil {
		return "", err
	}
	return op.Val(b.Branch.CommitId), nil
}

// Start does all of it: the commit, its files, the artifact.
func (p *Provider) Start(ctx context.Context, in action.Input) (action.Report, error) {
	repository, branch := in.Configuration["RepositoryName"], in.Configuration["BranchName"]
	commit, err := p.commit(ctx, in)
	if err != nil {
		return refused(repository, branch, err)
	}
	got, err := op.Call(ctx, p.aws, in.Caller(""), api.GetCommit, &api.GetCommitInput{RepositoryName: &repository, CommitId: &commit})
	if err != nil {
		return refused(repository, branch, err)
	}
	if len(in.Outputs) > 0 {
		_, body, err := op.CallStream(ctx, p.aws, in.Caller(""), undocumented.UploadArchive, &undocumented.UploadArchiveInput{RepositoryName: repository, CommitID: commit}, nil)
		if err != nil {
			return refused(repository, branch, err)
		}
		err = errors.Join(action.PutOutput(ctx, p.aws, in, in.Outputs[0], body), body.Close())
		if action.IsDenied(err) {
			return action.StoreDenied(in.Outputs[0].Bucket, err), nil
		}
		if err != nil {
			return action.Report{}, err
		}
	}
	return report(in.Region, repository, branch, got.Commit), nil
}

func (p *Provider) commit(ctx context.Context, in action.Input) (string, error) {
	if in.Override != nil && in.Override.Type == "COMMIT_ID" {
		return in.Override.Value, nil
	}
	return p.Latest(ctx, in)
}

func report(region, repository, branch string, c *api.Commit) action.Report {
	id, message := op.Val(c.CommitId), op.Val(c.Message)
	entity := "https://" + region + ".console.aws.amazon.com/codesuite/codecommit/repositories/" + repository
	r := action.Report{
		State: action.Succeeded, ExternalID: id, Summary: message, URL: entity + "/commit/" + id,
		EntityURL: entity + "/browse/refs/heads/" + branch + "/--/", OutputsRevision: id,
		Revision: &action.Revision{ID: id, Summary: message, URL: entity + "/commit/" + id},
		Variables: map[string]string{
			"CommitId": id, "CommitMessage": message, "RepositoryName": repository, "BranchName": branch,
			"AuthorDate": date(c.Author), "CommitterDate": date(c.Committer),
		},
	}
	if t, err := time.Parse(time.RFC3339, date(c.Committer)); err == nil {
		r.Revision.Created = t
	}
	return r
}

// date is an instant as CodePipeline writes it, from Git's "seconds zone".
func date(u *api.UserInfo) string {
	if u == nil || u.Date == nil {
		return ""
	}
	var seconds int64
	if _, err := fmt.Sscanf(*u.Date, "%d", &seconds); err != nil {
		return *u.Date
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}

// refused is the failure of the action for an error of CodeCommit.
func refused(repository, branch string, err error) (action.Report, error) {
	f, ok := action.Refused(err)
	switch {
	case !ok:
		return action.Report{}, err
	case f.Code == action.PermissionError, action.IsCode(err, "RepositoryDoesNotExistException"):
		return action.Fail(f.Code, "Could not access the CodeCommit repository %s. Make sure that the pipeline IAM role has sufficient permissions to access the repository. Error: %s", repository, f.Message), nil
	case action.IsCode(err, "BranchDoesNotExistException"):
		return action.Fail(f.Code, "The AWS CodeCommit repository %s doesn't have a branch named %s.", repository, branch), nil
	}
	return action.Fail(f.Code, "%s", f.Message), nil
}

// Poll is never needed: Start ends the action.
func (*Provider) Poll(context.Context, action.Input) (action.Report, error) {
	return action.Report{}, errors.New("the source action CodeCommit has nothing to poll")
}
