package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"
)

const (
	builds = 30
	// rest lies between two builds: the last one is cleaned up, and a pod is made ready
	// for the next, as on a server that is not always busy.
	rest = 500 * time.Millisecond
	// pace is how often a client that waits asks again; asking more often would
	// measure the asking.
	pace = 5 * time.Millisecond
	// patience is above the slowest build on two busy cores.
	patience = time.Minute
)

func commands() []string { return []string{"echo one", "uname -s", "ls /"} }

// builds takes first log line and end of the same builds, as a client that waits for
// them sees both. The floor is the same commands in a container of the same image.
func (b *Bench) builds(ctx context.Context) (rows []Row, err error) {
	s, err := b.running(ctx)
	if err != nil {
		return nil, err
	}
	spec := "version: 0.2\nphases:\n  build:\n    commands:\n      - " + strings.Join(commands(), "\n      - ") + "\n"
	if err := s.makeProject(ctx, "bench", types.ProjectSource{Type: types.SourceTypeNoSource, Buildspec: &spec}); err != nil {
		return nil, err
	}
	least, err := b.Container(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, least.Close(ctx)) }()

	var line, end, leastLine, leastEnd samples
	for n := range builds + 1 {
		leastFirst, leastEnded, err := least.Run(ctx, "sh", "-ec", strings.Join(commands(), "\n"))
		if err != nil {
			return nil, err
		}
		if err := b.pause(ctx, rest); err != nil {
			return nil, err
		}
		first, ended, err := b.build(ctx, s)
		if err != nil {
			return nil, err
		}
		if err := b.pause(ctx, rest); err != nil {
			return nil, err
		}
		if n == 0 {
			continue // makes the log group and unpacks the runner
		}
		line, end = append(line, ms(first)), append(end, ms(ended))
		leastLine, leastEnd = append(leastLine, ms(leastFirst)), append(leastEnd, ms(leastEnded))
	}
	return []Row{row("first-line", line, leastLine), row("build", end, leastEnd)}, nil
}

// build runs one build and tells when its first line could be read and when it was
// complete, counted from before the request.
func (b *Bench) build(ctx context.Context, s *stack) (first, ended time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begun := b.Clock.Now()
	started, err := s.aws.Build.StartBuild(ctx, &codebuild.StartBuildInput{ProjectName: new("bench")})
	if err != nil {
		return 0, 0, fmt.Errorf("start a build: %w", err)
	}
	id := *started.Build.Id
	_, stream, _ := strings.Cut(id, ":")
	if err := b.until(ctx, pace, func() (bool, error) { return s.hasLine(ctx, "/aws/codebuild/bench", stream) }); err != nil {
		return 0, 0, fmt.Errorf("wait for the log of the build %s: %w", id, err)
	}
	first = b.Clock.Now().Sub(begun)
	if err := b.until(ctx, pace, func() (bool, error) { return s.isComplete(ctx, id) }); err != nil {
		return 0, 0, fmt.Errorf("wait for the build %s: %w", id, err)
	}
	return first, b.Clock.Now().Sub(begun), nil
}

func (s *stack) hasLine(ctx context.Context, group, stream string) (bool, error) {
	out, err := s.aws.Logs.GetLogEvents(ctx, &logs.GetLogEventsInput{LogGroupName: &group, LogStreamName: &stream})
	if _, missing := errors.AsType[*logtypes.ResourceNotFoundException](err); missing {
		return false, nil
	}
	return err == nil && len(out.Events) > 0, err
}

func (s *stack) isComplete(ctx context.Context, id string) (bool, error) {
	out, err := s.aws.Build.BatchGetBuilds(ctx, &codebuild.BatchGetBuildsInput{Ids: []string{id}})
	if err != nil {
		return false, err
	}
	build := out.Builds[0]
	if build.BuildComplete && build.BuildStatus != types.StatusTypeSucceeded {
		return true, fmt.Errorf("it ended as %s", build.BuildStatus)
	}
	return build.BuildComplete, nil
}
