package codecommit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/internal/git"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/undocumented"
)

// objectID is a full one; CodeCommit takes no names and no short ones in its place.
var objectID = regexp.MustCompile("^[0-9a-f]{40}$")

// at opens the repository at a commit specifier: a branch, tag, full reference or
// commit id; none is the default branch.
func (s *Service) at(ctx context.Context, r store.Reader, scope store.Scope, name, specifier *string) (*git.Repository, string, error) {
	d, err := s.load(ctx, r, scope, name)
	if err != nil {
		return nil, "", err
	}
	repository, err := s.Git.Open(ctx, d.Value.ID)
	if err != nil {
		return nil, "", err
	}
	commit, err := repository.Resolve(ctx, op.Or(specifier, d.Value.DefaultBranch))
	if errors.Is(err, git.ErrNoObject) {
		return nil, "", api.CommitDoesNotExistException("Commit %s does not exist", op.Val(specifier))
	}
	return repository, commit, err
}

func (s *Service) getCommit(ctx context.Context, r store.Reader, c op.Caller, in *api.GetCommitInput) (*api.GetCommitOutput, error) {
	d, err := s.load(ctx, r, c.Scope, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if !objectID.MatchString(op.Val(in.CommitId)) {
		return nil, api.InvalidCommitIdException("The specified commit ID is not valid: %q is not a full one.", op.Val(in.CommitId))
	}
	repository, err := s.Git.Open(ctx, d.Value.ID)
	if err != nil {
		return nil, err
	}
	commit, err := repository.Commit(ctx, op.Val(in.CommitId))
	if errors.Is(err, git.ErrNoObject) {
		return nil, api.CommitIdDoesNotExistException("Commit ID %s does not exist", op.Val(in.CommitId))
	}
	if err != nil {
		return nil, err
	}
	parents := commit.Parents
	if parents == nil {
		parents = []string{}
	}
	return &api.GetCommitOutput{Commit: &api.Commit{
		CommitId: &commit.ID, TreeId: &commit.Tree, Parents: parents, Message: &commit.Message,
		Author: user(commit.Author), Committer: user(commit.Committer), AdditionalData: new(""),
	}}, nil
}

func user(p git.Person) *api.UserInfo {
	date := strconv.FormatInt(p.At.Unix(), 10) + " " + p.At.Format("-0700")
	return &api.UserInfo{Name: &p.Name, Email: &p.Email, Date: &date}
}

func (s *Service) getFile(ctx context.Context, r store.Reader, c op.Caller, in *api.GetFileInput) (*api.GetFileOutput, error) {
	repository, commit, err := s.at(ctx, r, c.Scope, in.RepositoryName, in.CommitSpecifier)
	if err != nil {
		return nil, err
	}
	file := strings.Trim(op.Val(in.FilePath), "/")
	folder := path.Dir(file)
	if folder == "." {
		folder = ""
	}
	entries, err := repository.Tree(ctx, commit, folder, false)
	if err != nil && !errors.Is(err, git.ErrNoObject) {
		return nil, err
	}
	for _, e := range entries {
		if e.Path != file || e.Type != "blob" {
			continue
		}
		body, err := repository.Blob(ctx, e.ID)
		return &api.GetFileOutput{CommitId: &commit, BlobId: &e.ID, FilePath: &file, FileMode: fileMode(e.Mode), FileSize: &e.Size, FileContent: body}, err
	}
	return nil, api.FileDoesNotExistException("Could not find path %s", file)
}

func (s *Service) getBlob(ctx context.Context, r store.Reader, c op.Caller, in *api.GetBlobInput) (*api.GetBlobOutput, error) {
	d, err := s.load(ctx, r, c.Scope, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if !objectID.MatchString(op.Val(in.BlobId)) {
		return nil, api.InvalidBlobIdException("The specified blob ID is not valid: %q is not a full one.", op.Val(in.BlobId))
	}
	repository, err := s.Git.Open(ctx, d.Value.ID)
	if err != nil {
		return nil, err
	}
	body, err := repository.Blob(ctx, op.Val(in.BlobId))
	if errors.Is(err, git.ErrNoObject) {
		return nil, api.BlobIdDoesNotExistException("Blob ID %s does not exist", op.Val(in.BlobId))
	}
	return &api.GetBlobOutput{Content: body}, err
}

func (s *Service) getFolder(ctx context.Context, r store.Reader, c op.Caller, in *api.GetFolderInput) (*api.GetFolderOutput, error) {
	repository, commit, err := s.at(ctx, r, c.Scope, in.RepositoryName, in.CommitSpecifier)
	if err != nil {
		return nil, err
	}
	folder := strings.Trim(op.Val(in.FolderPath), "/")
	entries, err := repository.Tree(ctx, commit, folder, false)
	if errors.Is(err, git.ErrNoObject) {
		return nil, api.FolderDoesNotExistException("Could not find path %s", folder)
	}
	if err != nil {
		return nil, err
	}
	out := &api.GetFolderOutput{CommitId: &commit, FolderPath: &folder, SubFolders: []api.Folder{}, Files: []api.File{}, SymbolicLinks: []api.SymbolicLink{}, SubModules: []api.SubModule{}}
	for _, e := range entries {
		base := path.Base(e.Path)
		switch {
		case e.Type == "tree":
			out.SubFolders = append(out.SubFolders, api.Folder{TreeId: &e.ID, AbsolutePath: &e.Path, RelativePath: &base})
		case e.Type == "commit":
			out.SubModules = append(out.SubModules, api.SubModule{CommitId: &e.ID, AbsolutePath: &e.Path, RelativePath: &base})
		case e.Mode == "120000":
			out.SymbolicLinks = append(out.SymbolicLinks, api.SymbolicLink{BlobId: &e.ID, AbsolutePath: &e.Path, RelativePath: &base, FileMode: fileMode(e.Mode)})
		default:
			out.Files = append(out.Files, api.File{BlobId: &e.ID, AbsolutePath: &e.Path, RelativePath: &base, FileMode: fileMode(e.Mode)})
		}
	}
	return out, nil
}

// modes are Git's for AWS's.
var modes = map[string]string{api.FileModeTypeEnumExecutable: "100755", api.FileModeTypeEnumNormal: "100644", api.FileModeTypeEnumSymlink: "120000"}

func fileMode(mode string) *string {
	for name, m := range modes {
		if m == mode {
			return &name
		}
	}
	return new(api.FileModeTypeEnumNormal)
}

func (s *Service) createCommit(ctx context.Context, c op.Caller, in *api.CreateCommitInput, _ io.Reader) (*api.CreateCommitOutput, io.ReadCloser, error) {
	var changes []git.Change
	for _, f := range in.PutFiles {
		if f.SourceFile != nil {
			return nil, nil, api.InvalidPathException("Source files are not supported: give the content of %s.", op.Val(f.FilePath))
		}
		changes = append(changes, git.Change{Path: op.Val(f.FilePath), Mode: modes[op.Or(f.FileMode, api.FileModeTypeEnumNormal)], Body: f.FileContent})
	}
	for _, f := range in.DeleteFiles {
		changes = append(changes, git.Change{Path: op.Val(f.FilePath), Delete: true})
	}
	for _, f := range in.SetFileModes {
		changes = append(changes, git.Change{Path: op.Val(f.FilePath), Mode: modes[op.Val(f.FileMode)], Keep: true})
	}
	id, tree, err := s.commit(ctx, c, commit{in.RepositoryName, in.BranchName, in.ParentCommitId, in.AuthorName, in.Email, in.CommitMessage, changes})
	if err != nil {
		return nil, nil, err
	}
	out := &api.CreateCommitOutput{CommitId: &id, TreeId: &tree}
	for _, f := range in.PutFiles {
		out.FilesAdded = append(out.FilesAdded, api.FileMetadata{AbsolutePath: f.FilePath, FileMode: f.FileMode})
	}
	for _, f := range in.DeleteFiles {
		out.FilesDeleted = append(out.FilesDeleted, api.FileMetadata{AbsolutePath: f.FilePath})
	}
	return out, nil, nil
}

func (s *Service) putFile(ctx context.Context, c op.Caller, in *api.PutFileInput, _ io.Reader) (*api.PutFileOutput, io.ReadCloser, error) {
	file := op.Val(in.FilePath)
	change := git.Change{Path: file, Mode: modes[op.Or(in.FileMode, api.FileModeTypeEnumNormal)], Body: in.FileContent}
	message := op.Or(in.CommitMessage, "Added "+file)
	id, tree, err := s.commit(ctx, c, commit{in.RepositoryName, in.BranchName, in.ParentCommitId, in.Name, in.Email, &message, []git.Change{change}})
	if err != nil {
		return nil, nil, err
	}
	_, repository, err := s.open(ctx, c.Scope, in.RepositoryName)
	if err != nil {
		return nil, nil, err
	}
	blob, err := repository.BlobID(ctx, id, file)
	return &api.PutFileOutput{CommitId: &id, TreeId: &tree, BlobId: &blob}, nil, err
}

// commit is what CreateCommit and PutFile have in common.
type commit struct {
	repository, branch, parent, author, email, message *string
	changes                                            []git.Change
}

func (s *Service) commit(ctx context.Context, c op.Caller, in commit) (id, tree string, err error) {
	for _, f := range in.changes {
		if clean := path.Clean("/" + f.Path)[1:]; clean != f.Path || f.Path == "" || strings.ContainsRune(f.Path, 0) {
			return "", "", api.InvalidPathException("The path %q is not valid.", f.Path)
		}
		if f.Mode == "" && !f.Delete {
			return "", "", api.InvalidFileModeException("The file mode of %s is not valid.", f.Path)
		}
	}
	d, repository, err := s.open(ctx, c.Scope, in.repository)
	if err != nil {
		return "", "", err
	}
	if !git.IsBranch(op.Val(in.branch)) {
		return "", "", invalidBranch(op.Val(in.branch))
	}
	ref := heads + op.Val(in.branch)
	tip := d.Refs[ref]
	if tip != "" && in.parent == nil {
		return "", "", api.ParentCommitIdRequiredException("The parent commit ID is required: the branch %s has commits.", op.Val(in.branch))
	}
	if op.Val(in.parent) != tip {
		return "", "", api.ParentCommitIdOutdatedException("Parent commit ID is outdated. The current HEAD commit is %s.", tip)
	}
	if err := s.fits(ctx, repository, tip, in.changes); err != nil {
		return "", "", err
	}
	by := git.Person{Name: op.Or(in.author, c.ARN[strings.LastIndexAny(c.ARN, ":/")+1:]), Email: op.Val(in.email), At: s.Clock.Now().Truncate(time.Second)}
	if err := plain(by, op.Val(in.message)); err != nil {
		return "", "", err
	}
	id, err = repository.Write(ctx, tip, by, op.Val(in.message), in.changes)
	if errors.Is(err, git.ErrPath) {
		return "", "", api.InvalidPathException("A path is not valid: %v", err)
	}
	if err != nil {
		return "", "", fmt.Errorf("write a commit of %s: %w", op.Val(in.repository), err)
	}
	if err := repository.SetRef(ctx, ref, id, tip); err != nil {
		if errors.Is(err, git.ErrMoved) {
			return "", "", api.ParentCommitIdOutdatedException("Parent commit ID is outdated: another commit was made meanwhile.")
		}
		if errors.Is(err, git.ErrNested) {
			return "", "", invalidBranch(op.Val(in.branch))
		}
		return "", "", err
	}
	if err := s.told(ctx, c.Scope, op.Val(in.repository), c.ARN); err != nil {
		return "", "", err
	}
	made, err := repository.Commit(ctx, id)
	return id, made.Tree, err
}

// plain refuses what a commit object cannot hold.
func plain(by git.Person, message string) error {
	if strings.ContainsRune(by.Name+by.Email+message, 0) {
		return &op.Error{Code: "ValidationException", Status: 400, Message: "The author's name, the email address and the commit message cannot hold a NUL character."}
	}
	// What Git takes away from a name's ends, and everywhere.
	if strings.Trim(by.Name, " .,:;<>\"\\'\n\r\t") == "" {
		return &op.Error{Code: "ValidationException", Status: 400, Message: fmt.Sprintf("The author's name %q has nothing that Git keeps.", by.Name)}
	}
	return nil
}

// fits tells whether the changes can be made of the files that commit has.
func (s *Service) fits(ctx context.Context, repository *git.Repository, commit string, changes []git.Change) error {
	files := map[string]bool{}
	if commit != "" {
		entries, err := repository.Tree(ctx, commit, "", true)
		if err != nil {
			return err
		}
		for _, e := range entries {
			files[e.Path] = true
		}
	}
	return conflict(files, changes)
}

// conflict is the first change that cannot be made of files, nil if there is none.
func conflict(files map[string]bool, changes []git.Change) error {
	named, after := map[string]bool{}, maps.Clone(files)
	for _, c := range changes {
		if named[c.Path] {
			return api.SamePathRequestException("The path %s is in the request more than once.", c.Path)
		}
		named[c.Path] = true
		if (c.Delete || c.Keep) && !files[c.Path] {
			return api.FileDoesNotExistException("Could not find path %s", c.Path)
		}
		after[c.Path] = true
		if c.Delete {
			delete(after, c.Path)
		}
	}
	folders := map[string]bool{}
	for file := range after {
		for f := path.Dir(file); f != "."; f = path.Dir(f) {
			folders[f] = true
		}
	}
	for _, c := range changes {
		if c.Delete {
			continue
		}
		if folders[c.Path] {
			return api.FileNameConflictsWithDirectoryNameException("The file %s has the name of a folder.", c.Path)
		}
		for f := path.Dir(c.Path); f != "."; f = path.Dir(f) {
			if after[f] {
				return api.DirectoryNameConflictsWithFileNameException("The folder %s of %s has the name of a file.", f, c.Path)
			}
		}
	}
	return nil
}

func (s *Service) uploadArchive(ctx context.Context, c op.Caller, in *undocumented.UploadArchiveInput, _ io.Reader) (*undocumented.UploadArchiveOutput, io.ReadCloser, error) {
	_, repository, err := s.open(ctx, c.Scope, &in.RepositoryName)
	if err != nil {
		return nil, nil, err
	}
	id, err := repository.Resolve(ctx, in.CommitID)
	if err != nil {
		return nil, nil, api.CommitDoesNotExistException("Commit %s does not exist", in.CommitID)
	}
	zip, err := repository.Archive(ctx, id)
	return &undocumented.UploadArchiveOutput{}, zip, err
}
