package codecommit_test

import (
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/internal/git"
	"github.com/penstock-ci/penstock/internal/op"
)

func TestACommitThatCannotBeMadeIsRefusedByName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	commit := func(in api.CreateCommitInput) (string, error) {
		in.RepositoryName = new("app")
		if in.BranchName == nil {
			in.BranchName = new("main")
		}
		out, _, err := op.CallStream(t.Context(), b, b.Root(), api.CreateCommit, &in, nil)
		if err != nil {
			return "", err
		}
		return *out.CommitId, nil
	}
	put := func(paths ...string) (out []api.PutFileEntry) {
		for _, p := range paths {
			out = append(out, api.PutFileEntry{FilePath: &p, FileContent: []byte("x")})
		}
		return out
	}
	tip, err := commit(api.CreateCommitInput{PutFiles: put("a/b")})
	if err != nil {
		t.Fatal(err)
	}
	for want, inputs := range map[string][]api.CreateCommitInput{
		"InvalidBranchNameException": {
			{BranchName: new("a b"), PutFiles: put("c")}, {BranchName: new("::"), PutFiles: put("c")},
			{BranchName: new("x\n"), PutFiles: put("c")}, {BranchName: new("main/x"), PutFiles: put("c")},
		},
		"InvalidPathException": {
			{ParentCommitId: &tip, PutFiles: put(".git")}, {ParentCommitId: &tip, PutFiles: put("x/.GIT/config")}, {ParentCommitId: &tip, PutFiles: put("git~1/x")}, {ParentCommitId: &tip, PutFiles: put("a\x00b")},
		},
		"ValidationException": {
			{ParentCommitId: &tip, PutFiles: put("c"), AuthorName: new("a\x00b")}, {ParentCommitId: &tip, PutFiles: put("c"), AuthorName: new("<>")},
			{ParentCommitId: &tip, PutFiles: put("c"), CommitMessage: new("a\x00b")},
		},
		"FileDoesNotExistException": {
			{ParentCommitId: &tip, DeleteFiles: []api.DeleteFileEntry{{FilePath: new("nope")}}},
			{ParentCommitId: &tip, SetFileModes: []api.SetFileModeEntry{{FilePath: new("nope"), FileMode: new("EXECUTABLE")}}},
		},
		"SamePathRequestException":                    {{ParentCommitId: &tip, PutFiles: put("c", "c")}},
		"FileNameConflictsWithDirectoryNameException": {{ParentCommitId: &tip, PutFiles: put("a")}},
		"DirectoryNameConflictsWithFileNameException": {{ParentCommitId: &tip, PutFiles: put("a/b/c")}},
	} {
		for _, in := range inputs {
			if _, err := commit(in); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v was answered by %v, want %s", in, err, want)
			}
		}
	}
	// A file that makes way for a folder in the same commit is none in the way.
	if _, err := commit(api.CreateCommitInput{ParentCommitId: &tip, PutFiles: put("a/b/c"), DeleteFiles: []api.DeleteFileEntry{{FilePath: new("a/b")}}}); err != nil {
		t.Error(err)
	}
}

func TestNamesThatAreNoObjectsAreRefusedByName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, _, err := op.CallStream(t.Context(), b, b.Root(), api.PutFile, &api.PutFileInput{
		RepositoryName: new("app"), BranchName: new("main"), FilePath: new("a"), FileContent: []byte("x"),
	}, nil); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"HEAD", "main", "a\x00b"} {
		if _, err := op.Call(t.Context(), b, b.Root(), api.GetCommit, &api.GetCommitInput{RepositoryName: new("app"), CommitId: &id}); err == nil || !strings.Contains(err.Error(), "InvalidCommitIdException") {
			t.Errorf("GetCommit %q: %v", id, err)
		}
		if _, err := op.Call(t.Context(), b, b.Root(), api.GetBlob, &api.GetBlobInput{RepositoryName: new("app"), BlobId: &id}); err == nil || !strings.Contains(err.Error(), "InvalidBlobIdException") {
			t.Errorf("GetBlob %q: %v", id, err)
		}
	}
	if _, err := op.Call(t.Context(), b, b.Root(), api.GetFolder, &api.GetFolderInput{RepositoryName: new("app"), FolderPath: new("a\x00")}); err == nil || !strings.Contains(err.Error(), "FolderDoesNotExistException") {
		t.Errorf("GetFolder: %v", err)
	}
}

// What Unicode calls a space is part of a branch's name: a policy sees the name whole.
func TestABranchWithANoBreakSpaceKeepsItsName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	name := "prod\u00a0"
	if !git.IsBranch(name) {
		t.Fatal("Git takes it")
	}
	if _, _, err := op.CallStream(t.Context(), b, b.Root(), api.PutFile, &api.PutFileInput{
		RepositoryName: new("app"), BranchName: &name, FilePath: new("a"), FileContent: []byte("x"),
	}, nil); err != nil {
		t.Fatal(err)
	}
	out, err := op.Call(t.Context(), b, b.Root(), api.ListBranches, &api.ListBranchesInput{RepositoryName: new("app")})
	if err != nil || len(out.Branches) != 1 || out.Branches[0] != name {
		t.Errorf("branches %q, want %q: %v", out.Branches, name, err)
	}
}
