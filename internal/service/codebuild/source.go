package codebuild

import (
	"fmt"
	"net/url"
	"strings"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// outputDir is where CodeBuild keeps sources: src and digits that differ by build.
func (b Build) outputDir() string {
	n := uint32(0)
	for _, c := range b.UUID {
		n = n*31 + uint32(c)
	}
	return fmt.Sprintf("/codebuild/output/src%d", n%1_000_000_000)
}

// sources are what the runner brings, the primary one first.
func (b Build) sources() []protocol.Source {
	root := b.outputDir() + "/src"
	many := len(b.Asked.SecondarySources) > 0
	out := []protocol.Source{source(b.Asked.Source, "", b.Asked.Version, root, many, 0)}
	for i, src := range b.Asked.SecondarySources {
		id := op.Val(src.SourceIdentifier)
		version := ""
		for _, v := range b.Asked.SecondaryVersions {
			if op.Val(v.SourceIdentifier) == id {
				version = op.Val(v.SourceVersion)
			}
		}
		out = append(out, source(src, id, version, root, many, i+1))
	}
	return out
}

func source(src api.ProjectSource, id, version, root string, many bool, number int) protocol.Source {
	out := protocol.Source{ID: id, Dir: root, Kind: protocol.FromNothing}
	switch op.Val(src.Type) {
	case api.SourceTypeS3, api.SourceTypeCodepipeline:
		out.Kind = protocol.FromS3
		out.Bucket, out.Key, _ = strings.Cut(objectPath(op.Val(src.Location)), "/")
		if op.Val(src.Type) == api.SourceTypeS3 {
			out.Version = version // of a pipeline's artifact it is the revision, not the object's
		}
		if many {
			out.Dir = fmt.Sprintf("%s/s3/%02d", root, number)
		}
	case api.SourceTypeNoSource:
	default:
		out.Kind, out.URL, out.Ref, out.Depth = protocol.FromGit, op.Val(src.Location), version, int(op.Val(src.GitCloneDepth))
		if c := src.GitSubmodulesConfig; c != nil {
			out.Submodules = op.Val(c.FetchSubmodules)
		}
		if u, err := url.Parse(out.URL); err == nil {
			out.Dir = root + "/" + u.Hostname() + strings.TrimSuffix(u.Path, ".git")
		}
	}
	return out
}

// specPlace is where the buildspec is.
func (b Build) specPlace() protocol.SpecPlace {
	spec := op.Val(b.Asked.Source.Buildspec)
	if isInline(spec) {
		return protocol.SpecPlace{Inline: spec}
	}
	if path, ok := strings.CutPrefix(spec, "arn:aws:s3:::"); ok {
		bucket, key, _ := strings.Cut(path, "/")
		return protocol.SpecPlace{Bucket: bucket, Key: key}
	}
	return protocol.SpecPlace{Path: spec}
}
