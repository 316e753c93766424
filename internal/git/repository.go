package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Store is a folder of bare repositories, by id.
type Store struct {
	root string
	mu   sync.Mutex // of making a repository
}

// NewStore keeps repositories below root.
func NewStore(root string) *Store { return &Store{root: root} }

// Repository is one bare repository.
type Repository struct{ dir string }

// ErrNoObject is a name that no object or reference of the repository has.
var ErrNoObject = errors.New("no such object")

// Open finds the repository, or makes it: a row is what says that it exists.
func (s *Store) Open(ctx context.Context, id string) (*Repository, error) {
	r := &Repository{filepath.Join(s.root, id+".git")}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Stat(filepath.Join(r.dir, "HEAD")); err == nil {
		return r, nil
	}
	if err := os.MkdirAll(s.root, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of repositories: %w", err)
	}
	// Made aside and renamed: a crash leaves none half made.
	tmp, err := os.MkdirTemp(s.root, ".new-")
	if err != nil {
		return nil, fmt.Errorf("make a repository: %w", err)
	}
	fresh := &Repository{tmp}
	if _, err := fresh.run(ctx, nil, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", tmp); err != nil {
		return nil, errors.Join(err, os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, r.dir); err != nil {
		return nil, errors.Join(fmt.Errorf("make a repository: %w", err), os.RemoveAll(tmp))
	}
	return r, nil
}

// Sweep removes the repositories that keep does not name, and what crashes left.
func (s *Store) Sweep(keep func(id string) bool) error {
	entries, err := os.ReadDir(s.root)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the repositories: %w", err)
	}
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".git"); ok && keep(id) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.root, e.Name())); err != nil {
			return fmt.Errorf("remove a deleted repository: %w", err)
		}
	}
	return nil
}

// Refs are the branches and tags: full name → object id. A tag's id is its own
// object's, as receive-pack reports it.
func (r *Repository) Refs(ctx context.Context) (map[string]string, error) {
	out, err := r.run(ctx, nil, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if id, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok {
			refs[name] = id
		}
	}
	return refs, nil
}

// SetRef moves a reference from old ("" = it must not exist) to id ("" = delete);
// ErrMoved where it is not at old, ErrNested where a name of another's parts is in the way.
func (r *Repository) SetRef(ctx context.Context, name, id, old string) error {
	const zero = "0000000000000000000000000000000000000000"
	args := []string{"update-ref", name, id, old}
	if old == "" {
		args[3] = zero
	}
	if id == "" {
		args = []string{"update-ref", "-d", name, old}
	}
	if _, err := r.run(ctx, nil, args...); err != nil {
		if strings.Contains(err.Error(), "exists; cannot create") {
			return fmt.Errorf("%s: %w", name, ErrNested)
		}
		if strings.Contains(err.Error(), "cannot lock ref") {
			return fmt.Errorf("%s: %w", name, ErrMoved)
		}
		return err
	}
	return nil
}

// ErrMoved is a reference that another change has moved.
var ErrMoved = errors.New("the reference has moved")

// ErrNested is a name like "main/x" beside "main", or the other way round.
var ErrNested = errors.New("a reference of the name's first parts, or one below it, exists")

// IsBranch tells whether Git takes name for a branch: git-check-ref-format's rules.
func IsBranch(name string) bool {
	if name == "" || name == "HEAD" || strings.HasPrefix(name, "-") || strings.HasSuffix(name, ".") ||
		strings.Contains(name, "..") || strings.Contains(name, "@{") || strings.ContainsAny(name, " ~^:?*[\\\x7f") ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// SetHead makes branch the one that a clone checks out.
func (r *Repository) SetHead(ctx context.Context, branch string) error {
	_, err := r.run(ctx, nil, "symbolic-ref", "HEAD", "refs/heads/"+branch)
	return err
}

// Resolve is the commit that a branch, tag, full reference or commit id names.
func (r *Repository) Resolve(ctx context.Context, name string) (string, error) {
	if strings.HasPrefix(name, "-") {
		return "", fmt.Errorf("%q: %w", name, ErrNoObject)
	}
	for _, candidate := range []string{"refs/heads/" + name, name} {
		out, err := r.run(ctx, nil, "rev-parse", "--quiet", "--verify", "--end-of-options", candidate+"^{commit}")
		if err == nil {
			return strings.TrimSpace(string(out)), nil
		}
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			return "", err
		}
	}
	return "", fmt.Errorf("%q: %w", name, ErrNoObject)
}

// Archive streams the commit's files as a zip; modes are kept.
func (r *Repository) Archive(ctx context.Context, commit string) (io.ReadCloser, error) {
	cmd := r.command(ctx, "archive", "--format=zip", "-1", commit)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("git archive: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("git archive: %w", err)
	}
	return &archive{ReadCloser: out, cmd: cmd, stderr: &stderr}, nil
}

// archive turns a failure of git into an error in place of the end of the stream.
type archive struct {
	io.ReadCloser
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	ended  bool
	err    error
}

func (a *archive) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	a.wait()
	if a.err != nil {
		return n, a.err
	}
	return n, err
}

// Close ends git, if it was not read to its end.
func (a *archive) Close() error {
	if a.ended {
		return nil
	}
	err := a.ReadCloser.Close()
	a.wait()
	return err
}

func (a *archive) wait() {
	if a.ended {
		return
	}
	a.ended = true
	if err := a.cmd.Wait(); err != nil {
		a.err = fmt.Errorf("git archive: %w: %s", err, strings.TrimSpace(a.stderr.String()))
	}
}

// run is one git command in the repository; an error carries what it printed.
func (r *Repository) run(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	for _, a := range args {
		if strings.ContainsRune(a, 0) { // which no program can be given
			return nil, fmt.Errorf("%q: %w", a, ErrNoObject)
		}
	}
	cmd := r.command(ctx, args...)
	cmd.Stdin = stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// command has an environment of its own: neither the host's configuration nor its
// owner's may change what a repository does.
func (r *Repository) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=/nonexistent",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_DIR=" + r.dir, "GIT_TERMINAL_PROMPT=0",
	}
	return cmd
}
