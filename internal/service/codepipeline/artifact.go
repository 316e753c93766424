package codepipeline

import (
	"crypto/sha256"

	api "github.com/penstock-ci/penstock/api/codepipeline"
)

// artifactKey is where an output of an action execution lies, in AWS's layout.
func artifactKey(pipeline, artifact, execution string, isSource bool) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	sum := sha256.Sum256([]byte(execution + "/" + artifact))
	random := make([]byte, 7)
	for i := range random {
		random[i] = letters[int(sum[i])%len(letters)]
	}
	key := cut(pipeline, 20) + "/" + cut(artifact, 10) + "/" + string(random)
	if isSource {
		key += ".zip"
	}
	return key
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// storeOf is the artifact store of a region.
func storeOf(p *api.PipelineDeclaration, region string) (api.ArtifactStore, bool) {
	if p.ArtifactStore != nil {
		return *p.ArtifactStore, true
	}
	s, ok := p.ArtifactStores[region]
	return s, ok
}
