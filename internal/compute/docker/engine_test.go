package docker

import (
	"context"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/compute"
)

func TestAnEngineThatDoesNotAnswerIsAway(t *testing.T) {
	t.Parallel()
	e, err := Connect("unix://" + t.TempDir() + "/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.HasImage(t.Context(), "any"); !compute.IsAway(err) || !strings.Contains(err.Error(), "start it") {
		t.Errorf("without an Engine: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.HasImage(ended, "any"); err == nil || compute.IsAway(err) {
		t.Errorf("a caller that left is told %v", err)
	}
}
