package runner

import (
	"archive/zip"
	"context"
	"crypto/md5" // AWS's own name for the sum
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// upload stores all artifacts of the plan.
func (b *build) upload(ctx context.Context) ([]protocol.Stored, error) {
	var stored []protocol.Stored
	for _, a := range b.plan.Artifacts {
		if a.ID != "" {
			b.log.say("Preparing to copy secondary artifacts %s", a.ID)
		}
		s, err := b.uploadOne(ctx, a)
		if err != nil {
			return stored, err
		}
		stored = append(stored, s)
	}
	return stored, nil
}

func (b *build) uploadOne(ctx context.Context, a protocol.Artifact) (protocol.Stored, error) {
	stored := protocol.Stored{ID: a.ID, Bucket: a.Bucket}
	switch {
	case len(a.Files) == 0 && a.ID == "":
		return stored, clientError("no definition for primary artifacts in buildspec")
	case len(a.Files) == 0:
		return stored, clientError("no definition for secondary artifacts %s in buildspec", a.ID)
	}
	files, err := b.collect(a)
	if err != nil {
		return stored, err
	}
	name := a.Name
	if a.NameExpression != "" {
		if name, err = b.evaluate(ctx, a.NameExpression); err != nil {
			return stored, err
		}
	}
	stored.Key = strings.TrimPrefix(a.Prefix+name, "/")
	if a.Zip {
		return b.uploadZip(ctx, a, files, stored)
	}
	for _, f := range files {
		fi, err := os.Stat(f.path)
		if err != nil {
			return stored, clientError("Failed to upload artifacts: %v", err)
		}
		key := f.name
		if stored.Key != "" {
			key = strings.TrimSuffix(stored.Key, "/") + "/" + f.name
		}
		err = b.objects.put(ctx, a.Bucket, key, fi.Size(), b.objectHeader(a.KMSKey), func() (io.ReadCloser, error) { return os.Open(f.path) })
		if err != nil {
			return stored, clientError("Failed to upload artifacts: %v", err)
		}
	}
	return stored, nil
}

// collect finds the artifact's files and says in the log what it found, as CodeBuild does.
func (b *build) collect(a protocol.Artifact) ([]picked, error) {
	base := os.Expand(a.Base, b.session.get)
	shown := base
	if shown == "" {
		shown = "."
	}
	b.log.say("Expanding base directory path: %s", shown)
	b.log.say("Assembling file list")
	b.log.say("Expanding %s", shown)
	folders, err := bases(b.session.home, base)
	if err != nil {
		return nil, err
	}
	b.log.say("Expanding file paths for base directory %s", shown)
	b.log.say("Assembling file list")
	var patterns, exclude []string
	for _, f := range a.Files {
		p := os.Expand(f, b.session.get)
		b.log.say("Expanding %s", p)
		patterns = append(patterns, p)
	}
	for _, e := range a.Exclude {
		exclude = append(exclude, os.Expand(e, b.session.get))
	}
	var all []picked
	for _, folder := range folders {
		files, skipped, err := pick(folder, patterns, exclude, a.DiscardPaths)
		if err != nil {
			return nil, err
		}
		for _, s := range skipped {
			b.log.say("Skipping invalid file path %s", s)
		}
		all = append(all, files...)
	}
	if len(all) == 0 {
		return nil, clientError("no matching artifact paths found")
	}
	b.log.say("Found %d file(s)", len(all))
	return all, nil
}

// uploadZip writes the archive to disk, for its length and sums must be known.
func (b *build) uploadZip(ctx context.Context, a protocol.Artifact, files []picked, stored protocol.Stored) (protocol.Stored, error) {
	f, err := os.CreateTemp(b.tmp(), "artifact-*.zip")
	if err != nil {
		return stored, fmt.Errorf("make room for the artifact: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	sum5, sum256 := md5.New(), sha256.New()
	if err := zipFiles(io.MultiWriter(f, sum5, sum256), files, a.Symlinks); err != nil {
		return stored, clientError("Failed to upload artifacts: %v", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return stored, fmt.Errorf("measure the artifact: %w", err)
	}
	stored.MD5, stored.SHA256 = hex.EncodeToString(sum5.Sum(nil)), hex.EncodeToString(sum256.Sum(nil))
	header := b.objectHeader(a.KMSKey)
	header["X-Amz-Meta-Codebuild-Content-Md5"] = []string{stored.MD5}
	header["X-Amz-Meta-Codebuild-Content-Sha256"] = []string{stored.SHA256}
	err = b.objects.put(ctx, a.Bucket, stored.Key, size, header, func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(f, 0, size)), nil
	})
	if err != nil {
		return stored, clientError("Failed to upload artifacts: %v", err)
	}
	return stored, nil
}

// zipFiles writes an archive with the files' modes. A symlink is stored as what it
// points to, unless links is set.
func zipFiles(w io.Writer, files []picked, links bool) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		if err := zipFile(z, f, links); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return z.Close()
}

func zipFile(z *zip.Writer, f picked, links bool) error {
	link := links && isSymlink(f.path)
	stat := os.Stat
	if link {
		stat = os.Lstat
	}
	fi, err := stat(f.path)
	if err != nil {
		return err
	}
	h, err := zip.FileInfoHeader(fi)
	if err != nil {
		return err
	}
	h.Name, h.Method = f.name, zip.Deflate
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	if link {
		target, err := os.Readlink(f.path)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, target)
		return err
	}
	r, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

// evaluate lets the build's shell expand an artifact's name, or a cache's key.
func (b *build) evaluate(ctx context.Context, expression string) (string, error) {
	shell, err := b.session.findShell()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, shell, "-c", `printf '%s' "`+expression+`"`)
	cmd.Env, cmd.Dir = b.session.env, b.session.home
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return "", clientError("Failed to evaluate %s: %s", expression, strings.TrimSpace(string(exit.Stderr)))
		}
		return "", fmt.Errorf("evaluate %s: %w", expression, err)
	}
	return string(out), nil
}
