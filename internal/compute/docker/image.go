package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/jsonstream"
)

// copyStream reads the Engine's progress messages to their end and writes what
// they print; an error among them is the answer.
func copyStream(r io.Reader, w io.Writer) error {
	d := json.NewDecoder(r)
	for {
		var m jsonstream.Message
		err := d.Decode(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the Engine's progress: %w", err)
		}
		if m.Error != nil {
			return m.Error
		}
		if _, err := io.WriteString(w, m.Stream); err != nil {
			return fmt.Errorf("passing on the Engine's progress: %w", err)
		}
	}
}

// image finds the id of an image, or has it brought. Its errors have AWS's words.
func (b *Backend) image(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", errors.New("CannotPullContainerError: the container names no image")
	}
	have, err := b.client().ImageInspect(ctx, name)
	if err == nil {
		return have.ID, nil
	}
	if !errdefs.IsNotFound(err) {
		return "", fmt.Errorf("CannotPullContainerError: asking the Engine for image %s: %w", name, err)
	}
	if b.cfg.Pull == nil {
		return "", fmt.Errorf("CannotPullContainerError: pull image manifest has been retried 0 time(s): "+
			"image %s is not on this host and no registry is configured: penstock mirror add %s brings it", name, name)
	}
	if err := b.cfg.Pull(ctx, name); err != nil {
		return "", fmt.Errorf("CannotPullContainerError: pull image manifest has been retried 0 time(s): failed to resolve ref %s: %w", name, err)
	}
	have, err = b.client().ImageInspect(ctx, name)
	if err != nil {
		return "", fmt.Errorf("CannotPullContainerError: image %s was pulled and is not there: %w", name, err)
	}
	return have.ID, nil
}
