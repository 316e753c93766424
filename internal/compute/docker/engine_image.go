package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// HasImage tells the id of an image that the Engine has; "" for none.
func (e *Engine) HasImage(ctx context.Context, name string) (id string, err error) {
	defer away(&err)
	r, err := e.c.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("docker: looking for image %s: %w", name, err)
	}
	return r.ID, nil
}

// ImageLabel gives an image's label; "" without the image or the label.
func (e *Engine) ImageLabel(ctx context.Context, name, label string) (string, error) {
	r, err := e.c.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("docker: looking for image %s: %w", name, err)
	}
	if r.Config == nil {
		return "", nil
	}
	return r.Config.Labels[label], nil
}

// ImageSize is an image's size in bytes, as the Engine counts it.
func (e *Engine) ImageSize(ctx context.Context, name string) (int64, error) {
	r, err := e.c.ImageInspect(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("docker: looking for image %s: %w", name, err)
	}
	return r.Size, nil
}

// ImportImage makes an image of one layer from a root file system. changes are
// Dockerfile instructions ("CMD …", "LABEL …").
func (e *Engine) ImportImage(ctx context.Context, name string, root io.Reader, changes ...string) error {
	r, err := e.c.ImageImport(ctx, client.ImageImportSource{Source: root, SourceName: "-"}, name,
		client.ImageImportOptions{Changes: changes})
	if err != nil {
		return fmt.Errorf("docker: making image %s: %w", name, err)
	}
	return drain("making image "+name, r)
}

// BuildImage builds a Dockerfile from a tar of its folder, on the host's network
// with its names, and keeps nothing but the result. progress gets the output.
func (e *Engine) BuildImage(ctx context.Context, name string, folder io.Reader, args, labels map[string]string, progress io.Writer) error {
	pointers := map[string]*string{}
	for k, v := range args {
		pointers[k] = &v
	}
	r, err := e.c.ImageBuild(ctx, folder, client.ImageBuildOptions{
		Tags: []string{name}, NetworkMode: "host", Remove: true, ForceRemove: true, BuildArgs: pointers, Labels: labels,
	})
	if err != nil {
		return fmt.Errorf("docker: building image %s: %w", name, err)
	}
	defer r.Body.Close()
	if err := copyStream(r.Body, progress); err != nil {
		return fmt.Errorf("docker: building image %s: %w", name, err)
	}
	return nil
}

// TagImage gives an image one more name.
func (e *Engine) TagImage(ctx context.Context, from, to string) error {
	if _, err := e.c.ImageTag(ctx, client.ImageTagOptions{Source: from, Target: to}); err != nil {
		return fmt.Errorf("docker: naming image %s %s: %w", from, to, err)
	}
	return nil
}

// PullImage asks the registry that the name says. auth is the Engine's own form
// of credentials; "" for none.
func (e *Engine) PullImage(ctx context.Context, name, auth string) (err error) {
	defer away(&err)
	r, err := e.c.ImagePull(ctx, name, client.ImagePullOptions{RegistryAuth: auth})
	if err != nil {
		return fmt.Errorf("docker: pulling image %s: %w", name, err)
	}
	return drain("pulling image "+name, r)
}

// SaveImages writes images as the Engine's archive (an OCI layout from newer ones).
func (e *Engine) SaveImages(ctx context.Context, names []string) (io.ReadCloser, error) {
	r, err := e.c.ImageSave(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("docker: saving images %v: %w", names, err)
	}
	return r, nil
}

// LoadImages reads what SaveImages wrote.
func (e *Engine) LoadImages(ctx context.Context, archive io.Reader) error {
	r, err := e.c.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return fmt.Errorf("docker: loading images: %w", err)
	}
	return drain("loading images", r)
}

// RemoveImage takes a name from an image; gone already is success.
func (e *Engine) RemoveImage(ctx context.Context, name string) error {
	_, err := e.c.ImageRemove(ctx, name, client.ImageRemoveOptions{})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("docker: removing image %s: %w", name, err)
	}
	return nil
}

// RemoveImagesFrom takes the names that were pulled from a registry at address from
// all images. One that a container still uses stays.
func (e *Engine) RemoveImagesFrom(ctx context.Context, address string) error {
	found, err := e.c.ImageList(ctx, client.ImageListOptions{})
	if err != nil {
		return fmt.Errorf("docker: listing images: %w", err)
	}
	var failed error
	for _, image := range found.Items {
		for _, name := range slices.Concat(image.RepoTags, image.RepoDigests) {
			if !strings.HasPrefix(name, address+"/") {
				continue
			}
			if err := e.RemoveImage(ctx, name); err != nil && !errdefs.IsConflict(err) {
				failed = errors.Join(failed, err)
			}
		}
	}
	return failed
}

func drain(what string, r io.ReadCloser) error {
	err := errors.Join(copyStream(r, io.Discard), r.Close())
	if err != nil {
		return fmt.Errorf("docker: %s: %w", what, err)
	}
	return nil
}
