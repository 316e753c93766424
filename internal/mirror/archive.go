package mirror

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/penstock-ci/penstock/internal/blob"
)

// smallest bounds what of an archive is read into memory: lists and configurations.
const smallest = 4 << 20

// entry is one file of an archive: its bytes where it is small, and the blob that
// holds it where it may be a layer.
type entry struct {
	body      []byte
	digest    blob.Digest
	size      int64
	mediaType string
	link      string
}

// take reads the Engine's archive of one image, old (a folder per layer) or new
// (an OCI layout): both list the image in manifest.json. Layers go into blobs as
// they come by, as they are: a registry on the same host gains nothing from
// packing them.
func (m *Mirror) take(ctx context.Context, r io.Reader) (Image, error) {
	entries := map[string]entry{}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Image{}, fmt.Errorf("reading the Engine's archive: %w", err)
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			e, err := m.takeFile(ctx, name, h.Size, t)
			if err != nil {
				return Image{}, err
			}
			entries[name] = e
		case tar.TypeSymlink, tar.TypeLink:
			target := h.Linkname
			if h.Typeflag == tar.TypeSymlink {
				target = path.Join(path.Dir(name), target)
			}
			entries[name] = entry{link: path.Clean(target)}
		}
	}
	return m.assemble(ctx, entries)
}

func (m *Mirror) takeFile(ctx context.Context, name string, size int64, r io.Reader) (entry, error) {
	layer := strings.HasSuffix(name, ".tar") || strings.HasPrefix(name, "blobs/")
	e := entry{size: size}
	if size <= smallest {
		var err error
		if e.body, err = io.ReadAll(r); err != nil {
			return e, fmt.Errorf("reading %s of the Engine's archive: %w", name, err)
		}
		r = bytes.NewReader(e.body)
	}
	if !layer {
		return e, nil
	}
	b := bufio.NewReader(r)
	head, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return e, fmt.Errorf("reading %s of the Engine's archive: %w", name, err)
	}
	e.mediaType = ocispec.MediaTypeImageLayer
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		e.mediaType = ocispec.MediaTypeImageLayerGzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		e.mediaType = ocispec.MediaTypeImageLayerZstd
	}
	e.digest, e.size, err = m.Blobs.Put(ctx, b, "")
	if err != nil {
		return e, fmt.Errorf("keeping %s of the Engine's archive: %w", name, err)
	}
	return e, nil
}

// assemble writes the manifest of the archive's one image.
func (m *Mirror) assemble(ctx context.Context, entries map[string]entry) (Image, error) {
	find := func(name string) (entry, error) {
		for range 8 { // links of links
			e, ok := entries[path.Clean(name)]
			if !ok {
				return e, fmt.Errorf("the Engine's archive lacks %s", name)
			}
			if e.link == "" {
				return e, nil
			}
			name = e.link
		}
		return entry{}, fmt.Errorf("the Engine's archive has a circle of links at %s", name)
	}
	list, err := find("manifest.json")
	if err != nil {
		return Image{}, err
	}
	var listed []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(list.body, &listed); err != nil || len(listed) != 1 {
		return Image{}, fmt.Errorf("the Engine's archive lists %d images, one is expected (%v)", len(listed), err)
	}
	config, err := find(listed[0].Config)
	if err != nil {
		return Image{}, err
	}
	image := Image{MediaType: ocispec.MediaTypeImageManifest}
	if image.Config, _, err = m.Blobs.Put(ctx, bytes.NewReader(config.body), ""); err != nil {
		return Image{}, fmt.Errorf("keeping the image's configuration: %w", err)
	}
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: image.MediaType,
		Config: descriptor(ocispec.MediaTypeImageConfig, image.Config, int64(len(config.body))),
		Layers: []ocispec.Descriptor{},
	}
	image.Size = int64(len(config.body))
	for _, name := range listed[0].Layers {
		l, err := find(name)
		if err != nil {
			return Image{}, err
		}
		manifest.Layers = append(manifest.Layers, descriptor(l.mediaType, l.digest, l.size))
		image.Layers = append(image.Layers, l.digest)
		image.Size += l.size
	}
	body, err := json.Marshal(manifest)
	if err != nil {
		return Image{}, fmt.Errorf("encoding the image's manifest: %w", err)
	}
	image.Size += int64(len(body))
	if image.Digest, _, err = m.Blobs.Put(ctx, bytes.NewReader(body), ""); err != nil {
		return Image{}, fmt.Errorf("keeping the image's manifest: %w", err)
	}
	return image, nil
}

func descriptor(mediaType string, d blob.Digest, size int64) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.Digest(d), Size: size}
}
