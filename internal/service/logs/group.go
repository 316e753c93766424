package logs

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// retentions are the days that AWS takes (PutRetentionPolicy).
var retentions = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (s *Service) createGroup(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateLogGroupInput) (*api.CreateLogGroupOutput, error) {
	g := Group{Created: s.Clock.Now(), Class: op.Or(in.LogGroupClass, api.LogGroupClassStandard), KMSKey: op.Val(in.KmsKeyId), Tags: in.Tags, Protected: op.Val(in.DeletionProtectionEnabled)}
	_, err := s.groups.Put(ctx, tx, c.Scope, *in.LogGroupName, g, 0)
	if errors.Is(err, store.ErrVersion) {
		return nil, api.ResourceAlreadyExistsException("The specified log group already exists")
	}
	return &api.CreateLogGroupOutput{}, err
}

// load finds a group by name.
func (s *Service) load(ctx context.Context, r store.Reader, scope store.Scope, name *string) (store.Doc[Group], error) {
	d, err := s.groups.Get(ctx, r, scope, op.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return d, api.ResourceNotFoundException("The specified log group does not exist.")
	}
	return d, err
}

// exists is load for operations that have no transaction.
func (s *Service) exists(ctx context.Context, scope store.Scope, name *string) error {
	return s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		_, err := s.load(ctx, r, scope, name)
		return err
	})
}

// groupName is the name, or that of an identifier, which may be an ARN.
func groupName(name, identifier *string) *string {
	if name != nil || identifier == nil {
		return name
	}
	if a, ok := arn.Parse(*identifier); ok {
		return new(strings.TrimSuffix(strings.TrimPrefix(a.Resource, "log-group:"), ":*"))
	}
	return identifier
}

// Limits of a page of groups and streams.
const pageSize = 50

func (s *Service) describeGroups(ctx context.Context, c op.Caller, in *api.DescribeLogGroupsInput, _ io.Reader) (*api.DescribeLogGroupsOutput, io.ReadCloser, error) {
	limit := int(op.Or(in.Limit, pageSize))
	query := store.Query{Prefix: op.Val(in.LogGroupNamePrefix), After: op.Val(in.NextToken)}
	var docs []store.Doc[Group]
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		docs, err = s.groups.List(ctx, r, c.Scope, query)
		return err
	})
	if errors.Is(err, store.ErrCursor) {
		return nil, nil, api.InvalidParameterException("The specified nextToken is invalid.")
	}
	if err != nil {
		return nil, nil, err
	}
	out := &api.DescribeLogGroupsOutput{LogGroups: []api.LogGroup{}}
	var last string
	for _, d := range docs {
		if !strings.Contains(d.Key, op.Val(in.LogGroupNamePattern)) {
			continue
		}
		if len(in.LogGroupIdentifiers) > 0 && !slices.ContainsFunc(in.LogGroupIdentifiers, func(i string) bool { return *groupName(nil, &i) == d.Key }) {
			continue
		}
		if len(out.LogGroups) == limit {
			out.NextToken = &last
			break
		}
		streams, err := s.Lines.List(ctx, c.Account, c.Region, d.Key, "", "", 0)
		if err != nil {
			return nil, nil, err
		}
		var bytes int64
		for _, stream := range streams {
			bytes += stream.Bytes
		}
		out.LogGroups = append(out.LogGroups, group(c, d, bytes))
		last = d.Cursor
	}
	return out, nil, nil
}

func group(c op.Caller, d store.Doc[Group], bytes int64) api.LogGroup {
	name := groupARN(c, &d.Key)[0]
	return api.LogGroup{
		LogGroupName: &d.Key, CreationTime: new(d.Value.Created.UnixMilli()), RetentionInDays: op.Opt(d.Value.Retention), MetricFilterCount: new(int32(0)),
		Arn: new(name + ":*"), LogGroupArn: &name, StoredBytes: &bytes, KmsKeyId: op.Opt(d.Value.KMSKey), LogGroupClass: &d.Value.Class,
		DeletionProtectionEnabled: &d.Value.Protected,
	}
}

