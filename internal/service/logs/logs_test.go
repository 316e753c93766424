package logs_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/logs"
)

var group, name = "/app/web", "web/1"

func setup(t *testing.T) *dispatchtest.Dispatcher {
	t.Helper()
	lines, err := logstore.Open(t.Context(), logstore.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Clock: clock.System{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lines.Shut(); err != nil {
			t.Error(err)
		}
	})
	deps := logs.Deps{Lines: lines, Clock: clock.System{}}
	d := dispatchtest.New(t, logs.New(deps).Tables())
	deps.DB = d.DB
	d.Add(t, logs.New(deps).Handlers()...)
	if _, err := op.Call(t.Context(), d, d.Root(), api.CreateLogGroup, &api.CreateLogGroupInput{LogGroupName: &group}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := op.CallStream(t.Context(), d, d.Root(), api.CreateLogStream, &api.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &name}, nil); err != nil {
		t.Fatal(err)
	}
	return d
}

func put(t *testing.T, d *dispatchtest.Dispatcher, first, n int, at time.Time) {
	t.Helper()
	in := &api.PutLogEventsInput{LogGroupName: &group, LogStreamName: &name}
	for i := range n {
		// Three lines share a millisecond, so that pages end within one.
		in.LogEvents = append(in.LogEvents, api.InputLogEvent{Timestamp: new(at.Add(time.Duration(i/3) * time.Millisecond).UnixMilli()), Message: new(fmt.Sprintf("line %d", first+i))})
	}
	if _, _, err := op.CallStream(t.Context(), d, d.Root(), api.PutLogEvents, in, nil); err != nil {
		t.Fatal(err)
	}
}

func TestForwardTokensReadEveryLineOnce(t *testing.T) {
	t.Parallel()
	d := setup(t)
	put(t, d, 0, 25, time.Now().Add(-time.Minute))
	var got []string
	in := &api.GetLogEventsInput{LogGroupName: &group, LogStreamName: &name, StartFromHead: new(true), Limit: new(int32(10))}
	for {
		out, _, err := op.CallStream(t.Context(), d, d.Root(), api.GetLogEvents, in, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			got = append(got, *e.Message)
		}
		if in.NextToken != nil && *out.NextForwardToken == *in.NextToken {
			break
		}
		in.NextToken = out.NextForwardToken
	}
	if len(got) != 25 || got[0] != "line 0" || got[24] != "line 24" {
		t.Errorf("read %d lines: %v", len(got), got)
	}
	newest, _, err := op.CallStream(t.Context(), d, d.Root(), api.GetLogEvents, &api.GetLogEventsInput{LogGroupName: &group, LogStreamName: &name, Limit: new(int32(3))}, nil)
	if err != nil || len(newest.Events) != 3 || *newest.Events[2].Message != "line 24" {
		t.Errorf("the newest page = %+v, %v", newest, err)
	}
}

func TestFilterPagesWithinAMillisecond(t *testing.T) {
	t.Parallel()
	d := setup(t)
	put(t, d, 0, 20, time.Now().Add(-time.Minute))
	var got []string
	in := &api.FilterLogEventsInput{LogGroupName: &group, Limit: new(int32(4)), FilterPattern: new(`line -"line 7"`)}
	for {
		out, _, err := op.CallStream(t.Context(), d, d.Root(), api.FilterLogEvents, in, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			got = append(got, strings.TrimPrefix(*e.Message, "line "))
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	want := strings.Fields("0 1 2 3 4 5 6 8 9 10 11 12 13 14 15 16 17 18 19")
	if !slices.Equal(got, want) {
		t.Errorf("filtered %v, want %v", got, want)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	d := setup(t)
	for want, err := range map[string]error{
		"The specified log group already exists": func() error {
			_, err := op.Call(t.Context(), d, d.Root(), api.CreateLogGroup, &api.CreateLogGroupInput{LogGroupName: &group})
			return err
		}(),
		"The specified log stream does not exist.": func() error {
			_, _, err := op.CallStream(t.Context(), d, d.Root(), api.GetLogEvents, &api.GetLogEventsInput{LogGroupName: &group, LogStreamName: new("none")}, nil)
			return err
		}(),
		"The specified log group does not exist.": func() error {
			_, _, err := op.CallStream(t.Context(), d, d.Root(), api.FilterLogEvents, &api.FilterLogEventsInput{LogGroupName: new("none")}, nil)
			return err
		}(),
		"Log events in a single PutLogEvents request must be in chronological order.": func() error {
			now := time.Now().UnixMilli()
			_, _, err := op.CallStream(t.Context(), d, d.Root(), api.PutLogEvents, &api.PutLogEventsInput{LogGroupName: &group, LogStreamName: &name, LogEvents: []api.InputLogEvent{
				{Timestamp: new(now), Message: new("a")}, {Timestamp: new(now - 1), Message: new("b")},
			}}, nil)
			return err
		}(),
	} {
		refused, ok := errors.AsType[*op.Error](err)
		if !ok || refused.Message != want {
			t.Errorf("answered %v, want %q", err, want)
		}
	}
}
