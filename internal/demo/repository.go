package demo

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Repository is a working copy of the application, pushed with the git program.
type Repository struct {
	dir, remote string
	helper      string // git's credential helper: this binary's git-credential
	files       fs.FS  // examples/core-app
}

// NewRepository is one in the folder dir, which Start makes.
func NewRepository(dir string, env Env, helper string, files fs.FS) *Repository {
	// The clone URL's host is AWS's own and does not resolve here: Git goes to the endpoint, same path.
	return &Repository{dir: dir, remote: env.Endpoint + "/v1/repos/" + name, helper: helper, files: files}
}

// Start lays down the first commit's files and points origin to the clone URL.
func (r *Repository) Start(ctx context.Context) error {
	if err := os.RemoveAll(r.dir); err != nil {
		return fmt.Errorf("empty the working copy: %w", err)
	}
	if err := r.lay(".", func(path string) bool { return path == "next" || strings.HasPrefix(path, "next/") }); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"config", "user.name", "Core App"},
		{"config", "user.email", "core-app@example.com"},
		{"config", "credential.helper", r.helper},
		{"config", "credential.UseHttpPath", "true"},
		{"remote", "add", "origin", r.remote},
	} {
		if _, err := r.git(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// change lays next/<folder> over the working copy.
func (r *Repository) change(folder string) error {
	return r.lay("next/"+folder, func(string) bool { return false })
}

// lay copies the files below root into the working copy.
func (r *Repository) lay(root string, skip func(string) bool) error {
	return fs.WalkDir(r.files, root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || skip(path) {
			return err
		}
		b, err := fs.ReadFile(r.files, path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		to := filepath.Join(r.dir, relative)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	})
}

// Push commits all and pushes; it returns the commit's id.
func (r *Repository) Push(ctx context.Context, message string) (string, error) {
	for _, args := range [][]string{{"add", "--all"}, {"commit", "--quiet", "--message", message}, {"push", "--quiet", "origin", "main"}} {
		if _, err := r.git(ctx, args...); err != nil {
			return "", err
		}
	}
	return r.git(ctx, "rev-parse", "HEAD")
}

func (r *Repository) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
