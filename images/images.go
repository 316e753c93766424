// Package images holds the recipes of the prepackaged images, as Dockerfiles, so
// that the one binary can make them where no registry is reachable.
// internal/host/baseimage builds them; nothing else reads them.
package images

import "embed"

// Recipes has one folder per image: a Dockerfile and what it copies.
//
//go:embed build postgres python
var Recipes embed.FS
