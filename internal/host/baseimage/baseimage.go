package baseimage

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/penstock-ci/penstock/internal/clock"
)

// Engine is what making images needs of a Docker Engine (*docker.Engine has it).
type Engine interface {
	ImageLabel(ctx context.Context, name, label string) (string, error)
	ImageSize(ctx context.Context, name string) (int64, error)
	ImportImage(ctx context.Context, name string, root io.Reader, changes ...string) error
	BuildImage(ctx context.Context, name string, folder io.Reader, args, labels map[string]string, progress io.Writer) error
	TagImage(ctx context.Context, from, to string) error
	PullImage(ctx context.Context, name, auth string) error
	SaveImages(ctx context.Context, names []string) (io.ReadCloser, error)
	LoadImages(ctx context.Context, archive io.Reader) error
}

// Maker makes the images.
type Maker struct {
	Engine Engine
	Cache  string // folder of the kept archive; "" keeps none
	// Authorities is the PEM of what this host trusts beyond its distribution's;
	// the images trust it too, so that they work behind a company's proxy.
	Authorities []byte
	Clock       clock.Clock
	Out         io.Writer // one line per step, with its duration
}

// label marks an image with what it was made from.
const label = "io.penstock.recipe"

// fallback is Debian's public image, for machines that are not Debian themselves.
const fallback = "public.ecr.aws/docker/library/debian:12-slim"

// Ensure makes what lacks: from the Engine, else the kept archive, else anew.
func (m Maker) Ensure(ctx context.Context) error {
	marks, err := m.marks()
	if err != nil {
		return err
	}
	if err := m.ensure(ctx, marks); err != nil {
		return err
	}
	return m.Engine.TagImage(ctx, Python, PythonAlias)
}

func (m Maker) ensure(ctx context.Context, marks map[string]string) error {
	if have, err := m.have(ctx, marks); err != nil || have {
		return m.tell("images are ready", time.Time{}, err)
	}
	archive := m.archive(marks)
	start := m.Clock.Now()
	loaded, err := m.load(ctx, archive)
	if err != nil {
		fmt.Fprintf(m.Out, "the kept images could not be loaded and are made anew: %v\n", err)
	}
	if loaded {
		if have, err := m.have(ctx, marks); err != nil || have {
			return m.tell("loaded the images kept from before", start, err)
		}
	}
	if err := m.make(ctx, marks); err != nil {
		return err
	}
	start = m.Clock.Now()
	return m.tell("kept the images for the next time", start, m.save(ctx, archive))
}

// marks are the wanted labels, by image.
func (m Maker) marks() (map[string]string, error) {
	base := mark([]byte("minbase ca-certificates 1"), m.Authorities)
	out := map[string]string{Debian: base}
	for _, r := range recipes {
		folder, err := r.context()
		if err != nil {
			return nil, err
		}
		out[r.name] = mark([]byte(base), folder)
	}
	return out, nil
}

func (m Maker) have(ctx context.Context, marks map[string]string) (bool, error) {
	for name, want := range marks {
		have, err := m.Engine.ImageLabel(ctx, name, label)
		if err != nil || have != want {
			return false, err
		}
	}
	return true, nil
}

func (m Maker) make(ctx context.Context, marks map[string]string) error {
	if err := m.debian(ctx, marks[Debian]); err != nil {
		return err
	}
	args := aptProxies(ctx)
	for _, r := range recipes {
		have, err := m.Engine.ImageLabel(ctx, r.name, label)
		if err != nil {
			return err
		}
		if have == marks[r.name] {
			continue
		}
		folder, err := r.context()
		if err != nil {
			return err
		}
		start := m.Clock.Now()
		var output bufferTail
		err = m.Engine.BuildImage(ctx, r.name, bytes.NewReader(folder), args, map[string]string{label: marks[r.name]}, &output)
		if err != nil {
			return fmt.Errorf("baseimage: %w; its last words:\n%s", err, output.String())
		}
		if err := m.made(ctx, r.name, start); err != nil {
			return err
		}
	}
	return nil
}

func (m Maker) made(ctx context.Context, name string, start time.Time) error {
	size, err := m.Engine.ImageSize(ctx, name)
	return m.tell(fmt.Sprintf("made image %s, %d MB", name, size/1e6), start, err)
}

