package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Person is an author or committer.
type Person struct {
	Name, Email string
	At          time.Time
}

// Commit is a commit object.
type Commit struct {
	ID, Tree          string
	Parents           []string
	Author, Committer Person
	Message           string
}

// Commit reads one.
func (r *Repository) Commit(ctx context.Context, id string) (Commit, error) {
	raw, err := r.object(ctx, "commit", id)
	if err != nil {
		return Commit{}, err
	}
	head, message, _ := strings.Cut(string(raw), "\n\n")
	c := Commit{ID: id, Message: message}
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch key {
		case "tree":
			c.Tree = value
		case "parent":
			c.Parents = append(c.Parents, value)
		case "author":
			c.Author = person(value)
		case "committer":
			c.Committer = person(value)
		}
	}
	return c, nil
}

// person reads "Name <mail> 1700000000 +0100".
func person(s string) Person {
	name, rest, _ := strings.Cut(s, " <")
	mail, when, _ := strings.Cut(rest, "> ")
	seconds, zone, _ := strings.Cut(when, " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return Person{Name: name, Email: mail}
	}
	at := time.Unix(unix, 0).UTC()
	if z, err := time.Parse("-0700", zone); err == nil {
		at = at.In(z.Location())
	}
	return Person{name, mail, at}
}

// Entry is one line of a tree. Type: blob, tree, commit (a submodule).
type Entry struct {
	Mode, Type, ID, Path string
	Size                 int64
}

// Tree lists folder ("" = the root) of a commit, its own level or all levels below.
func (r *Repository) Tree(ctx context.Context, commit, folder string, recursive bool) ([]Entry, error) {
	args := []string{"ls-tree", "-z", "-l", "--full-tree"}
	if recursive {
		args = append(args, "-r")
	}
	tree := commit
	if folder = strings.Trim(folder, "/"); folder != "" {
		tree += ":" + folder
	}
	out, err := r.run(ctx, nil, append(args, tree)...)
	if err != nil {
		return nil, noObject(err, tree)
	}
	var entries []Entry
	for row := range bytes.SplitSeq(bytes.TrimRight(out, "\x00"), []byte{0}) {
		meta, path, ok := strings.Cut(string(row), "\t")
		f := strings.Fields(meta)
		if !ok || len(f) != 4 {
			continue
		}
		e := Entry{Mode: f[0], Type: f[1], ID: f[2], Path: path}
		if f[3] != "-" {
			if e.Size, err = strconv.ParseInt(f[3], 10, 64); err != nil {
				return nil, fmt.Errorf("git ls-tree printed the size %q: %w", f[3], err)
			}
		}
		if folder != "" {
			e.Path = folder + "/" + path
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// Blob reads a file's bytes by its object id.
func (r *Repository) Blob(ctx context.Context, id string) ([]byte, error) {
	return r.object(ctx, "blob", id)
}

// BlobID is the object id of a file in a commit.
func (r *Repository) BlobID(ctx context.Context, commit, path string) (string, error) {
	out, err := r.run(ctx, nil, "rev-parse", "--verify", "--end-of-options", commit+":"+path)
	return strings.TrimSpace(string(out)), noObject(err, path)
}

func (r *Repository) object(ctx context.Context, kind, id string) ([]byte, error) {
	if strings.HasPrefix(id, "-") || id == "" {
		return nil, fmt.Errorf("%q: %w", id, ErrNoObject)
	}
	out, err := r.run(ctx, nil, "cat-file", kind, id)
	return out, noObject(err, id)
}

// noObject tells a name that is not there from git failing.
func noObject(err error, name string) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 128 {
		return fmt.Errorf("%q: %w", name, ErrNoObject)
	}
	return err
}

// Change is one file of a new commit. Delete wins; Mode is 100644, 100755 or 120000.
type Change struct {
	Path, Mode string
	Body       []byte
	Keep       bool // the bytes stay, only the mode changes
	Delete     bool
}

// ErrPath is a path that Git does not keep, as one with a folder ".git".
var ErrPath = errors.New("not a path that Git keeps")

// Write makes a commit object of parent's tree with the changes; no reference moves.
// ErrPath where a change has a path that Git refuses.
func (r *Repository) Write(ctx context.Context, parent string, by Person, message string, changes []Change) (string, error) {
	index, err := os.CreateTemp("", "penstock-index-")
	if err != nil {
		return "", fmt.Errorf("make an index: %w", err)
	}
	// Git wants to make the file itself.
	if err := errors.Join(index.Close(), os.Remove(index.Name())); err != nil {
		return "", fmt.Errorf("make an index: %w", err)
	}
	defer os.Remove(index.Name())
	in := func(stdin *bytes.Reader, args ...string) ([]byte, error) {
		cmd := r.command(ctx, args...)
		cmd.Env = append(cmd.Env, "GIT_INDEX_FILE="+index.Name(),
			"GIT_AUTHOR_NAME="+by.Name, "GIT_AUTHOR_EMAIL="+by.Email, "GIT_COMMITTER_NAME="+by.Name, "GIT_COMMITTER_EMAIL="+by.Email,
			"GIT_AUTHOR_DATE="+by.At.Format(time.RFC3339), "GIT_COMMITTER_DATE="+by.At.Format(time.RFC3339))
		if stdin != nil {
			cmd.Stdin = stdin
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
		}
		if path, ok := strings.CutPrefix(stderr.String(), "Ignoring path "); ok { // by update-index, which goes on without
			return nil, fmt.Errorf("%q: %w", strings.TrimSpace(path), ErrPath)
		}
		return bytes.TrimSpace(out), nil
	}
	if parent != "" {
		if _, err := in(nil, "read-tree", parent); err != nil {
			return "", err
		}
	}
	lines, err := r.indexLines(ctx, parent, changes, in)
	if err != nil {
		return "", err
	}
	if _, err := in(bytes.NewReader(lines), "update-index", "-z", "--index-info"); err != nil {
		return "", err
	}
	tree, err := in(nil, "write-tree")
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", string(tree)}
	if parent != "" {
		args = append(args, "-p", parent)
	}
	id, err := in(bytes.NewReader([]byte(message)), args...)
	return string(id), err
}

func (r *Repository) indexLines(ctx context.Context, parent string, changes []Change, in func(*bytes.Reader, ...string) ([]byte, error)) ([]byte, error) {
	var lines bytes.Buffer
	for _, c := range changes {
		if c.Delete {
			fmt.Fprintf(&lines, "0 0000000000000000000000000000000000000000\t%s\x00", c.Path)
			continue
		}
		var id []byte
		var err error
		if c.Keep {
			id, err = in(nil, "rev-parse", "--verify", parent+":"+c.Path)
		} else {
			id, err = in(bytes.NewReader(c.Body), "hash-object", "-w", "--stdin")
		}
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&lines, "%s %s\t%s\x00", c.Mode, id, c.Path)
	}
	return lines.Bytes(), nil
}
