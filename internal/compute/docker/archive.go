package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute"
)

// putFiles writes the container's files and the trusted bundles into it by one
// request. Nothing can be put into a read-only root: there the bundles are mounted.
func (b *Backend) putFiles(ctx context.Context, name string, c compute.Container, t trusted) error {
	files := c.Files
	if !c.ReadOnlyRoot {
		for _, f := range t.Files {
			body, err := f.read()
			if err != nil {
				return err
			}
			files = append(files[:len(files):len(files)], compute.File{Path: f.Path, Mode: 0o644, Body: body})
		}
	}
	if len(files) == 0 {
		return nil
	}
	body, err := pack(files)
	if err != nil {
		return fmt.Errorf("docker: packing the files of container %s: %w", name, err)
	}
	_, err = b.client().CopyToContainer(ctx, name, client.CopyToContainerOptions{DestinationPath: "/", Content: bytes.NewReader(body)})
	if err != nil {
		return fmt.Errorf("CannotCreateContainerError: putting files into container %s: %w", name, err)
	}
	return nil
}

// pack makes a tar of files. Folders are not listed: the Engine makes those that
// lack, and leaves the mode of those that the image has.
func pack(files []compute.File) ([]byte, error) {
	var out bytes.Buffer
	t := tar.NewWriter(&out)
	for _, f := range files {
		name := strings.TrimPrefix(path.Clean("/"+f.Path), "/")
		h := &tar.Header{Name: name, Mode: f.Mode, Uid: f.UID, Gid: f.UID, Size: int64(len(f.Body)), Typeflag: tar.TypeReg}
		if err := t.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := t.Write(f.Body); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
