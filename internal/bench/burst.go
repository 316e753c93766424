package bench

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"
)

const (
	burst, starters = 1000, 100
)

// burst starts a thousand builds at once; those that have a place run meanwhile. Each
// must be accepted. The floor is as many reads of the project, by the same callers.
func (b *Bench) burst(ctx context.Context) ([]Row, error) {
	s, err := b.running(ctx)
	if err != nil {
		return nil, err
	}
	spec := "version: 0.2\nphases:\n  build:\n    commands:\n      - true\n"
	if err := s.makeProject(ctx, "bench-burst", types.ProjectSource{Type: types.SourceTypeNoSource, Buildspec: &spec}); err != nil {
		return nil, err
	}
	callers, err := newCrowd(ctx, s.env, starters)
	if err != nil {
		return nil, err
	}
	read := func(ctx context.Context, caller int) error {
		_, err := callers.of(caller).Build.BatchGetProjects(ctx, &codebuild.BatchGetProjectsInput{Names: []string{"bench-burst"}})
		return err
	}
	// The first round opens the connections.
	if _, err := b.latencies(ctx, burst, starters, read); err != nil {
		return nil, fmt.Errorf("read a project: %w", err)
	}
	floor, err := b.latencies(ctx, burst, starters, read)
	if err != nil {
		return nil, fmt.Errorf("read a project: %w", err)
	}
	taken, err := b.latencies(ctx, burst, starters, func(ctx context.Context, caller int) error {
		_, err := callers.of(caller).Build.StartBuild(ctx, &codebuild.StartBuildInput{ProjectName: new("bench-burst")})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("not all of %d builds were accepted: %w", burst, err)
	}
	return []Row{row("burst", taken, floor)}, nil
}