// debian makes the root that the others are built on.
func (m Maker) debian(ctx context.Context, want string) error {
	have, err := m.Engine.ImageLabel(ctx, Debian, label)
	if err != nil || have == want {
		return err
	}
	start := m.Clock.Now()
	dir, err := os.MkdirTemp("", "penstock-images-")
	if err != nil {
		return fmt.Errorf("baseimage: %w", err)
	}
	defer os.RemoveAll(dir)
	root := filepath.Join(dir, "root.tar")
	if err := debootstrap(ctx, root, m.certificates()); err != nil {
		return m.pull(ctx, want, err)
	}
	f, err := os.Open(root)
	if err != nil {
		return fmt.Errorf("baseimage: %w", err)
	}
	defer f.Close()
	if err := m.Engine.ImportImage(ctx, Debian, f, `CMD ["/bin/sh"]`, "LABEL "+label+"="+want); err != nil {
		return err
	}
	return m.made(ctx, Debian, start)
}

// pull takes Debian's public image where there is no Debian archive to be had.
func (m Maker) pull(ctx context.Context, want string, cause error) error {
	start := m.Clock.Now()
	fmt.Fprintf(m.Out, "no Debian root could be made here (%v); pulling %s\n", cause, fallback)
	if err := m.Engine.PullImage(ctx, fallback, ""); err != nil {
		return errors.Join(cause, err)
	}
	folder, err := onlyDockerfile("FROM " + fallback + "\nRUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*\n")
	if err != nil {
		return err
	}
	var output bufferTail
	err = m.Engine.BuildImage(ctx, Debian, bytes.NewReader(folder), aptProxies(ctx), map[string]string{label: want}, &output)
	if err != nil {
		return fmt.Errorf("baseimage: %w; its last words:\n%s", err, output.String())
	}
	return m.made(ctx, Debian, start)
}

func (m Maker) certificates() [][]byte {
	var out [][]byte
	for rest := m.Authorities; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return out
		}
		out = append(out, pem.EncodeToMemory(b))
	}
}

func (m Maker) archive(marks map[string]string) string {
	if m.Cache == "" {
		return ""
	}
	var all [][]byte
	for _, r := range recipes {
		all = append(all, []byte(marks[r.name]))
	}
	return filepath.Join(m.Cache, "images-"+mark(all...)+".tar.zst")
}

func (m Maker) load(ctx context.Context, archive string) (bool, error) {
	f, err := os.Open(archive)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("baseimage: %w", err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return false, fmt.Errorf("baseimage: %w", err)
	}
	defer z.Close()
	return true, m.Engine.LoadImages(ctx, z)
}

// save replaces the kept archive whole; those of older releases go.
func (m Maker) save(ctx context.Context, archive string) (err error) {
	if archive == "" {
		return nil
	}
	if err := os.MkdirAll(m.Cache, 0o755); err != nil {
		return fmt.Errorf("baseimage: %w", err)
	}
	names := []string{Debian}
	for _, r := range recipes {
		names = append(names, r.name)
	}
	r, err := m.Engine.SaveImages(ctx, names)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	f, err := os.CreateTemp(m.Cache, "images-*.new")
	if err != nil {
		return fmt.Errorf("baseimage: %w", err)
	}
	defer os.Remove(f.Name()) // nothing is there once it was renamed
	if err := errors.Join(compress(f, r), f.Close()); err != nil {
		return fmt.Errorf("baseimage: keeping the images: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(m.Cache, "images-*.tar.zst"))
	for _, o := range old {
		err = errors.Join(err, os.Remove(o))
	}
	return errors.Join(err, os.Rename(f.Name(), archive))
}

func compress(w io.Writer, r io.Reader) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	_, err = io.Copy(z, r)
	return errors.Join(err, z.Close())
}

// tell writes one line of progress, or passes the error on.
func (m Maker) tell(what string, start time.Time, err error) error {
	if err != nil {
		return err
	}
	if start.IsZero() {
		_, err = fmt.Fprintln(m.Out, what)
		return err
	}
	_, err = fmt.Fprintf(m.Out, "%s (%.1f s)\n", what, m.Clock.Now().Sub(start).Seconds())
	return err
}
