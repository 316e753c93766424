package logs

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	api "github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) createStream(ctx context.Context, c op.Caller, in *api.CreateLogStreamInput, _ io.Reader) (*api.CreateLogStreamOutput, io.ReadCloser, error) {
	if err := s.exists(ctx, c.Scope, in.LogGroupName); err != nil {
		return nil, nil, err
	}
	err := s.Lines.Create(ctx, stream(c, in.LogGroupName, in.LogStreamName))
	if errors.Is(err, store.ErrVersion) {
		return nil, nil, api.ResourceAlreadyExistsException("The specified log stream already exists")
	}
	return &api.CreateLogStreamOutput{}, nil, err
}

func (s *Service) describeStreams(ctx context.Context, c op.Caller, in *api.DescribeLogStreamsInput, _ io.Reader) (*api.DescribeLogStreamsOutput, io.ReadCloser, error) {
	group := groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err := s.exists(ctx, c.Scope, group); err != nil {
		return nil, nil, err
	}
	byTime := op.Val(in.OrderBy) == api.OrderByLastEventTime
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, nil, api.InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	all, err := s.Lines.List(ctx, c.Account, c.Region, *group, op.Val(in.LogStreamNamePrefix), "", 0)
	if err != nil {
		return nil, nil, err
	}
	slices.SortStableFunc(all, func(a, b logstore.Summary) int {
		order := cmp.Compare(a.Name, b.Name)
		if byTime {
			order = cmp.Or(a.Last.Compare(b.Last), order)
		}
		if op.Val(in.Descending) {
			return -order
		}
		return order
	})
	from := 0
	if in.NextToken != nil {
		from = slices.IndexFunc(all, func(x logstore.Summary) bool { return x.Name == *in.NextToken })
		if from < 0 {
			return nil, nil, api.InvalidParameterException("The specified nextToken is invalid.")
		}
	}
	out := &api.DescribeLogStreamsOutput{LogStreams: []api.LogStream{}}
	for _, x := range all[from:] {
		if len(out.LogStreams) == int(op.Or(in.Limit, pageSize)) {
			out.NextToken = &x.Name
			break
		}
		out.LogStreams = append(out.LogStreams, api.LogStream{
			LogStreamName: &x.Name, Arn: new(streamARN(c, group, &x.Name)[0]), StoredBytes: new(int64(0)), UploadSequenceToken: new("0"),
			CreationTime: millis(x.Created), FirstEventTimestamp: millis(x.First), LastEventTimestamp: millis(x.Last), LastIngestionTime: millis(x.Last),
		})
	}
	return out, nil, nil
}

func (s *Service) deleteStream(ctx context.Context, c op.Caller, in *api.DeleteLogStreamInput, _ io.Reader) (*api.DeleteLogStreamOutput, io.ReadCloser, error) {
	if err := s.exists(ctx, c.Scope, in.LogGroupName); err != nil {
		return nil, nil, err
	}
	err := s.Lines.Delete(ctx, stream(c, in.LogGroupName, in.LogStreamName))
	return &api.DeleteLogStreamOutput{}, nil, noStream(err)
}

func noStream(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return api.ResourceNotFoundException("The specified log stream does not exist.")
	}
	return err
}

func millis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.UnixMilli())
}