// deleteGroup deletes the streams first: a crash in between leaves a group that is
// deleted by the next try.
func (s *Service) deleteGroup(ctx context.Context, c op.Caller, in *api.DeleteLogGroupInput, _ io.Reader) (*api.DeleteLogGroupOutput, io.ReadCloser, error) {
	if err := s.exists(ctx, c.Scope, in.LogGroupName); err != nil {
		return nil, nil, err
	}
	streams, err := s.Lines.List(ctx, c.Account, c.Region, *in.LogGroupName, "", "", 0)
	if err != nil {
		return nil, nil, err
	}
	for _, stream := range streams {
		if err := s.Lines.Delete(ctx, stream.Stream); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, nil, err
		}
	}
	return &api.DeleteLogGroupOutput{}, nil, s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := s.load(ctx, tx, c.Scope, in.LogGroupName)
		if err != nil {
			return err
		}
		if d.Value.Protected {
			return api.ValidationException("The log group is protected from deletion.")
		}
		return s.groups.Delete(ctx, tx, c.Scope, d.Key, d.Version)
	})
}

func (s *Service) alter(ctx context.Context, tx store.Tx, scope store.Scope, name *string, f func(*Group)) error {
	d, err := s.load(ctx, tx, scope, name)
	if err != nil {
		return err
	}
	f(&d.Value)
	_, err = s.groups.Put(ctx, tx, scope, d.Key, d.Value, d.Version)
	return err
}

func (s *Service) putRetention(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutRetentionPolicyInput) (*api.PutRetentionPolicyOutput, error) {
	if !slices.Contains(retentions, op.Val(in.RetentionInDays)) {
		return nil, api.InvalidParameterException("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", op.Val(in.RetentionInDays), retentions)
	}
	return &api.PutRetentionPolicyOutput{}, s.alter(ctx, tx, c.Scope, in.LogGroupName, func(g *Group) { g.Retention = *in.RetentionInDays })
}

func (s *Service) deleteRetention(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteRetentionPolicyInput) (*api.DeleteRetentionPolicyOutput, error) {
	return &api.DeleteRetentionPolicyOutput{}, s.alter(ctx, tx, c.Scope, in.LogGroupName, func(g *Group) { g.Retention = 0 })
}

// Expire forgets the lines that are past their group's retention.
func (s *Service) Expire(ctx context.Context) error {
	var docs []store.Doc[Group]
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		docs, err = s.groups.List(ctx, r, store.Scope{}, store.Query{})
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range docs {
		if d.Value.Retention == 0 {
			continue
		}
		before := s.Clock.Now().AddDate(0, 0, -int(d.Value.Retention))
		streams, err := s.Lines.List(ctx, d.Scope.Account, d.Scope.Region, d.Key, "", "", 0)
		if err != nil {
			return err
		}
		for _, stream := range streams {
			if err := s.Lines.Expire(ctx, stream.Stream, before); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
	}
	return nil
}

func (s *Service) tag(ctx context.Context, tx store.Tx, c op.Caller, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return &api.TagResourceOutput{}, s.alter(ctx, tx, c.Scope, groupName(nil, in.ResourceArn), func(g *Group) {
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		maps.Copy(g.Tags, in.Tags)
	})
}

func (s *Service) untag(ctx context.Context, tx store.Tx, c op.Caller, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return &api.UntagResourceOutput{}, s.alter(ctx, tx, c.Scope, groupName(nil, in.ResourceArn), func(g *Group) {
		for _, k := range in.TagKeys {
			delete(g.Tags, k)
		}
	})
}

func (s *Service) listTags(ctx context.Context, r store.Reader, c op.Caller, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	d, err := s.load(ctx, r, c.Scope, groupName(nil, in.ResourceArn))
	return &api.ListTagsForResourceOutput{Tags: orEmpty(d.Value.Tags)}, err
}

func (s *Service) listGroupTags(ctx context.Context, r store.Reader, c op.Caller, in *api.ListTagsLogGroupInput) (*api.ListTagsLogGroupOutput, error) {
	d, err := s.load(ctx, r, c.Scope, in.LogGroupName)
	return &api.ListTagsLogGroupOutput{Tags: orEmpty(d.Value.Tags)}, err
}

func orEmpty(tags map[string]string) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}

func stream(c op.Caller, group, name *string) logstore.Stream {
	return logstore.Stream{Account: c.Account, Region: c.Region, Group: op.Val(group), Name: op.Val(name)}
}
