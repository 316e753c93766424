package logs

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
)

// Limits of PutLogEvents (API reference).
const (
	maxBatch  = 1048576
	perEvent  = 26
	tooOld    = 14 * 24 * time.Hour
	tooNew    = 2 * time.Hour
	maxEvents = 10000
	maxAnswer = 1 << 20
)

func (s *Service) putEvents(ctx context.Context, c op.Caller, in *api.PutLogEventsInput, _ io.Reader) (*api.PutLogEventsOutput, io.ReadCloser, error) {
	if err := s.exists(ctx, c.Scope, in.LogGroupName); err != nil {
		return nil, nil, err
	}
	to := stream(c, in.LogGroupName, in.LogStreamName)
	if _, err := s.Lines.Read(ctx, to, logstore.Tail, 1); err != nil {
		return nil, nil, noStream(err)
	}
	lines, rejected, err := accept(in.LogEvents, s.Clock.Now())
	if err != nil {
		return nil, nil, err
	}
	if len(lines) > 0 {
		// Clients do not number their lines: each call is a producer of its own.
		if _, err := s.Lines.AppendFrom(ctx, to, "put/"+ids.UUID(c.RequestID), 0, lines); err != nil {
			return nil, nil, err
		}
	}
	return &api.PutLogEventsOutput{NextSequenceToken: new("0"), RejectedLogEventsInfo: rejected}, nil, nil
}

// accept holds a batch against the limits; events of the wrong time are left out.
func accept(events []api.InputLogEvent, now time.Time) (lines []logstore.Line, rejected *api.RejectedLogEventsInfo, err error) {
	size, last := 0, int64(0)
	for i, e := range events {
		size += len(op.Val(e.Message)) + perEvent
		if size > maxBatch {
			return nil, nil, api.InvalidParameterException("Upload too large: %d bytes exceeds limit of %d", size, maxBatch)
		}
		if op.Val(e.Timestamp) < last {
			return nil, nil, api.InvalidParameterException("Log events in a single PutLogEvents request must be in chronological order.")
		}
		last = op.Val(e.Timestamp)
		at := time.UnixMilli(last).UTC()
		switch {
		case now.Sub(at) > tooOld:
			if rejected == nil {
				rejected = &api.RejectedLogEventsInfo{}
			}
			rejected.TooOldLogEventEndIndex = new(int32(i + 1))
		case at.Sub(now) > tooNew:
			if rejected == nil {
				rejected = &api.RejectedLogEventsInfo{}
			}
			if rejected.TooNewLogEventStartIndex == nil {
				rejected.TooNewLogEventStartIndex = new(int32(i))
			}
		default:
			lines = append(lines, logstore.Line{At: at, Text: op.Val(e.Message)})
		}
	}
	return lines, rejected, nil
}

func (s *Service) getEvents(ctx context.Context, c op.Caller, in *api.GetLogEventsInput, _ io.Reader) (*api.GetLogEventsOutput, io.ReadCloser, error) {
	group := groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err := s.exists(ctx, c.Scope, group); err != nil {
		return nil, nil, err
	}
	from := stream(c, group, in.LogStreamName)
	cursor, err := s.begin(ctx, from, in)
	if err != nil {
		return nil, nil, err
	}
	page, err := s.Lines.Read(ctx, from, cursor, int(op.Or(in.Limit, maxEvents)))
	if errors.Is(err, logstore.ErrCursor) {
		return nil, nil, api.InvalidParameterException("The specified nextToken is invalid.")
	}
	if err != nil {
		return nil, nil, noStream(err)
	}
	out := &api.GetLogEventsOutput{Events: []api.OutputLogEvent{}, NextForwardToken: new("f/" + page.Forward), NextBackwardToken: new("b/" + page.Back)}
	for _, l := range page.Lines {
		at := l.At.UnixMilli()
		if in.StartTime != nil && at < *in.StartTime || in.EndTime != nil && at >= *in.EndTime {
			continue
		}
		out.Events = append(out.Events, api.OutputLogEvent{Timestamp: &at, Message: &l.Text, IngestionTime: &at})
	}
	return out, nil, nil
}

// begin is the cursor that a call reads from: of its token, the head, or the newest page.
func (s *Service) begin(ctx context.Context, from logstore.Stream, in *api.GetLogEventsInput) (string, error) {
	if in.NextToken != nil {
		for _, direction := range []string{"f/", "b/"} {
			if cursor, ok := strings.CutPrefix(*in.NextToken, direction); ok {
				return cursor, nil
			}
		}
		return "", api.InvalidParameterException("The specified nextToken is invalid.")
	}
	if op.Val(in.StartFromHead) {
		if in.StartTime == nil {
			return "", nil
		}
		cursor, err := s.Lines.At(ctx, from, time.UnixMilli(*in.StartTime))
		return cursor, noStream(err)
	}
	return logstore.Tail, nil // read backwards
}
