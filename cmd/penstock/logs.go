package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/demo"
)

type logsCmd struct {
	who
	Group  string        `arg:"" help:"Log group: /aws/codebuild/PROJECT, /ecs/…"`
	Stream string        `help:"Only streams whose name begins so." placeholder:"PREFIX"`
	Since  time.Duration `help:"How far back." default:"1h"`
	Follow bool          `help:"Go on until interrupted." short:"f"`
}

// followEvery is how often --follow asks for more.
const followEvery = 500 * time.Millisecond

func (cmd *logsCmd) Run(ctx context.Context, c *cli) error {
	e, err := cmd.env(ctx, c)
	if err != nil {
		return err
	}
	aws, err := demo.Connect(ctx, demo.Env{Endpoint: e.Endpoint, AccessKeyID: e.AccessKeyID, SecretAccessKey: e.SecretAccessKey, Region: e.Region, Account: e.Account})
	if err != nil {
		return err
	}
	since := clock.System{}.Now().Add(-cmd.Since).UnixMilli()
	seen := map[string]bool{}
	for {
		pages := logs.NewFilterLogEventsPaginator(aws.Logs, cmd.input(since))
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if _, none := errors.AsType[*types.ResourceNotFoundException](err); none {
				return fmt.Errorf("there is no log group %s: `aws logs describe-log-groups` lists them; that of a build or a task comes with its first line", cmd.Group)
			}
			if err != nil {
				return fmt.Errorf("read the log group %s: %w", cmd.Group, err)
			}
			since = max(since, show(page.Events, seen))
		}
		if !cmd.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil
			}
			return ctx.Err()
		case <-clock.System{}.After(followEvery):
		}
	}
}

func (cmd *logsCmd) input(since int64) *logs.FilterLogEventsInput {
	in := &logs.FilterLogEventsInput{LogGroupName: &cmd.Group, StartTime: &since}
	if cmd.Stream != "" {
		in.LogStreamNamePrefix = &cmd.Stream
	}
	return in
}

// show prints the events not seen yet; it returns the newest instant, in milliseconds.
func show(events []types.FilteredLogEvent, seen map[string]bool) (newest int64) {
	for _, e := range events {
		newest = max(newest, *e.Timestamp)
		if seen[*e.EventId] {
			continue
		}
		seen[*e.EventId] = true
		fmt.Printf("%s %s %s\n", time.UnixMilli(*e.Timestamp).Format("15:04:05.000"), *e.LogStreamName, strings.TrimRight(*e.Message, "\n"))
	}
	return newest
}
