package logs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	api "github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// place is where a page of FilterLogEvents ended: the next one begins at the same
// millisecond, behind so many lines of it in each stream.
type place struct {
	At   int64          `json:"at"`
	Seen map[string]int `json:"seen"`
}

// found is a line with its place among the stream's lines of the same millisecond.
type found struct {
	stream string
	at     int64
	nth    int
	text   string
}

func (s *Service) filterEvents(ctx context.Context, c op.Caller, in *api.FilterLogEventsInput, _ io.Reader) (*api.FilterLogEventsOutput, io.ReadCloser, error) {
	group := groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err := s.exists(ctx, c.Scope, group); err != nil {
		return nil, nil, err
	}
	matches, err := compile(op.Val(in.FilterPattern))
	if err != nil {
		return nil, nil, err
	}
	from, err := resume(in)
	if err != nil {
		return nil, nil, err
	}
	names, err := s.streams(ctx, c, group, in)
	if err != nil {
		return nil, nil, err
	}
	limit := int(op.Or(in.Limit, maxEvents))
	var all []found
	for _, name := range names {
		lines, err := s.scan(ctx, stream(c, group, &name), from, op.Or(in.EndTime, math.MaxInt64), limit, matches)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, lines...)
	}
	slices.SortStableFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.stream, b.stream), cmp.Compare(a.nth, b.nth))
	})
	out := &api.FilterLogEventsOutput{Events: []api.FilteredLogEvent{}, SearchedLogStreams: []api.SearchedLogStream{}}
	size := 0
	for i, f := range all {
		if i == limit || size > maxAnswer {
			out.NextToken, err = next(from, all[:i])
			break
		}
		size += len(f.text) + perEvent
		out.Events = append(out.Events, api.FilteredLogEvent{LogStreamName: &f.stream, Timestamp: &f.at, Message: &f.text, IngestionTime: &f.at, EventId: new(f.id())})
	}
	return out, nil, err
}

// id is the same in every answer: followers drop what they have seen by it.
func (f found) id() string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%s\x00%d\x00%d\x00%s", f.stream, f.at, f.nth, f.text)))
	return hex.EncodeToString(sum[:28])
}

func resume(in *api.FilterLogEventsInput) (place, error) {
	if in.NextToken == nil {
		return place{At: op.Val(in.StartTime)}, nil
	}
	var p place
	raw, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
	if err != nil || json.Unmarshal(raw, &p) != nil {
		return p, api.InvalidParameterException("The specified nextToken is invalid.")
	}
	return p, nil
}

// next is the token behind the lines that were given.
func next(from place, given []found) (*string, error) {
	p := place{At: given[len(given)-1].at, Seen: map[string]int{}}
	if p.At == from.At {
		p.Seen = from.Seen
		if p.Seen == nil {
			p.Seen = map[string]int{}
		}
	}
	for _, f := range given {
		if f.at == p.At {
			p.Seen[f.stream] = f.nth + 1
		}
	}
	raw, err := json.Marshal(p)
	return new(base64.RawURLEncoding.EncodeToString(raw)), err
}

func (s *Service) streams(ctx context.Context, c op.Caller, group *string, in *api.FilterLogEventsInput) ([]string, error) {
	if len(in.LogStreamNames) > 0 {
		if in.LogStreamNamePrefix != nil {
			return nil, api.InvalidParameterException("logStreamNames and logStreamNamePrefix cannot be given together.")
		}
		return in.LogStreamNames, nil
	}
	all, err := s.Lines.List(ctx, c.Account, c.Region, *group, op.Val(in.LogStreamNamePrefix), "", 0)
	var names []string
	for _, x := range all {
		names = append(names, x.Name)
	}
	return names, err
}

// scan reads at most limit+1 matching lines of one stream, from a place to end.
func (s *Service) scan(ctx context.Context, from logstore.Stream, p place, end int64, limit int, matches func(string) bool) (out []found, err error) {
	cursor, err := s.Lines.At(ctx, from, time.UnixMilli(p.At))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	last, nth := int64(math.MinInt64), 0
	for {
		page, err := s.Lines.Read(ctx, from, cursor, maxEvents)
		if err != nil {
			return nil, err
		}
		for _, l := range page.Lines {
			at := l.At.UnixMilli()
			if at != last {
				last, nth = at, -1
			}
			nth++
			if at < p.At || at >= end || at == p.At && nth < p.Seen[from.Name] || !matches(l.Text) {
				continue
			}
			if out = append(out, found{from.Name, at, nth, l.Text}); len(out) > limit {
				return out, nil
			}
		}
		if page.Forward == cursor || len(page.Lines) == 0 {
			return out, nil
		}
		cursor = page.Forward
	}
}
