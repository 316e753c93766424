// Package baseimage makes the prepackaged images on this machine: a Debian root
// by mmdebstrap from the archive that this machine's own apt uses, and on it the
// Dockerfiles of the images folder. What was made is kept as one archive, so that
// a second set-up takes seconds. `penstock setup` and the tests call it; it never
// names a mirror or a registry of its own.
package baseimage

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/images"
)

// Names of the images.
const (
	Debian   = "penstock/debian:12"
	Build    = "penstock/build:1"
	Postgres = "penstock/postgres:15"
	Python   = "penstock/python:3.11"
)

// Is tells whether an image is one of them.
func Is(image string) bool { return slices.Contains([]string{Debian, Build, Postgres, Python}, image) }

// PythonAlias is the name that builds write for Python (FROM …); the image mirror
// serves it. It is a name of our own, so as not to pose as the official image.
const PythonAlias = "public.ecr.aws/penstock/python:3.11"

// recipe is an image to build on Debian.
type recipe struct {
	name, folder string
}

var recipes = []recipe{{Python, "python"}, {Postgres, "postgres"}, {Build, "build"}}

// context is the recipe's folder as a tar, the same bytes every time.
func (r recipe) context() ([]byte, error) {
	var out bytes.Buffer
	t := tar.NewWriter(&out)
	err := fs.WalkDir(images.Recipes, r.folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := images.Recipes.ReadFile(name)
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if path.Ext(name) == ".sh" { // an embedded file has lost its mode
			mode = 0o755
		}
		if err := t.WriteHeader(&tar.Header{Name: strings.TrimPrefix(name, r.folder+"/"), Mode: mode, Size: int64(len(body))}); err != nil {
			return err
		}
		_, err = t.Write(body)
		return err
	})
	if err == nil {
		err = t.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("baseimage: packing the recipe of %s: %w", r.name, err)
	}
	return out.Bytes(), nil
}

// mark names the content of a recipe and what it is built on; it is the image's
// label, so that a newer release makes its own.
func mark(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d\x00", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// onlyDockerfile is a build's folder with nothing but a Dockerfile.
func onlyDockerfile(text string) ([]byte, error) {
	var out bytes.Buffer
	t := tar.NewWriter(&out)
	err := t.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Size: int64(len(text))})
	if err == nil {
		_, err = t.Write([]byte(text))
	}
	if err == nil {
		err = t.Close()
	}
	return out.Bytes(), err
}
